"""Rows that know the names of their values: dicts, named tuples, database rows, labelled arrays.

They are matched by name, never taken by position. Recognised by shape, so that no library that
makes such rows is imported.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from typing import Any, Final

import numpy as np

from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names
from serve_runtime.inputs.blocks import BatchInput, RowInput
from serve_runtime.inputs.numeric import to_array, to_numbers
from serve_runtime.inputs.refusals import type_name
from serve_runtime.shown import quoted

_PLAIN: Final = {list, tuple, int, float, bool, str, bytes, np.ndarray, np.float32, np.float64}
"""Types of rows, or of the values of one, that have no names; asked first, since it is fast."""

_ARRAYS: Final = {np.ndarray, memoryview}
"""Types of arrays of numbers, whose rows are not looked at one by one."""


def is_named_rows(x: Any) -> bool:
    """Whether `x` is a list, a tuple or another sequence with a row that has names."""
    if type(x) in _ARRAYS or not isinstance(x, Sequence) or row_names(x) is not None:
        return False
    if x and type(x[0]) is dict:
        return True
    rows = x if type(x) in (list, tuple) else list(islice(x, len(x)))
    kinds = set(map(type, rows))
    structured = np.ndarray in kinds and any(
        isinstance(row, np.ndarray) and row.dtype.names for row in rows
    )
    return structured or (not kinds <= _PLAIN and any(row_names(row) is not None for row in rows))


def row_names(row: Any) -> Collection[Any] | None:
    """The names of the values of one row, in its own order; None where it has none.

    A mapping; a named tuple, and what databases and engines make like it (`_fields`, `__fields__`,
    `keys()`); a record of a structured array; a Series (`index`, `iloc`) and a labelled array of
    one dimension (`dims`, `coords`).
    """
    if type(row) in _PLAIN and not isinstance(row, np.ndarray):
        return None
    if isinstance(row, Mapping):
        return row
    if (dtype_names := getattr(getattr(row, "dtype", None), "names", None)) is not None:
        return names_in(dtype_names)
    for attribute in ("_fields", "__fields__"):
        if isinstance(fields := getattr(row, attribute, None), list | tuple):
            return names_in(fields)
    if hasattr(row, "iloc") and getattr(row, "ndim", 1) == 1:
        return names_in(row.index)
    if hasattr(row, "dims") and hasattr(row, "coords"):
        return labels(row, 0) if len(row.dims) == 1 else None
    if callable(keys := getattr(row, "keys", None)):
        return names_in(keys())
    return None


def _has_order(row: Any) -> bool:
    """Whether a row with `keys()` has its values in the order of the names: a Series, a tuple."""
    return any(hasattr(row, attribute) for attribute in ("iloc", "_fields", "__fields__"))


def names_in(names: Any) -> list[Any]:
    """`names` as a list, of as many as they say: what answers whatever it is asked has no end."""
    counted = islice(names, len(names)) if hasattr(type(names), "__len__") else names
    return list(counted)


def labels(array: Any, axis: int) -> list[Any] | None:
    """The labels along an axis of a labelled array (`dims`, `coords`); None where it has none.

    Where the axis has no coordinate of its own name, texts of another one along it are the labels.
    """
    name, coordinates = array.dims[axis], array.coords
    if name in coordinates:
        return list(np.asarray(coordinates[name]))
    for other in coordinates:
        found = np.asarray(coordinates[other])
        if getattr(coordinates[other], "dims", None) == (name,) and found.dtype.kind in "UOT":
            return list(found)
    return None


def named_values(x: Iterable[Any], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The values of rows with names, each row in the order of `names`.

    Raises InputError, which names the row, where one has no names, or lacks one.
    """
    first = names[0]
    taken = itemgetter(*names) if len(names) > 1 else lambda row: (row[first],)
    values = []
    for number, row in enumerate(x):
        if type(row) is dict:
            try:
                values.append(taken(row))
                continue
            except KeyError:  # which names are missing is said below
                pass
        values.append(taken(_by_name(number, row, names)))
    return values


def named_columns(x: Sequence[Any], names: Sequence[str]) -> list[Sequence[Any]]:
    """The values of rows with names as columns, in the order of `names`.

    Raises InputError as `named_values` does.
    """
    rows = list(islice(x, len(x)))
    if rows and set(map(type, rows)) == {dict}:  # without a tuple a row, which takes longer
        with suppress(KeyError):  # which names are missing is said below
            return [list(map(itemgetter(name), rows)) for name in names]
    return list(zip(*named_values(rows, names), strict=True)) or [()] * len(names)


def from_named_rows(x: Iterable[Any], names: Sequence[str]) -> BatchInput:
    """Rows with names as rows (n, d) in the order of `names`.

    Raises InputError, which names the row, where one has no names, or lacks one.
    """
    values = named_values(x, names)
    rows = to_array(values, "x")
    if rows.ndim != 2:
        raise InputError(
            f"each row must hold one number per feature; got a {type_name(values[0][0])} in row 0, "
            f"feature {quoted(names[0])}"
        )
    return RowInput(to_numbers(rows, "x", names), names)


def _by_name(number: int, row: Any, names: Sequence[str]) -> Mapping[Any, Any]:
    """The values of a row by their names. Raises InputError where one of `names` is missing."""
    found = row_names(row)
    if found is None:
        raise InputError(f"row {number} must have names, as other rows have; got {type_name(row)}")
    try:
        check_names(found, names)
    except InputError as reason:
        raise InputError(f"row {number}: {reason}") from None
    if isinstance(row, Mapping):
        return row
    if callable(getattr(row, "keys", None)) and not _has_order(row):
        with suppress(TypeError, LookupError):  # some take positions alone
            return {name: row[name] for name in names}
    is_array = hasattr(row, "dims") or (hasattr(row, "dtype") and not hasattr(row, "iloc"))
    values = list(np.asarray(row).tolist() if is_array else row)  # in the order of the names
    if len(values) != len(found):
        raise InputError(f"row {number} has {len(found)} names, but {len(values)} values")
    return dict(zip(found, values, strict=True))
