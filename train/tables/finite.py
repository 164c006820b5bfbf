"""Values that no row may have: those that float32 does not hold."""

from collections.abc import Sequence

import numpy as np

from serve_runtime.arrays import Floats
from serve_runtime.shown import quoted
from train.errors import DataError


def first_not_finite(features: Floats) -> tuple[int, int] | None:
    """Row and feature of the first value of `features` (d, m) not finite in float32, if any."""
    with np.errstate(over="ignore", under="ignore"):
        finite = np.isfinite(features.astype(np.float32, copy=False))
    if finite.all():
        return None
    row, feature = map(int, np.argwhere(~finite.T)[0])
    return row, feature


def check_finite(features: Floats, names: Sequence[str], source: str, first: int = 0) -> None:
    """Raise DataError, naming row and column, where float32 makes an infinity of one of `features`
    (d, m); missing ones, NaN, are no matter here.

    The first of the rows is data row `first` (from 0) of `source`.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        odd = np.isinf(features.astype(np.float32, copy=False))
    if not odd.any():
        return
    row, feature = map(int, np.argwhere(odd.T)[0])
    with np.errstate(over="ignore"):
        value = float(features[feature, row].astype(np.float32))
    raise DataError(
        f"{source}: data row {first + row + 1}, column {quoted(names[feature])} is {value} as "
        "float32; every value must be finite: drop the row, or leave the value empty"
    )
