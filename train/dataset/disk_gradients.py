"""Rows that do not fit into memory, as something that gradients can be taken of."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from serve_runtime.arrays import Float32
from train.dataset.block_file import Cache
from train.gradients import numba_kernels
from train.gradients.processes import ALONE, Group
from train.gradients.source import Rows, parts
from train.gradients.threads import Workers


class Streamed:
    """Rows on disk, by train.gradients.numba_kernels: over all rows the bits of `Compiled`.

    The processes of `group` have some of the rows each; `count` and `largest` are of all. A
    mini-batch is picked from a pool of `pool` blocks, picked at random; each process picks its
    share of one.
    """

    def __init__(
        self, cache: Cache, count: int, largest: Tensor, pool: int, group: Group = ALONE
    ) -> None:
        self.count, self.largest, self.group = count, largest, group
        self._cache, self._width = cache, cache.width
        step = numba_kernels.block_rows(cache.width)
        self._workers, self._pickers = Workers(step), Workers(numba_kernels.PICKED_ROWS)
        self._sums = np.empty((-(-cache.count // step), cache.width + 1), np.float32)
        self._picked_sums = np.empty((0, cache.width + 1), np.float32)
        self._blocks_in_pool = pool
        self._pool = np.empty((0, cache.width), np.float32), np.empty(0, np.float32)
        self._total = np.empty(cache.width + 2)

    def blocks(self) -> Iterator[Rows]:
        """See Design."""
        for rows in self._cache.blocks():
            yield from parts(rows)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design; `index` is one of `batches`."""
        kind = numba_kernels.KINDS[loss]
        if index is None:
            sums, count = self._all_sums(kind, theta.numpy()), self._cache.count
        else:
            sums, count = self._some_sums(kind, theta.numpy(), index), len(index)
        numba_kernels.mean(sums, 1, self._total[:-1])
        self._total[-1] = count
        total = self.group.sum(torch.from_numpy(self._total)).numpy()
        out.numpy()[:] = total[:-1] / total[-1]

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """See Design; the last batch of each pool is smaller."""
        # All processes draw the same from `shuffle`, and each its own order from what it drew.
        drawn = int(torch.randint(1 << 62, (1,), generator=shuffle))
        own = torch.Generator().manual_seed(drawn + self.group.rank)
        size = -(-size // self.group.size)
        order = torch.randperm(len(self._cache), generator=own)
        pools = torch.split(order, self._blocks_in_pool) if len(order) else ()
        rows = [[self._cache.rows_of(int(number)) for number in pool] for pool in pools]
        here = sum(-(-sum(counts) // size) for counts in rows)
        longest = int(self.group.maximum(torch.tensor(here)))
        for pool in pools:
            self._fill(pool.sort().values.tolist())
            yield from torch.split(torch.randperm(len(self._pool[1]), generator=own), size)
        for _ in range(here, longest):
            yield torch.empty(0, dtype=torch.int64)

    def _fill(self, numbers: Sequence[int]) -> None:
        """Put the blocks `numbers` into the pool, row by row."""
        self._pool = np.empty((0, self._width), np.float32), np.empty(0, np.float32)
        count = sum(map(self._cache.rows_of, numbers))
        by_rows, labels = np.empty((count, self._width), np.float32), np.empty(count, np.float32)
        start = 0
        for rows in self._cache.blocks(numbers):
            place = slice(start, start + len(rows.labels))
            by_rows[place], labels[place] = rows.features.numpy().T, rows.labels.numpy()
            start = place.stop
        self._pool = by_rows, labels

    def _all_sums(self, kind: int, theta: Float32) -> Float32:
        done = 0
        for rows in self._cache.blocks():
            given = (kind, rows.features.numpy(), rows.labels.numpy(), theta)
            room, count = self._sums[done:], len(rows.labels)
            done += len(self._workers.sum(numba_kernels.gradient_sums, given, count, room))
        return self._sums[:done]

    def _some_sums(self, kind: int, theta: Float32, index: Tensor) -> Float32:
        blocks = -(-len(index) // numba_kernels.PICKED_ROWS)
        if blocks > len(self._picked_sums):
            self._picked_sums = np.empty((blocks, self._width + 1), np.float32)
        given = (kind, *self._pool, index.numpy(), theta)
        add = numba_kernels.picked_gradient_sums
        return self._pickers.sum(add, given, len(index), self._picked_sums)
