"""The second moments of a design: XᵀDX/n.

Those of the levels of categories are sums of weights by code and by pairs of codes.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from serve_runtime.arrays import Float64
from train.gradients.category_kernels import FEW_LEVELS, scatter_add
from train.gradients.design import add_by_code
from train.gradients.numba_kernels import compiled
from train.gradients.source import Categories, GradientSource, Rows
from train.gradients.threads import BlockThreads

CATEGORY_KERNELS_SHA256 = "5b50d3ad244616c971e653d762cf74746e61e6e32d40a7c292862f5a0207e888"
"""The digest of category_kernels.py, for the reason that its NUMBA_KERNELS_SHA256 has."""


class Merged:
    """A design of fewer columns, made of that of rows: the first `numbers` numbers (all, or
    0 for none), the `most` most frequent levels, and one level for the others of each category."""

    def __init__(self, categories: Categories, most: int, numbers: int) -> None:
        shares = torch.cat(categories.shares)
        order = shares.argsort(descending=True, stable=True)
        self.is_merged = torch.ones(len(shares), dtype=torch.bool)
        """(levels,) whether a level is merged with others."""
        self.is_merged[order[:most]] = False
        self.numbers, self._codes, places = numbers, list[Tensor](), list[Tensor]()
        merged_shares, start = [], numbers
        for share, is_merged in zip(
            categories.shares, torch.split(self.is_merged, list(categories.sizes)), strict=True
        ):
            kept = share[~is_merged]
            codes = torch.where(is_merged, len(kept), torch.cumsum(~is_merged, 0) - 1)
            self._codes.append(codes)
            places.append(codes + start)
            merged_shares.append(torch.cat([kept, share[is_merged].sum()[None]]))
            start += len(kept) + 1
        self.places = torch.cat(places)
        """(levels,) the position of each level in the merged design."""
        self.categories = Categories(tuple(merged_shares))

    def of(self, rows: Rows) -> Rows:
        """`rows` in the merged design."""
        pairs = zip(self._codes, rows.codes, strict=True)
        codes = tuple(new.to(old.device).index_select(0, old.int()) for new, old in pairs)
        return replace(
            rows, features=rows.features[: self.numbers], codes=codes, categories=self.categories
        )


def second_moments(
    data: GradientSource,
    weigh: Callable[[Rows], Tensor] = lambda rows: rows.weighted(torch.ones_like(rows.labels)),
    dtype: torch.dtype = torch.float32,
    merged: Merged | None = None,
) -> Tensor:
    """XᵀDX/n (d + 1, d + 1) in float64, X with a column of ones, D a diagonal matrix.

    `weigh` maps rows, in `dtype`, to their part of it (m,), by default their weights. Products are
    computed in `dtype`, and chunks of rows added in float64. With `merged` X is the merged design.
    """
    categories, numbers = data.categories, len(data.largest) - 1 - data.categories.levels
    if merged:
        categories, numbers = merged.categories, merged.numbers
    sums = MomentSums(numbers, categories, data.largest)
    for some in data.blocks():
        rows = some.in_type(dtype)
        weight = weigh(rows)
        sums.add(merged.of(rows) if merged else rows, weight)
    return data.group.sum(sums.total()) / data.count


class MomentSums:
    """XᵀDX (d + 1, d + 1) in float64 of rows that come some at a time, on the device of `like`."""

    def __init__(self, numbers: int, categories: Categories, like: Tensor) -> None:
        size = numbers + categories.levels + 1
        self._numbers = numbers
        self._sums = like.new_zeros(size, size, dtype=torch.float64)
        self._levels = _LevelMoments(numbers, categories) if categories.shares else None

    def add(self, rows: Rows, weight: Tensor) -> None:
        """Add `rows` with their weights (m,)."""
        numbers, sums = self._numbers, self._sums
        weighted = rows.features * weight
        sums[:numbers, :numbers] += weighted @ rows.features.t()
        sums[:numbers, -1] += weighted.sum(1)
        sums[-1, -1] += weight.sum()
        if self._levels:
            self._levels.add(rows, weighted.double(), weight.double(), sums)

    def total(self) -> Tensor:
        """The sums of all rows so far."""
        self._sums[-1, :-1] = self._sums[:-1, -1]
        if not self._levels:
            return self._sums
        below = torch.ones_like(self._sums, dtype=torch.bool).tril(-1)
        return torch.where(below, self._sums.T, self._sums)


class _LevelMoments:
    """Adds the moments of levels of rows with `numbers` numbers to a matrix.

    A part of the work is a category with a number, with another category, or with itself and the
    column of ones; no two parts add to the same places, so threads may share them.
    """

    def __init__(self, numbers: int, categories: Categories) -> None:
        self._starts = np.cumsum([numbers, *categories.sizes])
        count = len(categories.sizes)
        parts = [(a, j) for j in range(count) for a in range(numbers + 1 + j)]
        self._parts = np.array(parts, np.intp).reshape(-1, 2)
        self._threads = BlockThreads(0)

    def add(self, rows: Rows, weighted: Tensor, weight: Tensor, sums: Tensor) -> None:
        """Add to the upper triangle of `sums` (d + 1, d + 1) what concerns levels.

        `weight` (n,) are the weights of `rows`, `weighted` (k, n) the numbers times them; all are
        float64.
        """
        pairs = zip(rows.codes, self._starts[:-1].tolist(), strict=True)
        columns = torch.stack([codes.long() + start for codes, start in pairs])
        if sums.is_cuda:
            self._by_torch(columns, weighted, weight, sums)
            return
        given = (self._parts, self._starts, columns.numpy(), weighted.numpy(), weight.numpy())
        self._threads.share(_add, given, range(len(self._parts)), sums.numpy(), 1)

    def _by_torch(self, columns: Tensor, weighted: Tensor, weight: Tensor, sums: Tensor) -> None:
        numbers, size, flat = len(weighted), len(sums), sums.view(-1)
        for a, j in self._parts.tolist():
            if a < numbers:
                add_by_code(columns[j], weighted[a], sums[a])
            elif a == numbers:
                add_by_code(columns[j] * (size + 1), weight, flat)
                add_by_code(columns[j] * size + (size - 1), weight, flat)
            else:
                add_by_code(columns[a - numbers - 1] * size + columns[j], weight, flat)


@compiled
def _add(
    parts: npt.NDArray[np.intp],
    starts: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    weighted: Float64,
    weight: Float64,
    first: int,
    last: int,
    out: Float64,
    buffers: object,
) -> None:
    """Do the parts from `first` to before `last`: a category's number behind that of a number, of
    the column of ones, or of a category before it."""
    numbers, ones = weighted.shape[0], out.shape[0] - 1
    lanes, codes = np.empty((4, FEW_LEVELS)), np.empty(len(weight), np.int64)
    for part in range(first, last):
        a, j = parts[part]
        column, begin, end = columns[j], starts[j], starts[j + 1]
        if a > numbers:
            other = columns[a - numbers - 1]
            for i in range(len(weight)):
                out[other[i], column[i]] += weight[i]
            continue
        for i in range(len(weight)):
            codes[i] = column[i] - begin
        if a < numbers:
            scatter_add(codes, weighted[a], out[a, begin:end], lanes)
            continue
        sums = np.zeros(end - begin)
        scatter_add(codes, weight, sums, lanes)
        for level in range(end - begin):
            out[begin + level, begin + level] += sums[level]
            out[begin + level, ones] += sums[level]
