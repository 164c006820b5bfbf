"""Whether, and by which features, the classes are separable: then the cost has no minimum.

With weights that classify no row wrongly and some rows correctly, the cost falls for ever as these
weights grow (Albert and Anderson 1984, On the existence of maximum likelihood estimates in logistic
regression models). Everything here is found by passes over the rows, however many there are, and
whichever processes share them.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from train.gradients.design import absolute, add_products, in_float64, logits
from train.gradients.source import GradientSource, Rows
from train.optimize.curvature import MOST_FEATURES
from train.optimize.second_moments import second_moments

_TOLERANCE = 1e-6
"""A logit that falls by no more than this share, while those of other rows rise by 1, stays."""
_STILL = 0.1
"""Newton steps that move a logit by less leave it where it is."""
_DEPENDENT = 1e-11
"""Variance below this share of the largest one is what rounding features to float32 leaves."""
_LITTLE = 1e-3
"""Features that move logits by less than this share of what the first feature does, do nothing."""


@dataclass(frozen=True)
class Alone:
    """A feature that separates the classes, in whole or in part, without the others."""

    feature: int
    """Its position."""
    below: tuple[float, float]
    """Its range in the rows of the class that has the lower values."""
    above: tuple[float, float]
    """Its range in the rows of the other class: from `below`'s end, or later."""
    positive_above: bool
    """Whether the positive class is the one with the higher values."""

    @property
    def whole(self) -> bool:
        """Whether it tells every row's class; else only of rows that are not where ranges meet."""
        return self.below[1] < self.above[0]


@torch.no_grad()
def separates(data: GradientSource, direction: Tensor) -> bool:
    """Whether no logit gets worse along `direction` (d + 1,), float64, and some get better."""
    counts = torch.zeros(2, dtype=torch.int64, device=direction.device)
    for rows in map(in_float64, data.blocks()):
        gain = (2 * rows.labels - 1) * logits(rows, direction)
        tolerance = _TOLERANCE * (1 + logits(absolute(rows), direction.abs()))
        counts += torch.stack([(gain < -tolerance).sum(), (gain > 1e3 * tolerance).sum()])
    worse, better = data.group.sum(counts).tolist()
    return not worse and better > 0


@torch.no_grad()
def separating(data: GradientSource, step: Tensor) -> Tensor | None:
    """Weights (d + 1,) along which no logit gets worse and some get better, made of a Newton step.

    Where there are such weights, Newton's method raises the logits of the rows that they separate
    by about 1 each time, and moves those of other rows less and less. `step` (d + 1,), float64, is
    what is added to the weights. None where it shows nothing of the kind.
    """
    if separates(data, step):
        return step
    moved = _gains(data, step)
    if len(step) > MOST_FEATURES + 1 or moved[0] < -_STILL or moved[1] < 2 * _STILL:
        return None

    def still(rows: Rows) -> Tensor:
        return (logits(rows, step).abs() < _STILL).double()

    # What moves the other rows is taken out of the step.
    spread, directions = torch.linalg.eigh(second_moments(data, still, torch.float64))
    free = directions[:, spread < _DEPENDENT * spread[-1]]
    step = data.group.gather((free @ (free.T @ step)).cpu())[0].to(step.device)
    return step if separates(data, step) else None


def _gains(data: GradientSource, direction: Tensor) -> tuple[float, float]:
    """The least and the largest rise of a row's logit toward its class, along `direction`."""
    ends = torch.full((2,), -torch.inf, dtype=torch.float64, device=direction.device)
    for rows in map(in_float64, data.blocks()):
        gain = (2 * rows.labels - 1) * logits(rows, direction)
        ends = torch.maximum(ends, torch.stack([-gain.amin(), gain.amax()]))
    least, most = data.group.maximum(ends).tolist()
    return -least, most


@torch.no_grad()
def each_alone(data: GradientSource) -> list[Alone]:
    """The features that separate the classes by themselves, in whole or in part."""
    numbers = len(data.largest) - 1 - data.categories.levels
    ends = torch.full((4, numbers), -torch.inf, device=data.largest.device)
    for rows in data.blocks():
        positive = rows.labels == 1
        for k, (sign, mask) in enumerate(
            [(-1, ~positive), (1, ~positive), (-1, positive), (1, positive)]
        ):
            masked = torch.where(mask, sign * rows.features, -torch.inf)
            ends[k] = torch.maximum(ends[k], masked.amax(1))
    ends = data.group.maximum(ends).cpu() * torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    if data.categories.shares:
        ends = torch.cat([ends, _ranges_of_levels(data)], 1)
    found = []
    for feature, (low0, high0, low1, high1) in enumerate(ends.T.tolist()):
        zeros, ones = (low0, high0), (low1, high1)
        for below, above in ((zeros, ones), (ones, zeros)):
            # Where all rows of a class have a level, the other levels tell the same.
            implied = feature >= numbers and below[1] > 0
            if below[1] <= above[0] and below[0] < above[1] and not implied:
                found.append(Alone(feature, below, above, above is ones))
    return found


@torch.no_grad()
def one_class_levels(data: GradientSource) -> Tensor:
    """Weights (d + 1,), float64, along which the classes part where a level occurs in rows of one
    class only: 1 for a level of positive rows, -1 for one of negative rows, else 0."""
    numbers = len(data.largest) - 1 - data.categories.levels
    result = torch.zeros_like(data.largest, dtype=torch.float64)
    if data.categories.shares:
        negative, positive = _level_counts(data)[:, numbers:-1] > 0
        result[numbers:-1] = positive.double() - negative.double()
    return result


def _level_counts(data: GradientSource) -> Tensor:
    """How many rows (2, d + 1) have each level, negative and positive ones, and at the end how many
    there are; nothing for the numbers before them."""
    counts = data.largest.new_zeros(2, len(data.largest), dtype=torch.float64)
    for rows in map(in_float64, data.blocks()):
        only = replace(rows, features=torch.zeros_like(rows.features))
        for count, weight in zip(counts, (1 - rows.labels, rows.labels), strict=True):
            add_products(only, weight, count)
    return data.group.sum(counts)


def _ranges_of_levels(data: GradientSource) -> Tensor:
    """The least and the largest value of each level's feature, of the negative and then of the
    positive rows: (4, levels), float32."""
    counts = _level_counts(data).cpu()
    of_levels, of_all = (
        counts[:, len(data.largest) - 1 - data.categories.levels : -1],
        counts[:, -1:],
    )
    return torch.stack([of_levels == of_all, of_levels > 0], 1).flatten(0, 1).float()


def taking_part(data: GradientSource, direction: Tensor) -> list[int]:
    """The positions of the features that `direction` (d + 1,) is made of, most important first."""
    moved = (direction[:-1].abs() * data.largest[:-1]).cpu()
    order = moved.argsort(descending=True, stable=True)
    return [int(i) for i in order if moved[i] > _LITTLE * moved[order[0]]]
