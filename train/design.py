"""The rows to train on, as something that gradients can be taken of."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from serve_runtime.budgets import Float32
from train import kernels
from train.gradients import LOSSES, logits
from train.ranks import ALONE, Group

_BLOCKS_A_THREAD = 4
"""Fewer are done before a helper has begun."""


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
    group: Group
    """The processes that share the rows; `count` and `gradient` are of all of them."""

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the mean gradient over all rows, or over the rows `index`, into `out` (d + 1,)."""

    def blocks(self) -> Iterator[Rows]:
        """The rows of this process, some at a time."""

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """Every row once, `size` at a time, in a random order: what `gradient` takes as `index`
        until the next is asked for."""


def design(rows: Rows, *, batches: bool = False) -> Design:
    """The fastest for `rows`: over all of them, or with `batches` over some, picked at random."""
    if rows.features.device.type == "cpu" and rows.features.dtype == torch.float32:
        return Compiled(rows, batches=batches)
    return Eager(rows)


def largest(rows: Rows) -> Tensor:
    """What Design calls so."""
    ranges = [torch.stack(torch.aminmax(feature)) for feature in rows.features]
    return torch.cat([torch.stack(ranges).abs().amax(1), rows.labels.new_ones(1)])


def parts(rows: Rows, several: int = 1) -> Iterator[Rows]:
    """`rows` in parts of some 2 MiB, or `several` times that: what is computed from those finds
    room that was used before, and fresh memory costs more than the computation."""
    for part in kernels.part_slices(len(rows.features), len(rows.labels), several):
        yield Rows(rows.features[:, part], rows.labels[part])


def measure(data: Design, loss: str, theta: Tensor) -> tuple[float, float]:
    """Mean cost, and the share of rows on the right side of 0.5."""
    cost = right = 0.0
    for rows in data.blocks():
        logit, share = logits(rows.features, theta), len(rows.labels) / data.count
        hits = (logit.sigmoid() >= 0.5) == (rows.labels == 1)
        cost += float(LOSSES[loss].cost(logit, rows.labels)) * share
        right += float(hits.float().mean()) * share
    cost, right = data.group.sum(torch.tensor([cost, right], dtype=torch.float64)).tolist()
    return cost, right


def squared_norms(data: Design) -> tuple[float, float]:
    """Mean and maximum of |x|² over the rows."""
    total, most = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for rows in data.blocks():
        squares = rows.features.double().square().sum(0).cpu()
        total, most = total + squares.sum(), torch.maximum(most, squares.amax())
    return float(data.group.sum(total)) / data.count, float(data.group.maximum(most))


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


class Workers:
    """As many threads as torch has, each with room for a block of `step` rows."""

    def __init__(self, step: int) -> None:
        self._step, threads = step, torch.get_num_threads()
        self._scratch = [kernels.scratch(step) for _ in range(threads)]
        self._helpers = ThreadPoolExecutor(max(1, threads - 1))  # it starts none until asked

    def sum(self, add: Any, given: tuple[Any, ...], rows: int, sums: Float32) -> Float32:
        """Have `add` of train.kernels put the sums over each block into `sums`; those it filled."""
        work, blocks = partial(add, *given, self._step), -(-rows // self._step)
        threads = min(len(self._scratch), blocks // _BLOCKS_A_THREAD) or 1
        cuts = [blocks * i // threads for i in range(threads + 1)]
        pending = [
            self._helpers.submit(work, cuts[i], cuts[i + 1], sums, self._scratch[i])
            for i in range(1, threads)
        ]
        work(0, cuts[1], sums, self._scratch[0])
        for part in pending:
            part.result()
        return sums[:blocks]


class Compiled(_Resident):
    """With train.kernels, for float32 on the CPU: the same bits from any number of threads."""

    def __init__(self, rows: Rows, *, batches: bool) -> None:
        width, count = rows.features.shape
        if batches:  # a row that is picked at random is read whole
            rows = Rows(rows.features.t().contiguous().t(), rows.labels)
        super().__init__(rows)
        step = kernels.PICKED_ROWS if batches else kernels.block_rows(width)
        features = rows.features.t() if batches else rows.features
        self._data = features.numpy(), rows.labels.numpy()
        self._all = torch.arange(count) if batches else None
        self._workers = Workers(step)
        self._sums = np.empty((-(-count // step), width + 1), np.float32)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """See Design."""
        kind, index = kernels.KINDS[loss], self._all if index is None else index
        add: Any = kernels.gradient_sums if index is None else kernels.picked_gradient_sums
        picked = () if index is None else (index.numpy(),)
        count = self.count if index is None else len(index)
        given = (kind, *self._data, *picked, theta.numpy())
        kernels.mean(self._workers.sum(add, given, count, self._sums), count, out.numpy())
