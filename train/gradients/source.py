"""What the optimiser needs of the rows to train on: gradients over them, and the rows in chunks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from train.gradients import numba_kernels
from train.gradients.losses import LOSSES, logits
from train.gradients.processes import ProcessGroup


@dataclass(frozen=True)
class Rows:
    """Some rows, feature by feature, float32 on the model's device."""

    features: Tensor
    """(d, n), each feature's values together."""
    labels: Tensor
    """(n,): 1 for the positive class, 0 for the negative one."""


class GradientSource(Protocol):
    """Rows over which gradients of the mean cost are computed, wherever the rows are kept.

    In all methods `theta` (d + 1,) holds the weights and then the bias.
    """

    count: int
    """The number of rows, of all processes of `group`."""
    largest: Tensor
    """(d + 1,) the largest magnitude of each feature, and 1 for the column of ones."""
    group: ProcessGroup
    """The processes that share the rows; `gradient` is over the rows of all of them."""

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the gradient of the mean cost into `out` (d + 1,): over all rows, or over the rows
        `index`, which is one of `batches`."""

    def blocks(self) -> Iterator[Rows]:
        """The rows of this process in their order, a chunk at a time."""

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """Mini-batches of one epoch: every row once, in a random order, `size` at a time.

        A batch may be given to `gradient` only until the next one is asked for.
        """


def largest(rows: Rows) -> Tensor:
    """`GradientSource.largest` of rows in memory."""
    ranges = [torch.stack(torch.aminmax(feature)) for feature in rows.features]
    return torch.cat([torch.stack(ranges).abs().amax(1), rows.labels.new_ones(1)])


def chunks(rows: Rows, several: int = 1) -> Iterator[Rows]:
    """`rows` in chunks of some 2 MiB, or `several` chunks at a time, as views.

    They are small enough that the memory of one chunk's results is used again for the next; asking
    the system for new memory for all rows would take longer than the computation.
    """
    for chunk in numba_kernels.chunk_slices(len(rows.features), len(rows.labels), several):
        yield Rows(rows.features[:, chunk], rows.labels[chunk])


def in_float64(rows: Rows) -> Rows:
    """`rows` with features and labels in float64."""
    return Rows(rows.features.double(), rows.labels.double())


def measure(data: GradientSource, loss: str, theta: Tensor) -> tuple[float, float]:
    """Mean cost and accuracy of `theta` on all rows; a probability of 0.5 counts as positive."""
    cost = right = 0.0
    for rows in data.blocks():
        logit, share = logits(rows.features, theta), len(rows.labels) / data.count
        hits = (logit.sigmoid() >= 0.5) == (rows.labels == 1)
        cost += float(LOSSES[loss].cost(logit, rows.labels)) * share
        right += float(hits.float().mean()) * share
    cost, right = data.group.sum(torch.tensor([cost, right], dtype=torch.float64)).tolist()
    return cost, right


def squared_norms(data: GradientSource) -> tuple[float, float]:
    """Mean and maximum of |x|² over the rows."""
    total, most = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for rows in data.blocks():
        squares = rows.features.double().square().sum(0).cpu()
        total, most = total + squares.sum(), torch.maximum(most, squares.amax())
    return float(data.group.sum(total)) / data.count, float(data.group.maximum(most))
