"""What a bent number is in the layer besides itself: columns of which sums are piecewise linear.

They are functions of the number as it is served, and derived from the knots of its Column alone.
Two knots of which one is `after` the other enclose a single value, which has a column that is 1
there and 0 elsewhere. The other knots are those of a curve. Each but the first and the last has a
column, the hat function (B-spline of degree 1; de Boor 1978, A Practical Guide to Splines), which
is 1 at the knot and falls linearly to 0 at the neighbours. So hats say by how much the curve leaves
the line between its ends, which the number itself gives, as it does beyond them; no column is a sum
of others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64
from serve_runtime.features.curve import after


class Segments(NamedTuple):
    """A piecewise linear function in float64: value[j] + slope[j]·(x - origin[j]) in the segment
    knots[j - 1] <= x < knots[j], where origin[j] is knots[j - 1], and of the first segment knots[0]
    (see serve_runtime's Curve, which is this, rounded)."""

    knots: Float64
    """(m,) ascending float32 values."""
    value: Float64
    """(m + 1,)"""
    slope: Float64
    """(m + 1,)"""

    @property
    def origin(self) -> Float64:
        """(m + 1,)"""
        return np.append(self.knots[:1], self.knots)

    def at(self, numbers: Float64) -> Float64:
        """The function at `numbers` (n,), float32 values."""
        segment = self.knots.searchsorted(numbers, side="right")
        result: Float64 = self.value[segment] + self.slope[segment] * (
            numbers - self.origin[segment]
        )
        return result


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Basis:
    """The further columns of a bent number, in the order of `points`."""

    knots: Float64
    """(m,) as the Column holds them."""

    @classmethod
    def of(cls, knots: Sequence[float]) -> "Basis":
        """That of the knots of a Column."""
        return cls(np.array(knots, np.float64))

    @cached_property
    def _begins_single(self) -> npt.NDArray[np.bool_]:
        """(m,) whether a knot is a single value: what follows it is a knot too."""
        return np.append(after(self.knots[:-1].astype(np.float32)) == self.knots[1:], False)

    @cached_property
    def single(self) -> Float64:
        """(s,) the single values."""
        result: Float64 = self.knots[self._begins_single]
        return result

    @cached_property
    def curve(self) -> Float64:
        """(c,) the knots of the curve."""
        ends_single = np.append(False, self._begins_single[:-1])
        result: Float64 = self.knots[~(self._begins_single | ends_single)]
        return result

    @property
    def points(self) -> Float64:
        """(width,) where each further column is 1: the inner knots of the curve, then single
        values."""
        return np.concatenate([self.curve[1:-1], self.single])

    @property
    def width(self) -> int:
        """The number of further columns."""
        return self.hats + len(self.single)

    @property
    def hats(self) -> int:
        """The number of hat functions."""
        return max(0, len(self.curve) - 2)

    def columns(self, numbers: Float32) -> Float64:
        """The further columns (width, n) of `numbers` (n,) as they are served, none missing."""
        x, found = numbers.astype(np.float64), np.zeros((self.width, len(numbers)))
        if self.hats:
            knots = self.curve
            inside = np.clip(x, knots[0], knots[-1])
            left = np.clip(knots.searchsorted(inside, side="right") - 1, 0, len(knots) - 2)
            share = (inside - knots[left]) / (knots[left + 1] - knots[left])
            # Hats of the ends have no column.
            falls, rises = np.flatnonzero(left > 0), np.flatnonzero(left < self.hats)
            found[left[falls] - 1, falls] = 1 - share[falls]
            found[left[rises], rises] = share[rises]
        ends = after(self.single.astype(np.float32))
        for column, value, end in zip(found[self.hats :], self.single, ends, strict=True):
            column[:] = (value <= x) & (x < end)
        return found

    def folded(self, weight: Float64, mean: Float64, slope: float, center: float) -> Segments:
        """slope·(x - center) + `weight`·(columns(x) - `mean`), with `weight` and `mean` (width,),
        as one function of x."""
        hats, knots = self.hats, self.curve
        level = -math.fsum((weight * mean).tolist())
        starts, slopes = np.append(self.knots[:1], self.knots), np.array([slope])
        value = slope * (starts - center) + level
        segment = np.zeros(len(starts), np.intp)  # of the curve
        if hats:
            bend = np.concatenate([[0.0], weight[:hats], [0.0]])
            value += np.interp(starts, knots, bend)
            slopes = slope + np.concatenate([[0.0], np.diff(bend) / np.diff(knots), [0.0]])
            segment[1:] = knots.searchsorted(self.knots, side="right")
            segment[0] = 0  # before the first knot, of whichever kind
        of_segment = slopes[segment]
        value[1:][self._begins_single] += weight[hats:]
        of_segment[1:][self._begins_single] = 0.0
        return Segments(self.knots, value, of_segment)

    def aligned(self, numbers: Float32, flags: Float32) -> Float32:
        """`numbers` (n,), which were computed and may lie a float32 beside what they were, moved
        onto single values where `flags` (s, n), their columns, say so, and off them elsewhere."""
        result, single = numbers.copy(), self.single.astype(np.float32)
        for value, end, flag in zip(single, after(single), flags > 0.5, strict=True):
            beside = np.nextafter(value, np.float32(-np.inf)) if np.isin(end, single) else end
            result[(value <= result) & (result < end) & ~flag] = beside
            result[flag] = value
        return result
