"""Gradients of rows in memory on the CPU."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.gradients import numba_kernels
from train.gradients.category_kernels import CategorySums, codes_by_row
from train.gradients.design import add_products, logits
from train.gradients.losses import LOSSES
from train.gradients.processes import SINGLE_PROCESS
from train.gradients.source import GradientSource, Rows, are_known, chunks, largest, weights_of
from train.gradients.threads import BlockThreads


def gradient_source(rows: Rows, *, batches: bool = False) -> GradientSource:
    """The fastest source for `rows`; with `batches`, gradients are wanted over mini-batches."""
    if rows.features.device.type == "cpu" and rows.features.dtype == torch.float32:
        if rows.codes:
            return CategoryGradients(rows, batches=batches)
        return NumbaGradients(rows, batches=batches)
    return TorchGradients(rows)


class _InMemoryRows:
    """What both sources of rows in memory have in common."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.count, self.group = rows, len(rows.labels), SINGLE_PROCESS
        self.largest, self.categories = largest(rows), rows.categories

    def blocks(self) -> Iterator[Rows]:
        """The rows in their order, a chunk at a time."""
        return chunks(self.rows)

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """Mini-batches of one epoch: indices of rows in a random order, `size` at a time."""
        return iter(torch.split(torch.randperm(self.count, generator=shuffle), size))


class TorchGradients(_InMemoryRows):
    """Gradients by torch's own operations, in any dtype: slower, and the reference in tests."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._residuals = torch.empty_like(rows.labels)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the gradient of the mean cost over all rows, or the rows `index`, into `out`."""
        rows, residuals = self.rows, self._residuals
        if index is not None:
            rows = rows.at(index)
            residuals = residuals[: len(index)]
        torch_gradient(loss, rows, theta, residuals, out)


def torch_gradient(loss: str, rows: Rows, theta: Tensor, residuals: Tensor, out: Tensor) -> None:
    """Put the gradient of the mean cost over `rows` into `out` (d + 1,); `residuals` (n,) is
    overwritten."""
    logits(rows, theta, out=residuals)
    LOSSES[loss].residual_(residuals, rows.labels)
    if rows.weights is not None:
        residuals.mul_(rows.weights)
    add_products(rows, residuals, out.zero_())
    out.div_(len(residuals))


class NumbaGradients(_InMemoryRows):
    """Gradients by numba_kernels, in float32: the same bits from any number of threads."""

    def __init__(self, rows: Rows, *, batches: bool) -> None:
        width, count = rows.features.shape
        if batches:  # row by row in memory, since a batch reads whole rows at random
            rows = replace(rows, features=rows.features.t().contiguous().t())
        super().__init__(rows)
        step = numba_kernels.PICKED_ROWS if batches else numba_kernels.block_rows(width)
        features = rows.features.t() if batches else rows.features
        self._data = features.numpy(), rows.labels.numpy(), weights_of(rows)
        self._all = torch.arange(count) if batches else None
        self._threads = BlockThreads(step)
        self._sums = np.empty((-(-count // step), width + 1), np.float32)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the gradient of the mean cost over all rows, or the rows `index`, into `out`."""
        kind, index = numba_kernels.LOSS_CODES[loss], self._all if index is None else index
        add: Any = (
            numba_kernels.gradient_sums if index is None else numba_kernels.picked_gradient_sums
        )
        picked = () if index is None else (index.numpy(),)
        count = self.count if index is None else len(index)
        given = (kind, *self._data, *picked, theta.numpy())
        numba_kernels.mean(self._threads.sum(add, given, count, self._sums), count, out.numpy())


class CategoryGradients(_InMemoryRows):
    """Gradients of rows with categories by category_kernels, in float32: the same bits from any
    number of threads."""

    def __init__(self, rows: Rows, *, batches: bool) -> None:
        super().__init__(rows)
        self._sums = CategorySums(self.count, len(rows.features), rows.categories, picked=batches)
        self._by_row = None
        if batches:  # a batch reads whole rows at random
            features = rows.features.t().contiguous().numpy()
            self._by_row = (
                features,
                rows.labels.numpy(),
                weights_of(rows),
                codes_by_row(rows.codes),
            )
            self._all = np.arange(self.count)
        self._known = are_known(rows)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the gradient of the mean cost over all rows, or the rows `index`, into `out`.

        Raises ValueError where rows have unknown levels, as rows held out may.
        """
        if not self._known:
            raise ValueError("gradients are of rows whose codes are those of levels")
        kind, count = numba_kernels.LOSS_CODES[loss], self.count if index is None else len(index)
        if self._by_row is None:
            found = self._sums.over(kind, [self.rows], theta.numpy())
        else:
            picked = self._all if index is None else index.numpy()
            found = self._sums.over_picked(kind, self._by_row, picked, theta.numpy())
        np.divide(found, count, out=out.numpy(), casting="same_kind")
