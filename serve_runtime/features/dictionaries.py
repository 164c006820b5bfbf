"""Columns of categories as few distinct values, and the position of each row's among them.

Arrow, pandas and polars are recognised by shape and never imported. Where a column is dictionary
encoded, its distinct values are there already.
"""

import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from serve_runtime.arrays import Array
from serve_runtime.inputs.numeric import REAL, is_masked_type, to_array

_MANY: Final = 16
"""Where there are more values a row than this, only those are looked at that a row has: one that is
picked takes 1 µs, one of a whole dictionary 0.06."""

_SHORT_FLOATS: Final = {"halffloat": np.float16, "float": np.float32}
"""By Arrow's names: floats of which Python's own show digits that they do not have."""


class Dictionary(NamedTuple):
    """A column of n values."""

    values: Sequence[Any]
    """The distinct values, m of them; None or NaN among them is a missing one."""
    positions: Array
    """(n,) integers from 0 to m - 1; -1 where the value is missing."""


def as_dictionaries(column: Any) -> list[Dictionary] | None:
    """A column, piece after piece, as dictionaries; None where it is best read value by value."""
    kind = type(column)  # asked in place of the column, since a pandas Series looks up its rows
    if kind is list or kind is tuple:
        return None
    if kind is np.ndarray:
        return [_of_numbers(column)] if column.dtype.kind in REAL else None
    if is_masked_type(kind) and column.dtype.kind in REAL:
        return [_of_numbers(column.data, column.mask)]
    if hasattr(kind, "iloc") and hasattr(kind, "dtype"):
        return _of_pandas(column)
    if hasattr(kind, "to_physical") and hasattr(kind, "to_list"):
        return _of_polars(column)
    if hasattr(kind, "cast") and hasattr(kind, "type"):
        pieces = column.chunks if hasattr(column, "chunks") else [column]
        return [_of_arrow(piece) for piece in pieces]
    return None


def as_values(column: Any, what: str) -> Sequence[Any] | Array:
    """The values of a column that is no dictionary, called `what` in messages; as an array where it
    has another number of dimensions than one."""
    if type(column) in (list, tuple):
        return column  # type: ignore[no-any-return]
    if hasattr(type(column), "to_physical"):  # polars: texts without a copy in numpy
        values: list[Any] = column.to_list()
        return values
    array = to_array(column, what)
    if array.ndim != 1:
        return array
    # Only of these, the objects are the values: times would become whole numbers.
    return array.tolist() if array.dtype.kind in "UOT" else list(array)


def is_bool8(data_type: Any) -> bool:
    """Whether an Arrow type is that of true and false in a byte each."""
    return getattr(data_type, "extension_name", None) == "arrow.bool8"


def value_at(column: Any, row: int) -> Any:
    """The value of one row of a column of any kind."""
    try:
        part = getattr(column, "iloc", column)[row : row + 1]
    except TypeError:  # what numpy reads need not have slices: a deque, say
        part = to_array(column, "")[row : row + 1]
    pieces = as_dictionaries(part)
    if pieces is None:
        return as_values(part, "")[0]
    values, positions = next(piece for piece in pieces if len(piece.positions))
    return values[positions[0]] if positions[0] >= 0 else None


def _of_numbers(values: Array, missing: Any = False) -> Dictionary:
    """Numbers of numpy, and which are `missing`: distinct values keep their type, since a level's
    text depends on it."""
    if values.ndim != 1:
        return Dictionary([], values)
    distinct, positions = np.unique(values, return_inverse=True)
    return Dictionary(list(distinct), np.where(missing, -1, positions.reshape(-1)))


def _of_pandas(column: Any) -> list[Dictionary] | None:
    dtype = column.dtype
    if hasattr(dtype, "categories"):
        codes = np.asarray(column.array.codes)
        used, positions = _used(codes, len(dtype.categories))
        categories = dtype.categories if used is None else dtype.categories[used]
        return [Dictionary(list(as_values(categories, "")), positions)]
    if hasattr(dtype, "pyarrow_dtype") or getattr(dtype, "storage", None) == "pyarrow":
        return as_dictionaries(column.array.__arrow_array__())
    if getattr(dtype, "kind", "O") not in REAL:
        return None
    if hasattr(dtype, "numpy_dtype"):  # nullable: as objects, Float32 would be float64
        numbers = column.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        return [_of_numbers(numbers, np.asarray(column.isna()))]
    return [_of_numbers(np.asarray(column))]


def _of_polars(column: Any) -> list[Dictionary] | None:
    kind = str(column.dtype)
    if kind.startswith(("Categorical", "Enum")):
        distinct = column.unique().drop_nulls()
        physical = np.asarray(distinct.to_physical()).astype(np.int64)
        position = np.full(int(physical.max(initial=0)) + 1, -1)
        position[physical] = np.arange(len(physical))
        codes = np.asarray(column.to_physical().fill_null(0))
        positions = position.take(codes)
        if column.null_count():
            positions[np.asarray(column.is_null())] = -1
        return [Dictionary(distinct.to_list(), positions)]
    if kind == "String" and "pyarrow" in sys.modules:  # a sixth of the time of a list
        return as_dictionaries(column.to_arrow())
    return [_of_numbers(column.to_numpy())] if kind.startswith("Float") else None


def _of_arrow(column: Any) -> Dictionary:
    """A piece of an Arrow column, read from its buffers: Arrow's own to_numpy imports pandas."""
    if hasattr(column, "storage"):  # an extension's
        column = column.storage.cast("bool") if is_bool8(column.type) else column.storage
    if str(column.type).startswith("run_end_encoded"):
        column = sys.modules["pyarrow"].compute.run_end_decode(column)
    if str(column.type) == "null":
        return Dictionary([], np.full(len(column), -1))
    if not hasattr(column, "indices"):
        try:
            column = column.dictionary_encode()
        except NotImplementedError:  # lists and structures, which are no levels
            return Dictionary(column.to_pylist(), np.arange(len(column)))
    values = column.dictionary
    positions = _arrow_indices(column.indices, len(values))
    used, narrowed = _used(positions, len(values))
    if used is None or "string" not in str(values.type):
        return Dictionary(_arrow_values(values), positions)
    return Dictionary([values[place].as_py() for place in used.tolist()], narrowed)


def _used(positions: Array, size: int) -> tuple[Array | None, Array]:
    """Where few rows have a dictionary of many values, `size`: the places of the values that a row
    has, and the positions among these."""
    if size <= _MANY * (len(positions) + _MANY):
        return None, positions
    used, narrowed = np.unique(positions, return_inverse=True)
    gaps = int(len(used) > 0 and used[0] < 0)  # -1 stays the missing one
    return used[gaps:], narrowed.reshape(-1) - gaps


def _arrow_values(column: Any) -> Sequence[Any]:
    """The distinct values: floats in their own type, since a level's text depends on it."""
    kind = str(column.type)
    if (own := _SHORT_FLOATS.get(kind)) is not None:
        return [None if value is None else own(value) for value in column.to_pylist()]
    if kind.startswith(("date", "time", "duration")):  # nanoseconds need pandas to become objects
        return [np.datetime64(0, "D")] * len(column)
    values: list[Any] = column.to_pylist()
    return values


def _arrow_indices(column: Any, size: int) -> Array:
    """The indices (n,) of a dictionary of `size` values, -1 where they are missing."""
    validity, values = column.buffers()
    rows, offset = len(column), column.offset
    if column.null_count == rows:
        return np.full(rows, -1, np.int8)
    kind = np.dtype(str(column.type))
    found: Array = np.frombuffer(values, kind, rows, offset * kind.itemsize)
    valid = None
    if column.null_count:
        bits = np.frombuffer(validity, np.uint8)
        valid = np.unpackbits(bits, count=offset + rows, bitorder="little")[offset:]
        found = np.where(valid, found, kind.type(0))
    # In one pass: a negative index is, without its sign, above all that its type holds.
    if int(found.view(f"u{kind.itemsize}").max()) >= min(size, int(np.iinfo(kind).max) + 1):
        raise IndexError(
            f"a dictionary of {size:,} values has no index from {found.min()} to {found.max()}"
        )
    if kind == np.uint64:  # beside signed ones, numpy would make float64 of them
        found = found.view(np.int64)
    return found if valid is None else np.where(valid, found.astype(np.int64, copy=False), -1)
