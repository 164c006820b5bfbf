"""Gradients of rows in memory on the CPU."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.gradients import numba_kernels
from train.gradients.losses import LOSSES, logits
from train.gradients.processes import ALONE
from train.gradients.source import Design, Rows, largest, parts
from train.gradients.threads import Workers


def design(rows: Rows, *, batches: bool = False) -> Design:
    """The fastest for `rows`: over all of them, or with `batches` over some, picked at random."""
    if rows.features.device.type == "cpu" and rows.features.dtype == torch.float32:
        return Compiled(rows, batches=batches)
    return Eager(rows)


class _Resident:
    """What all rows in memory have in common."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.count, self.group = rows, len(rows.labels), ALONE
        self.largest = largest(rows)

    def blocks(self) -> Iterator[Rows]:
        """See Design."""
        return parts(self.rows)

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """See Design."""
        return iter(torch.split(torch.randperm(self.count, generator=shuffle), size))


class Eager(_Resident):
    """With torch's own operations, in any dtype: the reference."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._room = torch.empty_like(rows.labels)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design."""
        rows, room = self.rows, self._room
        if index is not None:
            rows = Rows(rows.features.index_select(1, index), rows.labels[index])
            room = room[: len(index)]
        eager_gradient(loss, rows, theta, room, out)


def eager_gradient(loss: str, rows: Rows, theta: Tensor, room: Tensor, out: Tensor) -> None:
    """Put the mean gradient over `rows` into `out` (d + 1,); `room` is for their residuals."""
    logits(rows.features, theta, out=room)
    LOSSES[loss].residual_(room, rows.labels)
    torch.mv(rows.features, room, out=out[:-1])
    torch.sum(room, 0, keepdim=True, out=out[-1:])
    out.div_(len(room))


class Compiled(_Resident):
    """With numba_kernels, for float32 on the CPU: the same bits from any number of threads."""

    def __init__(self, rows: Rows, *, batches: bool) -> None:
        width, count = rows.features.shape
        if batches:  # a row that is picked at random is read whole
            rows = Rows(rows.features.t().contiguous().t(), rows.labels)
        super().__init__(rows)
        step = numba_kernels.PICKED_ROWS if batches else numba_kernels.block_rows(width)
        features = rows.features.t() if batches else rows.features
        self._data = features.numpy(), rows.labels.numpy()
        self._all = torch.arange(count) if batches else None
        self._workers = Workers(step)
        self._sums = np.empty((-(-count // step), width + 1), np.float32)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design."""
        kind, index = numba_kernels.KINDS[loss], self._all if index is None else index
        add: Any = (
            numba_kernels.gradient_sums if index is None else numba_kernels.picked_gradient_sums
        )
        picked = () if index is None else (index.numpy(),)
        count = self.count if index is None else len(index)
        given = (kind, *self._data, *picked, theta.numpy())
        numba_kernels.mean(self._workers.sum(add, given, count, self._sums), count, out.numpy())
