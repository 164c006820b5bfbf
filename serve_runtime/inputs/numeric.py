"""Values of any kind as arrays of numbers."""

import sys
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Array, Float64
from serve_runtime.errors import InputError
from serve_runtime.inputs.decimals import arrow_decimals, decimals
from serve_runtime.inputs.refusals import type_name, unreadable
from serve_runtime.inputs.rounding import round_once
from serve_runtime.shown import quoted

REAL: Final = "biuf"
"""Kinds of real dtypes."""

_EXACT_INTEGER: Final = 2.0**53
"""float64 holds all integers up to this one."""

_FLOATS: Final = {float, bool, type(None), np.float64, np.float32, np.float16, np.bool_}
"""Types of objects that float64 holds exactly."""

MISSING_TYPES: Final = {"NoneType", "NAType", "NaTType", "MaskedConstant"}
"""Names of the types of None, pandas.NA, pandas.NaT and numpy.ma.masked."""

_UNMASKED: Final = {tuple, list, float, int, str, bool}
"""Usual types of values and rows, asked first."""


def is_masked_type(kind: type) -> bool:
    """Asked without numpy.ma, which takes 10 ms to load and is there if there is a masked array."""
    module = sys.modules.get("numpy.ma")
    return module is not None and issubclass(kind, module.MaskedArray)


def to_array(values: Any, what: str) -> Array:
    """`values` as an array of any dtype, in which the values of a list are what they were.

    Raises InputError where rows have different lengths.
    """
    kind = type(values)
    if kind is np.ndarray:
        return values  # type: ignore[no-any-return]
    if kind is not list and kind is not tuple and (found := arrow_decimals(values)) is not None:
        return decimals(found)
    if issubclass(kind, list | tuple):
        if kind is not list and kind is not tuple:  # what it holds, whatever it gives
            values = _held(values)
        kinds = set(map(type, values))
        if not kinds <= _UNMASKED and (masked := set(filter(is_masked_type, kinds))):
            if any(found.__name__ in MISSING_TYPES for found in masked):  # numpy warns of these
                return _objects(values, what)
            values = np.ma.array(values)
    if is_masked_type(type(values)):
        return _without_mask(values)
    try:
        array = np.asarray(values)
    except ValueError:
        if not issubclass(kind, list | tuple):
            raise
        return _objects(values, what)
    if array.dtype.kind not in REAL + "O" and issubclass(kind, list | tuple) and array.ndim <= 2:
        return _objects(values, what)  # numpy makes texts of numbers that stand beside a text
    return array


def to_numbers(
    array: Array,
    what: str,
    names: Sequence[str] = (),
    *,
    nearest: type[np.floating] = np.float32,
) -> Array:
    """An array (n,) or (n, d) as one of a real dtype; None becomes NaN.

    Objects become float64, each the nearest to the object, or where `nearest` is float32, one that
    gives the nearest float32.

    Raises InputError for anything else, and for texts even where they spell a number: whoever has
    text in a numeric column should know it. Messages call the array `what`, and its columns by the
    `names` of their features.
    """
    if array.dtype.kind in REAL:
        return array
    if array.dtype.kind in "USTO":
        return _from_objects(array.astype(object, copy=False), what, names, nearest)
    raise InputError(f"{what} must be numeric; got dtype {array.dtype}")


def _from_objects(
    array: Array, what: str, names: Sequence[str], nearest: type[np.floating]
) -> Float64:
    """An array of objects as float64, of which each one is, or gives, the `nearest`."""
    kinds = set(map(type, array.ravel(order="K").tolist()))  # in memory's order: three times faster
    values = [] if kinds <= _FLOATS else array.ravel().tolist()
    refused = {kind for kind in kinds - _FLOATS if not _is_number(kind)}
    if refused:
        raise _no_number(array, values, refused, what, names)
    missing = {kind for kind in kinds - _FLOATS if kind.__name__ in MISSING_TYPES}
    if missing:
        values = [None if type(value) in missing else value for value in values]
        array = _one_dimensional(values).reshape(array.shape)
    try:
        floats = array.astype(np.float64, order="C")
    except MemoryError:
        raise
    except Exception:  # whatever a number of the caller's own raises
        raise _no_float(array, array.ravel().tolist(), what, names) from None
    if values and nearest is np.float32:
        round_once(floats.ravel(), values.__getitem__)
    return floats


def rounded_once(array: Float64, column: Any) -> Float64:
    """The float64 `array` (n,) that `to_array` has made of a column, so that each one gives the
    float32 nearest to the value there, which may be an integer that float64 does not hold: beside
    a missing value, or a fraction in a list."""
    if issubclass(type(column), list | tuple):
        column = _held(column)
    if not _may_hold_integers(column) or not _are_large(array):
        return array
    found, places = array.copy(), getattr(column, "iloc", column)
    round_once(found, lambda position: _plain(places[position]))
    return found


def _may_hold_integers(column: Any) -> bool:
    """Whether some values of a column, of which numpy makes float64, may be integers: recognised in
    Arrow, pandas and polars by the name of its type."""
    if type(column) in (list, tuple):
        return not set(map(type, column)) <= _FLOATS
    kind = getattr(column, "dtype", None)
    if isinstance(kind, np.dtype):
        return False
    name = str(getattr(column, "type", None) if kind is None else kind).lower()
    return "int" in name or name == "category"


def _are_large(array: Array) -> bool:
    """Whether some real numbers are so large that float64 does not hold all integers like them."""
    low, high = np.fmin.reduce(array, None, initial=0), np.fmax.reduce(array, None, initial=0)
    return bool(low < -_EXACT_INTEGER or high > _EXACT_INTEGER)


def _plain(value: Any) -> Any:
    """A value of a column as one of Python or numpy."""
    return value.as_py() if hasattr(value, "as_py") else value  # of Arrow


def _is_number(kind: type) -> bool:
    """Whether objects of this class are real numbers, or stand for a missing one."""
    if kind.__name__ in MISSING_TYPES:
        return True
    if issubclass(kind, str | np.complexfloating | np.datetime64 | np.timedelta64 | np.void):
        return False
    converts = hasattr(kind, "__float__") or hasattr(kind, "__index__")
    return converts and not hasattr(kind, "__len__")


def _no_number(
    array: Array, values: list[Any], refused: Collection[type], what: str, names: Sequence[str]
) -> InputError:
    """Names the first value of a refused class. Where texts alone are refused, the first one that
    spells no number, if there is one."""
    found = [number for number, value in enumerate(values) if type(value) in refused]
    if all(issubclass(kind, str | bytes) for kind in refused):
        found = [n for n in found if not spells_number(values[n])] or found
    value = values[found[0]]
    got = f"a {type_name(value)}"
    if isinstance(value, str | bytes):
        got = f"the text {quoted(value)}"
    return InputError(f"{what} must be numeric; got {got} in {_at(array, found[0], names)}")


def _no_float(array: Array, values: list[Any], what: str, names: Sequence[str]) -> InputError:
    """Names the first value that no float64 can be made of, and why."""
    for number, value in enumerate(values):
        try:
            np.array(value, np.float64)
        except Exception as reason:
            return unreadable(value, reason, what, _at(array, number, names))
    return InputError(f"{what} must be numeric; its values change while they are read")


def _at(array: Array, number: int, names: Sequence[str]) -> str:
    row, *column = (int(i) for i in np.unravel_index(number, array.shape)) if array.ndim else (0,)
    return f"row {row}" + "".join(f", feature {quoted(names[position])}" for position in column)


def spells_number(text: str | bytes) -> bool:
    """Whether Python reads a number in a text."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _held(values: Any) -> Any:
    """What a list or a tuple, perhaps of a subclass, holds, whatever it gives."""
    return (list if issubclass(type(values), list) else tuple).__getitem__(values, slice(None))


def _objects(values: Collection[Any], what: str) -> Array:
    """A list as an array of its objects (n,), or (n, d) where each of them is a row."""
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in values]
    if not all(isinstance(row, list | tuple) for row in rows):
        return _one_dimensional(rows)
    lengths = [len(row) for row in rows]
    if odd := next((n for n in range(len(rows)) if lengths[n] != lengths[0]), 0):
        raise InputError(
            f"{what} must be numeric and rectangular; row 0 has {lengths[0]} values, "
            f"row {odd} has {lengths[odd]}"
        )
    flat = [value for row in rows for value in row]
    return _one_dimensional(flat).reshape(len(rows), -1)


def _one_dimensional(values: list[Any]) -> Array:
    array = np.empty(len(values), object)
    for number, value in enumerate(values):  # one by one, or numpy would look into them
        array[number] = value
    return array


def _without_mask(values: Any) -> Array:
    """A masked array, in which masked values become NaN, or None among objects, as which integers
    come too that float64 does not hold."""
    kind = values.dtype.kind
    if kind == "f":
        return np.ma.filled(values, np.nan)
    if kind == "b" or (kind in REAL and not _are_large(values.data)):
        return np.ma.filled(values.astype(np.float64), np.nan)
    mask = np.ma.getmaskarray(values)
    objects = np.array(values.data, object)
    objects[mask] = None
    return objects
