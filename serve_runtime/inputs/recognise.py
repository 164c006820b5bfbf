"""Whatever a caller has, recognised by its shape and turned into batches that can be scored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names, first_names
from serve_runtime.inputs.batch_limits import LIMITS, Limits
from serve_runtime.inputs.blocks import BatchInput, RowInput, by_memory
from serve_runtime.inputs.named_columns import column_names, to_columns
from serve_runtime.inputs.numeric import numeric


def to_batches(
    x: Any, names: Sequence[str], limits: Limits = LIMITS
) -> tuple[int, Iterable[BatchInput]]:
    """The number of rows of `x`, and `x` as one batch, or one for each chunk of an Arrow table.

    A 2-D array-like (n, d) in feature order is rows, or columns where it lies so (Fortran order, a
    transposed view). A list of dicts is rows; anything with named columns is columns, matched by
    name. Raises InputError when `x` cannot be the features `names`. Values are not looked at.
    """
    found = column_names(x)
    if found is not None:
        return to_columns(x, found, names, limits)
    if isinstance(x, list | tuple) and x and isinstance(x[0], Mapping):
        return len(x), [_from_dicts(x, names)]
    rows = numeric(x, "x")
    if rows.size == 0 and rows.ndim < 2:
        rows = rows.reshape(0, len(names))
    if rows.ndim != 2:
        hint = "; for a single row pass [row]" if rows.ndim == 1 else ""
        raise InputError(
            f"x must have 2 dimensions (rows, {len(names)} features); "
            f"got {rows.ndim} with shape {rows.shape}{hint}"
        )
    if rows.shape[1] != len(names):
        raise InputError(
            f"x must have {len(names)} features per row ({first_names(names, 3)}); "
            f"got {rows.shape[1]}"
        )
    return len(rows), [by_memory(rows, names, limits)]


def _from_dicts(x: Sequence[Any], names: Sequence[str]) -> BatchInput:
    for number, row in enumerate(x):
        if not isinstance(row, Mapping):
            raise InputError(f"row {number} must be a dict like row 0; got {type(row).__name__}")
        try:
            check_names(row, names)
        except InputError as reason:
            raise InputError(f"row {number}: {reason}") from None
    rows = numeric([[row[name] for name in names] for row in x], "x")
    if rows.ndim != 2:
        raise InputError(f"each dict must hold one number per feature; got shape {rows.shape}")
    return RowInput(rows, names)
