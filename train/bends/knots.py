"""Knots of a bent number, from a sample of its values."""

import numpy as np

from serve_runtime.arrays import Float32, Float64
from serve_runtime.error_budgets import SMALLEST_NORMAL
from serve_runtime.features.curve import after

_HEAVY = 1 / 20
"""A value that more than this share of the rows has gets a weight of its own."""


class Values:
    """The values that a number takes in some rows, from which its knots are taken."""

    def __init__(self, values: Float32, rows: Float64 | None = None) -> None:
        """`values` (n,) are as they are served, none missing; each stands for as many rows as
        `rows` (n,) say, None for one."""
        rounded = np.where(np.abs(values) <= SMALLEST_NORMAL, np.float32(0), values)
        distinct, counts = np.unique(rounded, return_counts=True)
        if rows is not None:
            counts = np.bincount(distinct.searchsorted(rounded), rows)
        heavy = (counts > _HEAVY * counts.sum()) & np.isfinite(after(distinct))
        self._single, self._rest = distinct[heavy], distinct[~heavy]
        self._ends = np.cumsum(counts[~heavy])
        behind = after(self._single)
        # A knot next to a single value, or to its end, could not be told from one.
        self._near = np.concatenate([self._single, behind, after(behind)])

    def knots(self, size: int) -> tuple[float, ...]:
        """The knots of a Column whose curve bends at `size` quantiles at most.

        Values that many rows have are single values; the curve's knots are quantiles of the others,
        values that occur, with both ends of their range. Empty where nothing is left to bend: with
        two different values or fewer.
        """
        single, rest, ends = self._single, self._rest, self._ends
        if len(single) + len(rest) <= 2:
            return ()
        curve = np.empty(0, np.float32)
        if len(rest):
            # The nearest of the rows, as they would be in order.
            wanted = np.rint(np.arange(size + 2) / (size + 1) * (ends[-1] - 1))
            found = ends.searchsorted(wanted, side="right").clip(max=len(rest) - 1)
            curve = np.unique(rest[found])
            if len(single):
                curve = np.setdiff1d(curve, self._near)
                curve = curve[~np.isin(after(curve), single)]
            curve = _apart(curve)
        if len(curve) <= 2:  # a line, which the number itself is
            curve = curve[:0]
            # With the line, weights of all but two values tell every function of the values.
            spare = max(0, 2 - len(rest))
            single = single[spare // 2 : len(single) - (spare + 1) // 2]
        if len(single):
            curve = np.unique(np.concatenate([curve, single, after(single)]))
        return tuple(curve.tolist())


def _apart(knots: Float32) -> Float32:
    """Those of the ascending `knots` that are no float32 neighbours of the one kept before."""
    kept = np.ones(len(knots), bool)
    beside, last = after(knots), 0
    if (knots[1:] > beside[:-1]).all():
        return knots
    for place in range(1, len(knots)):
        kept[place] = knots[place] > beside[last]
        last = place if kept[place] else last
    result: Float32 = knots[kept]
    return result
