"""Rows that know the names of their values: dicts, named tuples, database rows, labelled arrays.

They are matched by name, never taken by position. Recognised by shape, so that no library that
makes such rows is imported.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np

from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names
from serve_runtime.inputs.blocks import BatchInput, RowInput
from serve_runtime.inputs.numeric import numeric

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
    others = set(map(type, x)) - _PLAIN
    structured = np.ndarray in map(type, x) and any(
        isinstance(row, np.ndarray) and row.dtype.names for row in x
    )
    return structured or (bool(others) and any(row_names(row) is not None for row in x))


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
        return list(dtype_names)
    for attribute in ("_fields", "__fields__"):
        if isinstance(fields := getattr(row, attribute, None), list | tuple):
            return list(fields)
    if hasattr(row, "iloc") and getattr(row, "ndim", 1) == 1:
        return list(row.index)
    if hasattr(row, "dims") and hasattr(row, "coords"):
        return labels(row, 0) if len(row.dims) == 1 else None
    if callable(keys := getattr(row, "keys", None)):
        return list(keys())
    return None


def labels(array: Any, axis: int) -> list[Any] | None:
    """The labels along an axis of a labelled array (`dims`, `coords`); None where it has none."""
    name = array.dims[axis]
    return list(np.asarray(array.coords[name])) if name in array.coords else None


def from_named_rows(x: Sequence[Any], names: Sequence[str]) -> BatchInput:
    """Rows with names as rows (n, d) in the order of `names`.

    Raises InputError, which names the row, where one has no names, or lacks one.
    """
    values = []
    for number, row in enumerate(x):
        found = row_names(row)
        if found is None:
            raise InputError(
                f"row {number} must have names, as other rows have; got {type(row).__name__}"
            )
        try:
            check_names(found, names)
        except InputError as reason:
            raise InputError(f"row {number}: {reason}") from None
        by_name = row if isinstance(row, Mapping) else _by_name(number, found, row)
        values.append([by_name[name] for name in names])
    rows = numeric(values, "x")
    if rows.ndim != 2:
        raise InputError(f"each row must hold one number per feature; got shape {rows.shape}")
    return RowInput(rows, names)


def _by_name(number: int, names: Collection[Any], row: Any) -> Mapping[Any, Any]:
    """The values of a row that is no mapping by their names, which are in the same order."""
    is_array = hasattr(row, "dims") or (hasattr(row, "dtype") and not hasattr(row, "iloc"))
    values = list(np.asarray(row).tolist() if is_array else row)
    if len(values) != len(names):
        raise InputError(f"row {number} has {len(names)} names, but {len(values)} values")
    return dict(zip(names, values, strict=True))
