"""What the optimiser needs of the rows to train on: gradients over them, and the rows in chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor

from serve_runtime.arrays import Float32
from train.gradients import numba_kernels
from train.gradients.processes import ProcessGroup


@dataclass(frozen=True, eq=False)
class Categories:
    """The category columns among the features: each level of each is a feature that is 0 or 1.

    `theta` holds the weights of the numbers, then those of each category's levels in the order of
    their codes, then the bias.
    """

    shares: tuple[Tensor, ...] = ()
    """Of each category (size,), float64 on the CPU: the share of the rows to train on that has each
    level. They add up to 1."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of levels of each category."""
        return tuple(map(len, self.shares))

    @property
    def levels(self) -> int:
        """The number of levels of all categories: that of their weights in `theta`."""
        return sum(self.sizes)

    def places(self, numbers: int) -> list[slice]:
        """Where in `theta` the weights of each category are, behind those of `numbers` numbers."""
        ends = list(accumulate(self.sizes, initial=numbers))
        return [slice(*ends[i : i + 2]) for i in range(len(self.shares))]

    def centred(self, theta: Tensor) -> Tensor:
        """`theta` (d + 1,) with the weights of each category around their mean over the rows to
        train on, and those means in the bias: the same logits, as they are served."""
        if not self.shares:
            return theta
        result = theta.clone()
        for share, place in zip(
            self.shares, self.places(len(theta) - 1 - self.levels), strict=True
        ):
            mean = torch.dot(share.to(result), result[place])
            result[place] -= mean
            result[-1] += mean
        return result


NO_CATEGORIES = Categories()


@dataclass(frozen=True)
class Rows:
    """Some rows, column by column, on the model's device."""

    features: Tensor
    """(k, n) float32: the numbers, each feature's values together."""
    labels: Tensor
    """(n,): 1 for the positive class, 0 for the negative one."""
    codes: Sequence[Tensor] = ()
    """Of each category (n,) uint8, int16 or int32, contiguous: which of its levels a row has, from
    0. Its size, in rows held out only, is the code of an unknown level, which counts as the mean of
    the category's weights over the rows to train on."""
    categories: Categories = NO_CATEGORIES
    weights: Tensor | None = None
    """(n,) how much each row counts, in the dtype of the labels: above 0, and 1 on average over the
    rows to train on, so that sums divided by the number of rows are weighted means. None where all
    count alike."""

    def at(self, place: slice | Tensor) -> "Rows":
        """The rows at `place`: views for a slice, copies for indices."""
        return replace(
            self,
            features=self.features[:, place],
            labels=self.labels[place],
            codes=tuple(codes[place] for codes in self.codes),
            weights=None if self.weights is None else self.weights[place],
        )

    def in_type(self, dtype: torch.dtype) -> "Rows":
        """The rows with features, labels and weights in `dtype`."""
        return replace(
            self,
            features=self.features.to(dtype),
            labels=self.labels.to(dtype),
            weights=None if self.weights is None else self.weights.to(dtype),
        )

    def weighted(self, values: Tensor) -> Tensor:
        """`values` (n,) times the weights of the rows; as they are where all count alike."""
        return values if self.weights is None else values * self.weights


class GradientSource(Protocol):
    """Rows over which gradients of the mean cost are computed, wherever the rows are kept.

    The features are k numbers, and then the levels of the categories: d in all. In all methods
    `theta` (d + 1,) holds the weights and then the bias.
    """

    count: int
    """The number of rows, of all processes of `group`."""
    largest: Tensor
    """(d + 1,) the largest magnitude of each feature, and 1 for the column of ones."""
    categories: Categories
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


def are_known(rows: Rows) -> bool:
    """Whether all codes are those of levels: compiled code, which checks none, takes no others."""
    pairs = zip(rows.codes, rows.categories.sizes, strict=True)
    return all(codes.amin() >= 0 and codes.amax() < size for codes, size in pairs if len(codes))


def largest(rows: Rows) -> Tensor:
    """`GradientSource.largest` of rows in memory."""
    ranges = [torch.stack(torch.aminmax(feature)) for feature in rows.features]
    ones = rows.labels.new_ones(rows.categories.levels + 1)
    return torch.cat([torch.stack(ranges).abs().amax(1), ones]) if ranges else ones


def chunks(rows: Rows, several: int = 1) -> Iterator[Rows]:
    """`rows` in chunks of some 2 MiB, or `several` chunks at a time, as views.

    They are small enough that the memory of one chunk's results is used again for the next; asking
    the system for new memory for all rows would take longer than the computation.
    """
    for chunk in numba_kernels.chunk_slices(len(rows.features), len(rows.labels), several):
        yield rows.at(chunk)


def weights_of(rows: Rows) -> Float32:
    """The weights (n,) of `rows`, on the CPU, or numba_kernels.NO_WEIGHTS."""
    return numba_kernels.NO_WEIGHTS if rows.weights is None else rows.weights.numpy()
