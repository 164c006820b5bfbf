"""Rows that do not fit into memory, as something that gradients can be taken of."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train import kernels
from train.cache import Cache
from train.design import Float32, Rows, Workers, parts


class Streamed:
    """Rows on disk, by train.kernels: over all rows the bits of `Compiled`.

    A mini-batch is picked from a pool of as many blocks, picked at random, as `pool` bytes hold.
    """

    def __init__(self, cache: Cache, largest: Tensor, pool: int) -> None:
        self.count, self.largest = cache.count, largest
        self._cache, self._width = cache, cache.width
        step = kernels.block_rows(cache.width)
        self._workers, self._pickers = Workers(step), Workers(kernels.PICKED_ROWS)
        self._sums = np.empty((-(-cache.count // step), cache.width + 1), np.float32)
        self._picked_sums = np.empty((0, cache.width + 1), np.float32)
        self._blocks_in_pool = max(1, pool // (4 * (cache.width + 1) * cache.step))
        self._pool: tuple[Float32, Float32] | None = None

    def blocks(self) -> Iterator[Rows]:
        """See Design."""
        for rows in self._cache.blocks():
            yield from parts(rows)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design; `index` is one of `batches`."""
        kind = kernels.KINDS[loss]
        if index is not None:
            assert self._pool is not None
            given: tuple[Any, ...] = (kind, *self._pool, index.numpy(), theta.numpy())
            blocks = -(-len(index) // kernels.PICKED_ROWS)
            if blocks > len(self._picked_sums):
                self._picked_sums = np.empty((blocks, self._width + 1), np.float32)
            add = kernels.picked_gradient_sums
            found = self._pickers.sum(add, given, len(index), self._picked_sums)
            kernels.mean(found, len(index), out.numpy())
            return
        done = 0
        for rows in self._cache.blocks():
            given = (kind, rows.features.numpy(), rows.labels.numpy(), theta.numpy())
            count = len(rows.labels)
            done += len(self._workers.sum(kernels.gradient_sums, given, count, self._sums[done:]))
        kernels.mean(self._sums[:done], self.count, out.numpy())

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """See Design; the last batch of each pool is smaller."""
        order = torch.randperm(len(self._cache), generator=shuffle)
        for numbers in torch.split(order, self._blocks_in_pool):
            chosen = [self._cache[int(number)] for number in numbers.sort().values]
            count = sum(len(rows.labels) for rows in chosen)
            by_rows = np.empty((count, self._width), np.float32)
            start = 0
            for rows in chosen:
                end = start + len(rows.labels)
                by_rows[start:end] = rows.features.numpy().T
                start = end
            self._pool = by_rows, np.concatenate([rows.labels.numpy() for rows in chosen])
            yield from torch.split(torch.randperm(count, generator=shuffle), size)
