"""What the levels of many rows add to the bias, in the order that Encoding gives.

The categories of a group are looked up together, in a table of what each combination of their
levels adds up to.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from serve_runtime.arrays import Array, Float32
from serve_runtime.features.encoding import MOST_COMBINATIONS

Term = tuple[Float32, Array]
"""Of a category: the weights (m,) of some values, the last one that of a missing value, and the
position (n,) of each row's among them, from -1, the last one, to m - 2."""

_LEAST_ROWS: Final = 1 << 14
"""Fewer rows are summed in less time than making tables takes."""

_CHUNK_ROWS: Final = 1 << 17
"""Rows that are summed at a time, so that what is passed on stays in the cache."""


class _Lookup(NamedTuple):
    """Of one category, or of several together."""

    table: Float32
    """What each combination of values adds up to; see `_sums_of_combinations`."""
    positions: Sequence[Array]
    """Of each category, as in Term."""
    sizes: Sequence[int]
    """Of each category, the number of values."""

    def at(self, rows: Any) -> Array:
        """The position (m,) in the table of `rows`, a slice or m positions."""
        if len(self.positions) == 1:
            found: Array = self.positions[0][rows]
            return found
        # Up to MOST_COMBINATIONS they fit; mixed types would be added several times as slowly.
        found = self.positions[0][rows].astype(np.int16)
        for size, positions in zip(self.sizes[1:], self.positions[1:], strict=True):
            found *= np.int16(size)
            found += positions[rows].astype(np.int16, copy=False)
        return found


class LevelSums:
    """The sums of n rows: of `bias`, and of the `terms` of each of the `groups` of categories. Any
    number of threads may share it."""

    def __init__(self, bias: Float32, terms: Sequence[Term], groups: Sequence[range]) -> None:
        self._bias = bias
        self._groups = [_lookups([terms[category] for category in group]) for group in groups]

    def write(self, start: int, stop: int, buffer: Float32) -> None:
        """Write the sums of some consecutive rows to `buffer` (stop - start,)."""
        for first in range(start, stop, _CHUNK_ROWS):
            last = min(first + _CHUNK_ROWS, stop)
            self.write_at(slice(first, last), buffer[first - start : last - start])

    def write_at(self, rows: Any, buffer: Float32) -> None:
        """Write the sums of `rows`, a slice or m positions, to `buffer` (m,)."""
        buffer[...] = self._bias
        for first, *others in self._groups:
            # "wrap" takes -1 as the last one, as the default does, in a sixth less time.
            total = first.table.take(first.at(rows), mode="wrap")
            for other in others:
                total += other.table.take(other.at(rows), mode="wrap")
            buffer += total


def _lookups(terms: Sequence[Term]) -> list[_Lookup]:
    """What a group of categories is looked up in: one table, unless it would be too large for the
    values, or too much work for the rows."""
    sizes = [len(weights) for weights, _ in terms]
    if len(terms[0][1]) >= _LEAST_ROWS and prod(sizes) <= MOST_COMBINATIONS:
        weights, positions = zip(*terms, strict=True)
        return [_Lookup(_sums_of_combinations(weights), positions, sizes)]
    return [_Lookup(weights, [positions], [len(weights)]) for weights, positions in terms]


def _sums_of_combinations(tables: Sequence[Float32]) -> Float32:
    """(t₀ + t₁) + … of every combination of values, at the position (i₀·m₁ + i₁)·m₂ + i₂ … of it,
    modulo the size: each i is from -1, the last value, to m - 2."""
    position, total = np.zeros(1, np.intp), np.zeros(0, np.float32)
    for table in tables:
        each = np.arange(-1, len(table) - 1)
        position = (position[:, None] * len(table) + each).reshape(-1)
        weights = table[each]
        total = (total[:, None] + weights).reshape(-1) if len(total) else weights
    found = np.empty(len(total), np.float32)
    found[position % len(total)] = total
    return found
