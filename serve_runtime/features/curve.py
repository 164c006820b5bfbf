"""The piecewise linear function that a bent number adds to the offset of a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from serve_runtime.arrays import Array, Float32, Float64

_MOST_COMPARED: Final = 255
"""Knots that a number is compared with one after the other; a uint8 counts no further."""
_LEAST_NUMBERS: Final = 32
"""Fewer numbers for each knot are searched for in less time."""

_SMALLEST_NORMAL: Final = np.float32(2.0**-126)


def after(values: Float32) -> Float32:
    """The next float32 after each of `values` (n,) that is not subnormal: hosts may take subnormal
    numbers for 0."""
    with np.errstate(over="ignore", under="ignore"):
        found = np.nextafter(values, np.float32(np.inf))
    behind_zero = np.where(values < 0, np.float32(0), _SMALLEST_NORMAL)
    result: Float32 = np.where(np.abs(found) < _SMALLEST_NORMAL, behind_zero, found)
    return result


def single_values(knots: Sequence[float]) -> Float32:
    """The values (s,) that have a weight of their own in a curve of these `knots`: those of which
    the next float32 is a knot too (see `after`)."""
    found = np.array(knots, np.float32)
    result: Float32 = found[:-1][after(found[:-1]) == found[1:]]
    return result


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Curve:
    """value[j] + slope[j]·(x - origin[j]), j the segment of x: knots[j - 1] <= x < knots[j].

    The difference, the product and the sum are each rounded to float32. It may jump at a knot; that
    is how a single value gets a weight of its own, between itself and the float32 `after` it.
    """

    knots: Float32
    """(m,) ascending, m >= 1."""
    value: Float32
    """(m + 1,)"""
    slope: Float32
    """(m + 1,)"""

    @cached_property
    def origin(self) -> Float32:
        """(m + 1,) the knot at which a segment begins; of the first one, that at which it ends: so
        nothing cancels, however far from 0 the values are."""
        return np.append(self.knots[:1], self.knots)

    def at(self, numbers: Float32) -> Float32:
        """The function at `numbers` (n,), which are not missing: NaN gives NaN."""
        segment = self._segments(numbers)
        # "wrap" looks at no bounds, which takes less time.
        result: Float32 = numbers - self.origin.take(segment, mode="wrap")
        result *= self.slope.take(segment, mode="wrap")
        result += self.value.take(segment, mode="wrap")
        return result

    def exact(self, numbers: Float32) -> Float64:
        """The function at `numbers` (n,) in float64: what `at` rounds to float32."""
        segment = self._segments(numbers)
        result = numbers.astype(np.float64)
        result -= self.origin.take(segment)
        result *= self.slope.take(segment)
        result += self.value.take(segment)
        return result

    def _segments(self, numbers: Float32) -> Array:
        """The segment (n,) of each number; that of NaN may be any."""
        knots = self.knots
        if len(knots) > _MOST_COMPARED or len(numbers) < _LEAST_NUMBERS * len(knots):
            return knots.searchsorted(numbers, side="right")
        # In random order a search guesses wrong at every other step: comparing with every knot
        # takes 5 to 30 % of its time.
        count, reached = np.zeros(len(numbers), np.uint8), np.empty(len(numbers), bool)
        for knot in knots:
            np.greater_equal(numbers, knot, out=reached)
            count += reached.view(np.uint8)
        return count.astype(np.intp)
