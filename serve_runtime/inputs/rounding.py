"""Exact numbers, decimals and integers, as float64 from which float32 is rounded once.

The nearest float32 of the nearest float64 is not always the nearest float32: where the float64 lies
just between two of them, the tie is decided without the digits that were rounded away. So such a
float64 is rounded to odd instead (S. Boldo and G. Melquiond, "Emulation of FMA and correctly
rounded sums: proved algorithms using rounding to odd", 2008): float32 then comes out right.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Float64

DROPPED: Final = np.int64((1 << 29) - 1)
HALF: Final = np.int64(1 << 28)
"""The bits of a float64 that float32 does not have, and those of one just between two float32."""

_SMALLEST: Final = 2.0**-126
"""Smaller float32 have fewer bits, so that any float64 might lie between two of them."""


def round_once(floats: Float64, value_at: Callable[[int], Any]) -> None:
    """Change those of `floats` (n,), each the nearest float64 to a value, that would not give the
    nearest float32. `value_at` a position is a number of any type; those without exact digits are
    left alone. Few are asked for."""
    ties = (floats.view(np.int64) & DROPPED) == HALF
    ties |= (np.abs(floats) < _SMALLEST) & (floats != 0)
    for position in np.flatnonzero(ties).tolist():
        floats[position] = _to_odd(value_at(position))


def round_to_odd(near: float, top: int, bottom: int) -> float:
    """A float64 beside top / bottom that rounds to the float32 nearest to that fraction.

    `near` is the float64 nearest to it. One that is inexact and whose last bit is set never lies
    just between two float32 numbers, so that rounding it on is right; of the two float64 around the
    fraction, that one is returned.
    """
    if not math.isfinite(near):
        return near
    near_top, near_bottom = near.as_integer_ratio()
    excess = top * near_bottom - near_top * bottom
    if not excess or np.float64(near).view(np.int64) & 1:
        return near
    return math.nextafter(near, math.inf if excess > 0 else -math.inf)


def _to_odd(value: Any) -> float:
    """The float64 next to `value`, rounded to odd if it has more digits than a float64."""
    if hasattr(value, "__index__"):
        value = operator.index(value)
    near = float(value)
    if not math.isfinite(near) or not hasattr(value, "as_integer_ratio"):
        return near
    return round_to_odd(near, *value.as_integer_ratio())
