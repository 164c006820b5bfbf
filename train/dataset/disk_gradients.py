"""Gradients over rows on disk, on the CPU."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from serve_runtime.arrays import Array, Float32
from train.dataset.block_file import BlockFile
from train.gradients import numba_kernels
from train.gradients.category_kernels import CategorySums, codes_by_row
from train.gradients.numba_kernels import NO_WEIGHTS
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.gradients.source import Rows, chunks, weights_of
from train.gradients.threads import BlockThreads


class DiskGradients:
    """A GradientSource of the rows in a BlockFile, by train.gradients.numba_kernels.

    Gradients over all rows have the bits of `NumbaGradients`. Each process of `group` has a file
    with its share of the rows; `count` and `largest` are those of all rows. Mini-batches are drawn
    from a pool: `pool` blocks, drawn at random, are held in memory, and their rows are shuffled.
    Each process draws its share of a mini-batch.
    """

    def __init__(
        self,
        file: BlockFile,
        count: int,
        largest: Tensor,
        pool: int,
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.count, self.largest, self.group = count, largest, group
        self.categories = file.categories
        self._file, self._width = file, file.width
        step = numba_kernels.block_rows(file.width)
        self._threads = BlockThreads(step)
        self._picking_threads = BlockThreads(numba_kernels.PICKED_ROWS)
        self._sums = np.empty((-(-file.count // step), file.width + 1), np.float32)
        self._picked_sums = np.empty((0, file.width + 1), np.float32)
        self._blocks_in_pool = pool
        self._pool = self._no_rows()
        self._levels: CategorySums | None = None
        self._picked_levels: CategorySums | None = None
        self._most_picked = 0
        self._pool_codes: Array = np.empty((0, 0), np.uint8)
        if self.categories.shares:
            self._levels = CategorySums(file.count, file.width, self.categories, picked=False)
        self._total = np.empty(len(largest) + 1)

    def blocks(self) -> Iterator[Rows]:
        """The rows of this process in their order, a chunk at a time."""
        for rows in self._file.blocks():
            yield from chunks(rows)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the gradient of the mean cost over all rows, or a batch `index`, into `out`."""
        kind = numba_kernels.LOSS_CODES[loss]
        if index is None:
            sums, count = self._all_sums(kind, theta.numpy()), self._file.count
        else:
            sums, count = self._some_sums(kind, theta.numpy(), index), len(index)
        if sums.ndim == 1:
            self._total[:-1] = sums
        else:
            numba_kernels.mean(sums, 1, self._total[:-1])
        self._total[-1] = count
        total = self.group.sum(torch.from_numpy(self._total)).numpy()
        out.numpy()[:] = total[:-1] / total[-1]

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """Mini-batches of one epoch, indices into the pool of the moment; the last batch of each
        pool may be smaller than `size`."""
        # All processes draw the same from `shuffle`, and each its own order from what it drew.
        drawn = int(torch.randint(1 << 62, (1,), generator=shuffle))
        own = torch.Generator().manual_seed(drawn + self.group.rank)
        size = -(-size // self.group.size)
        order = torch.randperm(len(self._file), generator=own)
        pools = torch.split(order, self._blocks_in_pool) if len(order) else ()
        rows = [[self._file.rows_of(int(number)) for number in pool] for pool in pools]
        here = sum(-(-sum(counts) // size) for counts in rows)
        longest = int(self.group.maximum(torch.tensor(here)))
        for pool in pools:
            self._fill(pool.sort().values.tolist())
            yield from torch.split(torch.randperm(len(self._pool[1]), generator=own), size)
        for _ in range(here, longest):
            yield torch.empty(0, dtype=torch.int64)

    def _fill(self, numbers: Sequence[int]) -> None:
        """Fill the pool with the rows of the blocks `numbers`, row-major."""
        self._pool = self._no_rows()
        count = sum(map(self._file.rows_of, numbers))
        by_rows, labels = np.empty((count, self._width), np.float32), np.empty(count, np.float32)
        start, codes, weights = 0, list[Array](), [NO_WEIGHTS]
        for rows in self._file.blocks(numbers):
            place = slice(start, start + len(rows.labels))
            by_rows[place], labels[place] = rows.features.numpy().T, rows.labels.numpy()
            weights.append(weights_of(rows))
            if rows.codes:
                codes.append(codes_by_row(rows.codes))
            start = place.stop
        self._pool = by_rows, labels, np.concatenate(weights)
        if codes:
            self._pool_codes = np.concatenate(codes)

    def _no_rows(self) -> tuple[Float32, Float32, Float32]:
        """Features, labels and weights of an empty pool."""
        return np.empty((0, self._width), np.float32), np.empty(0, np.float32), NO_WEIGHTS

    def _all_sums(self, kind: int, theta: Float32) -> Array:
        """The sums of each block of rows, or with categories those of all rows."""
        if self._levels is not None:
            return self._levels.over(kind, self._file.blocks(), theta)
        done = 0
        for rows in self._file.blocks():
            data = rows.features.numpy(), rows.labels.numpy(), weights_of(rows)
            given = (kind, *data, theta)
            free, count = self._sums[done:], len(rows.labels)
            done += len(self._threads.sum(numba_kernels.gradient_sums, given, count, free))
        return self._sums[:done]

    def _some_sums(self, kind: int, theta: Float32, index: Tensor) -> Array:
        if self._levels is not None:
            if self._picked_levels is None or len(index) > self._most_picked:
                self._most_picked = len(index)
                self._picked_levels = CategorySums(
                    self._most_picked, self._width, self.categories, picked=True
                )
            data = (*self._pool, self._pool_codes)
            return self._picked_levels.over_picked(kind, data, index.numpy(), theta)
        blocks = -(-len(index) // numba_kernels.PICKED_ROWS)
        if blocks > len(self._picked_sums):
            self._picked_sums = np.empty((blocks, self._width + 1), np.float32)
        given = (kind, *self._pool, index.numpy(), theta)
        add = numba_kernels.picked_gradient_sums
        return self._picking_threads.sum(add, given, len(index), self._picked_sums)
