"""The rows to train on, as something that gradients can be taken of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from train.gradients import numba_kernels
from train.gradients.losses import LOSSES, logits
from train.gradients.processes import Group


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


def largest(rows: Rows) -> Tensor:
    """What Design calls so."""
    ranges = [torch.stack(torch.aminmax(feature)) for feature in rows.features]
    return torch.cat([torch.stack(ranges).abs().amax(1), rows.labels.new_ones(1)])


def parts(rows: Rows, several: int = 1) -> Iterator[Rows]:
    """`rows` in parts of some 2 MiB, or `several` times that: what is computed from those finds
    room that was used before, and fresh memory costs more than the computation."""
    for part in numba_kernels.part_slices(len(rows.features), len(rows.labels), several):
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
