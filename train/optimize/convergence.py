"""What is said of a finished training: whether it has come to the minimum, and whether there is
one."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from serve_runtime.shown import MOST_CHARACTERS, listed, printable, quoted
from train.gradients.source import GradientSource
from train.optimize.curvature import MOST_FEATURES
from train.optimize.newton import CONVERGED, Search, find_minimum, newton_step, relative_change
from train.optimize.proximal import find_l1_minimum
from train.optimize.separation import (
    Alone,
    each_alone,
    one_class_levels,
    separates,
    taking_part,
)

_MOST_STEPS = 30
"""Newton steps that are tried to find out how far a training has stayed from its minimum."""
_MOST_NAMES = 3


@dataclass(frozen=True)
class Distance:
    """How far weights are from the minimum of the mean cross-entropy plus penalty.

    Estimated in float64 by one step of Newton's method.
    """

    gradient: float
    """The largest component of the gradient."""
    cost: float
    """How much lower the cost is at the minimum: half of the squared Newton decrement."""
    change: float
    """The largest relative change of a weight on the way to the minimum. For weights below a
    thousandth of the largest one, it is relative to that thousandth."""

    @property
    def converged(self) -> bool:
        """Whether four significant digits of each weight are right."""
        return self.change < CONVERGED


@dataclass(frozen=True)
class Columns:
    """What a person calls the features and the classes."""

    names: Sequence[str]
    """Of the features: the numbers, then the levels of categories, such as "city = Rome"."""
    classes: Sequence[object]
    """The negative label, then the positive one."""
    raw: Callable[[int, float], float]
    """A value in the unit of the table, of the position of a number and a value of the rows."""
    sources: Sequence[str]
    """Of each feature the column of the table that it is made of, which may be dropped."""


def distance(data: GradientSource, theta: Tensor, weight_decay: float) -> Distance:
    """How far `theta` (d + 1,) is from the minimum."""
    found, theta = newton_step(data, theta, weight_decay), theta.double()
    change = relative_change(found.step, theta, data.categories, weight_decay)
    return Distance(
        float(found.gradient.abs().amax()),
        found.decrement / 2,
        change if found.exact else torch.inf,
    )


def verdict(
    data: GradientSource,
    theta: Tensor,
    weight_decay: float,
    updates: int,
    columns: Columns,
    search: Search | None = None,
    remedy: str = "raise --epochs",
    l1: float = 0.0,
) -> str:
    """One sentence on whether a training of the cross-entropy has come to its minimum, and what to
    do where it has not.

    `theta` (d + 1,) are the weights after `updates`; `search` is how the search for the minimum
    ended, if training had one; `remedy` lets a training come nearer; `l1` is the L1 penalty.
    """
    if search is None:
        # For wide models a step of Newton's method may take as long as a training.
        steps = 1 if len(theta) > MOST_FEATURES + 1 else _MOST_STEPS
        if l1:
            search = find_l1_minimum(data, theta, weight_decay, l1, steps)
        else:
            search = find_minimum(data, theta, weight_decay, steps)
    if search.direction is not None:
        return _no_minimum(data, taking_part(data, search.direction), columns)
    theta = theta.double()
    off = relative_change(theta - search.theta, theta, data.categories, weight_decay + l1)
    if search.converged and off < CONVERGED:
        return f"converged: each weight is right to four digits, after {updates:,} updates"
    share = f"{100 * max(off, 0 if search.converged else search.left):.2g}%"
    if search.at_limit:
        return (
            f"warning: after {updates:,} updates rounding lets weights come no nearer, and {share} "
            "of some stay open, as features are all but dependent on others: drop such ones, or "
            "use --l2 auto"
        )
    least = "" if search.converged else "at least "
    return f"warning: after {updates:,} updates some weights are still {least}{share} off: {remedy}"


def separation(data: GradientSource, theta: Tensor, columns: Columns) -> str:
    """The warning that the classes are separable, as far as two passes over the rows can tell: by
    the weights `theta` (d + 1,), or by single features; else empty."""
    if separates(data, theta.double()):
        return _no_minimum(data, taking_part(data, theta), columns)
    return _no_minimum(data, [], columns)


def penalised_levels(
    data: GradientSource, theta: Tensor, weight_decay: float, columns: Columns
) -> str:
    """What the penalty does to levels that occur in rows of one class only, by a pass over the
    rows; empty where there are none, or no penalty. `theta` (d + 1,) are the trained weights."""
    if not weight_decay or not data.categories.shares:
        return ""
    toward = one_class_levels(data).cpu()
    found = toward.nonzero()[:, 0].tolist()
    if not found:
        return ""
    names = [columns.names[feature] for feature in found]
    others = f" (likewise {listed(names[1:], _MOST_NAMES)})" if len(names) > 1 else ""
    weights = data.categories.centred(theta.double())[found].tolist()
    label = quoted(columns.classes[bool(toward[found[0]] > 0)])
    return (
        f"note: all rows with {quoted(names[0])} are {label}{others}: without a penalty there "
        f"would be no best weight; with --l2 {weight_decay:.3g} it is {weights[0]:.3g}, "
        "beside an average of 0 in the column"
    )


def _no_minimum(data: GradientSource, together: Sequence[int], columns: Columns) -> str:
    """Says by which features the classes are separable: by any that are so alone, else by those
    that are so `together`; nothing where there are neither."""
    alone = each_alone(data)
    if alone:
        return _alone(alone, len(columns.names) - data.categories.levels, columns)
    if not together:
        return ""
    named = [columns.names[i] for i in together]
    return (
        f"warning: the classes are separable, by {listed(named, _MOST_NAMES)} together, so no "
        "weights are best: use --l2 auto"
    )


def _alone(alone: Sequence[Alone], numbers: int, columns: Columns) -> str:
    """Says that the classes are separable by any feature that is `alone`; the first `numbers`
    features are no levels."""
    whole = [each for each in alone if each.whole]
    named = [columns.names[each.feature] for each in whole or alone]
    any_of = listed(named, _MOST_NAMES, joint=" or by ")
    if whole:
        said = f"by {any_of} alone"
    elif alone[0].feature < numbers:
        said = _where(alone[0], columns)
    else:
        label = columns.classes[alone[0].positive_above]
        said = f"as all rows with {quoted(named[0])} are {quoted(label)}"
    others = "" if whole or len(named) < 2 else f" (likewise {listed(named[1:], _MOST_NAMES)})"
    sources = list(dict.fromkeys(columns.sources[each.feature] for each in whole or alone))
    remedy, drop = "use --l2 auto", ",".join(sources)
    columns_only = all(each.feature < numbers for each in whole or alone)
    short = len(sources) <= _MOST_NAMES and len(drop) <= MOST_CHARACTERS
    if columns_only and short and drop.count(",") < len(sources) and drop == printable(drop):
        remedy += f", or --drop {shlex.quote(drop)}"
    return f"warning: the classes are separable, {said}{others}, so no weights are best: {remedy}"


def _where(alone: Alone, columns: Columns) -> str:
    """Which values of a feature occur with one class only, in words."""
    name, label = quoted(columns.names[alone.feature]), columns.classes
    bound = f"{columns.raw(alone.feature, alone.above[0]):.6g}"
    said = []
    if alone.above[1] > alone.above[0]:
        said.append(f"above {bound} all rows are {quoted(label[alone.positive_above])}")
    if alone.below[0] < alone.below[1]:
        said.append(f"below {bound} all rows are {quoted(label[not alone.positive_above])}")
    return f"by values of {name}: {' and '.join(said)}"
