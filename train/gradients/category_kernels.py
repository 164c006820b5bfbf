"""The closed-form gradient of rows with categories, compiled by numba.

A level's feature is 1 in the rows that have it, so a category adds one weight to a row's logit and
the row's residual to one sum. Numbers are as in train.gradients.numba_kernels. Of categories with
many levels, sums for each block of rows would be more numbers than the rows themselves; they are
added in float64 over segments instead, each made of as many blocks as its sums are worth. Segments
depend on the rows alone, their rows are added in order, and so are their sums: the same bits from
any number of threads, and from rows in memory and on disk.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from serve_runtime.arrays import Float32, Float64
from train.gradients.numba_kernels import (
    PICKED_ROWS,
    block_logits,
    block_products,
    block_residuals,
    block_rows,
    compiled,
    mean,
    weigh,
)
from train.gradients.source import Categories, Rows, weights_of
from train.gradients.threads import BLOCKS_A_THREAD, BlockThreads
from train.gradients.vectors import byte_at, fma, int_at, short_at

NUMBA_KERNELS_SHA256 = "215bfbb61ce68f1bdc8f6e9f58819d76fb7173e1580d19c08ec7e0cc91f7cc24"
"""The digest of numba_kernels.py, for the reason that its VECTORS_SHA256 has."""

FEW_LEVELS = 512
"""Up to so many levels' sums are kept in four lanes; with more, few rows repeat a level soon."""
_WORTH = 8
"""A segment has at least so many codes for each of its sums."""
_MOST_SUMS = 1 << 23
"""All segments together have no more sums than these, 64 MiB, however many rows there are on disk.
"""


class _Data(NamedTuple):
    """Rows as the kernels take them. The tensors that addresses point into must be kept."""

    x: Float32
    y: Float32
    w: Float32
    addresses: npt.NDArray[np.intp]
    """(c,) of each category's first code."""
    bytes: npt.NDArray[np.intp]
    """(c,) of one of its codes: 1, 2 or 4."""


class CategorySums:
    """Sums of residual·(x, 1) over up to `rows` rows of `numbers` numbers and some categories."""

    def __init__(self, rows: int, numbers: int, categories: Categories, *, picked: bool) -> None:
        self._step = PICKED_ROWS if picked else block_rows(numbers)
        self._numbers, self._levels = numbers, categories.levels
        self._starts = np.cumsum([numbers, *categories.sizes])
        self._threads = BlockThreads(self._step)
        self._segment = self._blocks_in_segment(rows)
        blocks = -(-rows // self._step)
        self._out = (
            np.empty((blocks, numbers + 1), np.float32),
            np.empty((self._most_segments(rows), self._levels), np.float64),
        )
        self._sums = np.empty(numbers + self._levels + 1)

    def over(self, kind: int, blocks: Iterable[Rows], theta: Float32) -> Float64:
        """The sums (d + 1,) over all rows, which are given some at a time.

        All but the last are whole chunks (train.gradients.numba_kernels.chunk_rows). `kind` is one
        of LOSS_CODES; the result is overwritten by the next call.
        """
        done, weights = 0, self._without_levels(theta)
        for rows in blocks:
            data = as_data(rows)
            count = -(-len(data.y) // self._step)
            given = (kind, *data, self._starts, weights, theta, self._step, self._segment, done)
            first, last = done // self._segment, -(-(done + count) // self._segment)
            self._threads.share(
                _sums, given, range(first, last), self._out, self._least(self._segment)
            )
            done += count
        return self._total(done, self._segment)

    def over_picked(
        self, kind: int, data: tuple[Any, ...], index: npt.NDArray[np.int64], theta: Float32
    ) -> Float64:
        """Do what `over` does, over the rows `index` of `data`: features (n, k), labels (n,),
        weights (n,) or NO_WEIGHTS, and codes (n, c), row by row."""
        blocks, segment = -(-len(index) // self._step), self._blocks_in_segment(len(index))
        weights = self._without_levels(theta)
        given = (kind, *data, index, self._starts, weights, theta, self._step, segment)
        parts = range(-(-blocks // segment))
        self._threads.share(_picked_sums, given, parts, self._out, self._least(segment))
        return self._total(blocks, segment)

    def _most_segments(self, rows: int) -> int:
        """Most segments of up to `rows` rows."""
        worth = rows * (len(self._starts) - 1) // (_WORTH * self._levels)
        return max(1, min(worth, _MOST_SUMS // self._levels, -(-rows // self._step)))

    def _blocks_in_segment(self, rows: int) -> int:
        blocks = -(-rows // self._step)
        return max(1, -(-blocks // self._most_segments(rows)))

    def _least(self, segment: int) -> int:
        return max(1, BLOCKS_A_THREAD // segment)

    def _without_levels(self, theta: Float32) -> Float32:
        return np.append(theta[: self._numbers], theta[-1:])

    def _total(self, blocks: int, segment: int) -> Float64:
        numbers, levels = self._out
        sums = np.empty(self._numbers + 1)
        mean(numbers[:blocks], 1, sums)
        self._sums[: self._numbers], self._sums[-1] = sums[:-1], sums[-1]
        _add_rows(levels[: -(-blocks // segment)], self._sums[self._numbers : -1])
        return self._sums


def as_data(rows: Rows) -> _Data:
    """`rows`, float32 on the CPU, as the kernels take them: nothing is copied."""
    return _Data(
        rows.features.numpy(),
        rows.labels.numpy(),
        weights_of(rows),
        np.array([codes.data_ptr() for codes in rows.codes], np.intp),
        np.array([codes.element_size() for codes in rows.codes], np.intp),
    )


def codes_by_row(codes: Iterable[Tensor]) -> npt.NDArray[np.integer]:
    """The codes (n, c) of rows, row by row, in the widest of their types."""
    columns = [column.numpy() for column in codes]
    result = np.empty((len(columns[0]), len(columns)), np.result_type(*columns))
    for j, column in enumerate(columns):
        result[:, j] = column
    return result


@compiled
def read_codes(address: int, size: int, start: int, count: int, codes: Any) -> None:
    """Put `count` codes of `size` bytes, from the one at `start` on, into `codes`, int32."""
    if size == 1:
        for i in range(count):
            codes[i] = byte_at(address, start + i)
    elif size == 2:
        for i in range(count):
            codes[i] = short_at(address, start + i)
    else:
        for i in range(count):
            codes[i] = int_at(address, start + i)


@compiled
def scatter_add(codes: Any, values: Any, out: Float64, lanes: Float64) -> None:
    """Add each of `values` to the number of `out` at its code.

    A processor waits for one sum before it adds to the same again, and a frequent level follows
    itself. So sums of few levels are kept apart meanwhile, in `lanes` (4, FEW_LEVELS).
    """
    levels, whole = len(out), len(codes) // 4 * 4
    if levels > lanes.shape[1]:
        for i in range(len(codes)):
            out[codes[i]] += values[i]
        return
    lanes[:, :levels] = 0
    for i in range(0, whole, 4):
        lanes[0, codes[i]] += values[i]
        lanes[1, codes[i + 1]] += values[i + 1]
        lanes[2, codes[i + 2]] += values[i + 2]
        lanes[3, codes[i + 3]] += values[i + 3]
    for i in range(whole, len(codes)):
        lanes[0, codes[i]] += values[i]
    for level in range(levels):
        out[level] += (lanes[0, level] + lanes[1, level]) + (lanes[2, level] + lanes[3, level])


@compiled
def _sums(
    loss: int,
    x: Float32,
    y: Float32,
    w: Float32,
    addresses: Any,
    sizes: Any,
    starts: Any,
    weights: Float32,
    theta: Float32,
    step: int,
    blocks_in_segment: int,
    before: int,
    first: int,
    last: int,
    out: Any,
    buffers: Any,
) -> None:
    """Add the rows to the segments from `first` to before `last`.

    Rows begin with the block number `before`. A block's sums of numbers are put into its row of
    `out[0]` (blocks, k + 1); a segment's sums of levels are added to its row of `out[1]`
    (segments, levels), which is 0 where the segment begins. `weights` (k + 1,) are those of the
    numbers and the bias of `theta` (d + 1,), in which categories begin and end at `starts`
    (c + 1,).
    """
    numbers, levels = out
    z, _ = buffers
    codes, lanes = np.empty(step, np.int32), np.empty((4, FEW_LEVELS))
    width, rows = x.shape
    for segment in range(first, last):
        begin, end = segment * blocks_in_segment, (segment + 1) * blocks_in_segment
        sums = levels[segment]
        if begin >= before:
            sums[:] = 0
        for block in range(max(begin, before), min(end, before + -(-rows // step))):
            start = (block - before) * step
            count = min(step, rows - start)
            block_logits(x, start, count, weights, z)
            for j in range(len(addresses)):
                read_codes(addresses[j], sizes[j], start, count, codes)
                weight = theta[starts[j] :]
                for i in range(count):
                    z[i] += weight[codes[i]]
            numbers[block, width] = block_residuals(loss, z, y[start : start + count])
            if len(w):
                numbers[block, width] = weigh(z, w[start : start + count])
            block_products(x, start, count, z, numbers[block])
            for j in range(len(addresses)):
                read_codes(addresses[j], sizes[j], start, count, codes)
                place = sums[starts[j] - width : starts[j + 1] - width]
                scatter_add(codes[:count], z, place, lanes)


@compiled
def _picked_sums(
    loss: int,
    x: Float32,
    y: Float32,
    w: Float32,
    codes: Any,
    index: Any,
    starts: Any,
    weights: Float32,
    theta: Float32,
    step: int,
    blocks_in_segment: int,
    first: int,
    last: int,
    out: Any,
    buffers: Any,
) -> None:
    """Do what `_sums` does, over the rows `index` of `x` (n, k) and `codes` (n, c), row-major."""
    numbers, levels = out
    z, label = buffers
    width, rows = x.shape[1], len(index)
    for segment in range(first, last):
        sums = levels[segment]
        sums[:] = 0
        begin, end = segment * blocks_in_segment, (segment + 1) * blocks_in_segment
        for block in range(begin, min(end, -(-rows // step))):
            start, products = block * step, numbers[block]
            count = min(step, rows - start)
            for i in range(count):
                row, logit = index[start + i], weights[width]
                label[i] = y[row]
                for j in range(width):
                    logit = fma(weights[j], x[row, j], logit)
                for j in range(codes.shape[1]):
                    logit += theta[starts[j] + codes[row, j]]
                z[i] = logit
            products[:width] = 0
            products[width] = block_residuals(loss, z, label[:count])
            if len(w):  # the labels have served
                for i in range(count):
                    label[i] = w[index[start + i]]
                products[width] = weigh(z, label[:count])
            for i in range(count):
                row = index[start + i]
                for j in range(width):
                    products[j] = fma(z[i], x[row, j], products[j])
                for j in range(codes.shape[1]):
                    sums[starts[j] - width + codes[row, j]] += z[i]


@compiled
def _add_rows(rows: Float64, out: Float64) -> None:
    """Put the sum of `rows` (s, m), added in their order, into `out` (m,)."""
    out[:] = 0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[j] += rows[i, j]
