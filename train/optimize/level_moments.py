"""Second moments of the levels of categories: sums of weights by code and by pairs of codes."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from serve_runtime.arrays import Float64
from train.gradients.category_kernels import FEW_LEVELS, scatter_add
from train.gradients.design import add_by_code
from train.gradients.numba_kernels import compiled
from train.gradients.source import Categories, Rows
from train.gradients.threads import BlockThreads

CATEGORY_KERNELS_SHA256 = "06a351ca6aaaa234720d3f89e49f2de8706d69cbe0951bfbb26161e69868dee5"
"""The digest of category_kernels.py, for the reason that its NUMBA_KERNELS_SHA256 has."""


class LevelMoments:
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
