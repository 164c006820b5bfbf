"""Whatever a caller has, recognised by its shape and turned into batches that can be scored."""

from collections.abc import Iterable, Sequence
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.inputs.batch_limits import LIMITS, Limits
from serve_runtime.inputs.blocks import BatchInput, by_memory
from serve_runtime.inputs.named_columns import column_names, to_columns
from serve_runtime.inputs.named_rows import from_named_rows, is_named_rows
from serve_runtime.inputs.numeric import numeric
from serve_runtime.shown import listed


def to_batches(
    x: Any, names: Sequence[str], limits: Limits = LIMITS
) -> tuple[int, Iterable[BatchInput]]:
    """The number of rows of `x`, and `x` as one batch, or one for each chunk of an Arrow table.

    A 2-D array-like (n, d) in feature order is rows, or columns where it lies so (Fortran order, a
    transposed view). A list of rows with names (dicts, named tuples, …) is rows, anything with
    named columns is columns; both are matched by name. Raises InputError when `x` cannot be the
    features `names`. Values are not looked at.
    """
    found = column_names(x)
    if found is not None:
        return to_columns(x, found, names, limits)
    if is_named_rows(x):
        return len(x), [from_named_rows(x, names)]
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
            f"x must have {len(names)} features per row ({listed(names, 3)}); got {rows.shape[1]}"
        )
    return len(rows), [by_memory(rows, names, limits)]
