"""What a picture of each column needs: a histogram of numbers, frequent levels of categories."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float64
from serve_runtime.features.column import CATEGORY, Column
from train.design import Design

MOST_LEVELS: Final = 12
"""Levels of a category, the most frequent ones."""
MOST_HISTOGRAMS: Final = 512
"""Numbers that have a histogram, those of the greatest importance."""
_MOST_BINS: Final = 24
_MOST_ROWS: Final = 1 << 14
_MOST_VALUES: Final = 1 << 20
_TAIL: Final = 0.005
"""Share of the rows at each end that lie in the first or the last bin wherever they are."""


def histogram_positions(rows: int, columns: int) -> npt.NDArray[np.intp]:
    """The positions, among `rows` training rows, of those that histograms look at: evenly spaced,
    fewer where there are many columns."""
    count = min(rows, _MOST_ROWS, max(1, _MOST_VALUES // columns))
    return np.linspace(0, rows - 1, count).astype(np.intp)


def column_profiles(
    design: Design, numbers: Float64, importance: Mapping[str, float]
) -> list[dict[str, Any]]:
    """What profile.json says of each column, in the order of the card.

    `numbers` (k, m) are those of the rows that histograms look at, raw, NaN where missing;
    `importance` is that of each column.
    """
    names = [column.name for column in design.numbers]
    ranked = sorted(names, key=lambda name: -importance.get(name, 0.0))[:MOST_HISTOGRAMS]
    drawn = set(ranked)
    values = dict(zip(names, numbers, strict=True))
    found = []
    for column in design.columns:
        said: dict[str, Any] = {"name": column.name, "kind": column.kind, "missing": column.gaps}
        if column.kind == CATEGORY:
            said |= _levels(column)
        else:
            some = values[column.name] if column.name in drawn else np.empty(0)
            said |= histogram(some[~np.isnan(some)])
        found.append(said)
    return found


def histogram(values: Float64) -> dict[str, Any]:
    """Edges (b + 1,) of bins of the same width and counts (b,) of `values` (n,), finite; no bins
    where there are no values. What lies outside of the edges is in the bin at that end."""
    if not len(values):
        return {"edges": [], "counts": []}
    edges = _edges(values)
    place = np.searchsorted(edges[1:-1], values, side="right")
    counts = np.bincount(place, minlength=len(edges) - 1)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _edges(values: Float64) -> Float64:
    low, high = _ends(values)
    bins = min(_MOST_BINS, int(np.ceil(2 * np.sqrt(len(values)))))
    if low == high:
        return np.array([low, high])
    if np.array_equal(values, np.trunc(values)) and high - low < 2**31:
        width = np.ceil((high - low + 1) / bins)  # so that each bin holds as many whole numbers
        return np.arange(low - 0.5, high + 0.5 + width, width)[: bins + 1]
    digits = 4 - math.floor(math.log10((high - low) / bins))  # a thousandth of a bin
    return np.round(np.linspace(low, high, bins + 1), digits)


def _ends(values: Float64) -> tuple[float, float]:
    """Where most values lie; where that is one value, where all do."""
    last = len(values) - 1
    places = sorted({int(_TAIL * last), last - int(_TAIL * last)})
    ends = np.partition(values, places)[places]
    if ends[0] == ends[-1]:
        ends = np.array([values.min(), values.max()])
    return float(ends[0]), float(ends[-1])


def _levels(column: Column) -> dict[str, Any]:
    """The most frequent levels of a category with their training rows, and the rows of others."""
    pairs = zip(column.levels, column.counts, strict=True)
    ranked = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    rest = sum(count for _, count in ranked[MOST_LEVELS:]) + column.rare_count
    return {"levels": [list(pair) for pair in ranked[:MOST_LEVELS]], "others": rest}
