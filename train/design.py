"""The rows to train on, as something that gradients can be taken of."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from train import kernels
from train.gradients import LOSSES, logits

_BLOCKS_A_THREAD = 4
"""Fewer are done before a helper has begun."""
_BLOCK_VALUES = 1 << 19
"""Of a block for other things than gradients. What is computed from 2 MiB finds room that was used
before; fresh memory costs more than the computation."""


@dataclass(frozen=True)
class Rows:
    """Features (d, n) and labels (n,), float32 on the model's device."""

    features: Tensor
    labels: Tensor


class Design(Protocol):
    """Rows that gradients are taken of; `theta` (d + 1,) is the weights and then the bias."""

    count: int
    """Rows."""
    largest: Tensor
    """(d + 1,) the largest magnitude of each feature, and a 1."""

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the mean gradient over all rows, or over the rows `index`, into `out` (d + 1,)."""

    def blocks(self) -> Iterator[Rows]:
        """All rows, some at a time."""


def design(rows: Rows, *, batches: bool = False) -> Design:
    """The fastest for `rows`: over all of them, or with `batches` over some, picked at random."""
    if rows.features.device.type == "cpu" and rows.features.dtype == torch.float32:
        return Compiled(rows, batches=batches)
    return Eager(rows)


def measure(data: Design, loss: str, theta: Tensor) -> tuple[float, float]:
    """Mean cost, and the share of rows on the right side of 0.5."""
    cost = right = 0.0
    for rows in data.blocks():
        logit, share = logits(rows.features, theta), len(rows.labels) / data.count
        hits = (logit.sigmoid() >= 0.5) == (rows.labels == 1)
        cost += float(LOSSES[loss].cost(logit, rows.labels)) * share
        right += float(hits.float().mean()) * share
    return cost, right


def squared_norms(data: Design) -> tuple[float, float]:
    """Mean and maximum of |x|² over the rows."""
    squares = [rows.features.double().square().sum(0) for rows in data.blocks()]
    return sum(float(s.sum()) for s in squares) / data.count, max(float(s.amax()) for s in squares)


class _Resident:
    """What all rows in memory have in common."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.count = rows, len(rows.labels)
        ranges = [torch.stack(torch.aminmax(feature)) for feature in rows.features]
        self.largest = torch.cat([torch.stack(ranges).abs().amax(1), rows.labels.new_ones(1)])

    def blocks(self) -> Iterator[Rows]:
        """See Design."""
        step = max(1, _BLOCK_VALUES // len(self.rows.features))
        for start in range(0, self.count, step):
            part = slice(start, start + step)
            yield Rows(self.rows.features[:, part], self.rows.labels[part])


class Eager(_Resident):
    """With torch's own operations, on any device and in any dtype: the reference."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._room = torch.empty_like(rows.labels)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design."""
        features, labels, residual = self.rows.features, self.rows.labels, self._room
        if index is not None:
            index = index.to(labels.device)
            features, labels = features.index_select(1, index), labels[index]
            residual = residual[: len(index)]
        logits(features, theta, out=residual)
        LOSSES[loss].residual_(residual, labels)
        torch.mv(features, residual, out=out[:-1])
        torch.sum(residual, 0, keepdim=True, out=out[-1:])
        out.div_(len(residual))


class Compiled(_Resident):
    """With train.kernels, for float32 on the CPU, in as many threads as torch has.

    The same bits from any number of threads.
    """

    def __init__(self, rows: Rows, *, batches: bool) -> None:
        width, count = rows.features.shape
        if batches:  # a row that is picked at random is read whole
            rows = Rows(rows.features.t().contiguous().t(), rows.labels)
        super().__init__(rows)
        self._step = kernels.PICKED_ROWS if batches else kernels.block_rows(width)
        features = rows.features.t() if batches else rows.features
        self._data = features.numpy(), rows.labels.numpy()
        self._all = torch.arange(count) if batches else None
        self._sums = torch.empty(-(-count // self._step), width + 1).numpy()
        threads = torch.get_num_threads()
        self._scratch = [kernels.scratch(self._step) for _ in range(threads)]
        self._helpers = ThreadPoolExecutor(max(1, threads - 1))  # it starts none until asked

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design."""
        index = self._all if index is None else index
        add: Any = kernels.gradient_sums if index is None else kernels.picked_gradient_sums
        picked = () if index is None else (index.numpy(),)
        count = self.count if index is None else len(index)
        work = partial(add, kernels.KINDS[loss], *self._data, *picked, theta.numpy(), self._step)
        blocks = -(-count // self._step)
        threads = min(len(self._scratch), blocks // _BLOCKS_A_THREAD) or 1
        cuts = [blocks * i // threads for i in range(threads + 1)]
        pending = [
            self._helpers.submit(work, cuts[i], cuts[i + 1], self._sums, *self._scratch[i])
            for i in range(1, threads)
        ]
        work(0, cuts[1], self._sums, *self._scratch[0])
        for part in pending:
            part.result()
        kernels.mean(self._sums[:blocks], count, out.numpy())
