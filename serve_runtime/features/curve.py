"""The piecewise linear function that a bent number adds to the offset of a row."""

from dataclasses import dataclass

import numpy as np

from serve_runtime.arrays import Float32


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Curve:
    """value[j] + slope[j]·(x - origin[j]), j the segment of x: knots[j - 1] <= x < knots[j].

    The difference, the product and the sum are each rounded to float32. It may jump at a knot; that
    is how a single value gets a weight of its own, between itself and the next float32.
    """

    knots: Float32
    """(m,) ascending, m >= 1."""
    value: Float32
    """(m + 1,)"""
    slope: Float32
    """(m + 1,)"""

    @property
    def origin(self) -> Float32:
        """(m + 1,) the knot at which a segment begins; of the first one, that at which it ends: so
        nothing cancels, however far from 0 the values are."""
        return np.append(self.knots[:1], self.knots)

    def at(self, numbers: Float32) -> Float32:
        """The function at `numbers` (n,), which are not missing: NaN gives NaN."""
        segment = self.knots.searchsorted(numbers, side="right")
        result: Float32 = numbers - self.origin.take(segment)
        result *= self.slope.take(segment)
        result += self.value.take(segment)
        return result
