"""Whatever a caller has, as one float32 block in the layout in which it lies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serve_runtime.artifact import COLUMNS, ROWS
from serve_runtime.budgets import Float32
from serve_runtime.columnar import check_names, column_names, gather, numeric
from serve_runtime.errors import InputError, LogitOverflowError, NonFiniteError


def to_block(x: Any, names: Sequence[str]) -> tuple[Float32, str]:
    """`x` as a C-contiguous float32 block and its layout.

    A 2-D array-like (n, d) in feature order gives ROWS, (n, d); it is a view of `x` where that
    is C-contiguous float32 already, else a copy. A list of dicts gives ROWS too. Anything with
    named columns gives COLUMNS, (d, n), matched by name.
    Raises InputError when `x` cannot be the features `names`. Values are not looked at.
    """
    found = column_names(x)
    if found is not None:
        return gather(x, found, names), COLUMNS
    if isinstance(x, Sequence) and len(x) and isinstance(x[0], Mapping):
        return _from_dicts(x, names), ROWS
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
            f"x must have {len(names)} features per row ({_some(names)}); got {rows.shape[1]}"
        )
    with np.errstate(
        over="ignore", under="ignore"
    ):  # what overflows float32 is reported as non-finite
        return np.ascontiguousarray(rows, np.float32), ROWS


def reject_non_finite(block: Float32, layout: str, names: Sequence[str]) -> None:
    """Raise NonFiniteError naming the first row and feature of `block` that is NaN or infinite.

    Returns where there is none: then a non-finite logit is the float32 overflow of finite rows.
    """
    rows = block if layout == ROWS else block.T
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, feature = map(int, bad[0])
        raise NonFiniteError(row, names[feature], float(rows[row, feature]))


def reject_overflow(logit: Float32) -> None:
    """Raise LogitOverflowError naming the first row of finite values whose logit is not finite.

    Terms of opposite sign that overflow float32 give NaN or an infinity of either sign, whatever
    their true sum: no score could be proven.
    """
    finite = np.isfinite(logit)
    if not finite.all():
        raise LogitOverflowError(int(finite.argmin()))


def _from_dicts(x: Sequence[Any], names: Sequence[str]) -> Float32:
    for number, row in enumerate(x):
        if not isinstance(row, Mapping):
            raise InputError(f"row {number} must be a dict like row 0; got {type(row).__name__}")
        try:
            check_names(list(row), names)
        except InputError as reason:
            raise InputError(f"row {number}: {reason}") from None
    with np.errstate(over="ignore", under="ignore"):
        rows = numeric([[row[name] for name in names] for row in x], "x").astype(np.float32)
    if rows.ndim != 2:
        raise InputError(f"each dict must hold one number per feature; got shape {rows.shape}")
    return rows


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
