"""The probability from which on a row is labelled positive, chosen on scores of rows that the
scoring model has not seen.

Every cut between two scores that differ is looked at; the threshold lies halfway between them, so
that it does not hang on the last digit of either.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from serve_runtime.arrays import Float32, Float64, Floats

Rule: TypeAlias = str | float | Mapping[str, Any]
"""As a recipe has it: "f1", "prior", a number, {precision = …}, {recall = …}, {cost = [[…], […]]}.
"""

F1: Final = "f1"
PRIOR: Final = "prior"


@dataclass(frozen=True)
class Figures:
    """What labels are worth at a threshold; a share of no rows is None."""

    threshold: float
    labelled: float
    """The share of rows that are labelled positive."""
    accuracy: float
    precision: float | None
    recall: float | None
    f1: float | None
    cost: float | None = None
    """The mean cost of a row, where costs are given."""

    def told(self) -> str:
        """The end of a line for a person."""
        shares = {"precision": self.precision, "recall": self.recall, "F1": self.f1}
        said = [f"{name} {'n/a' if v is None else f'{v:.4f}'}" for name, v in shares.items()]
        if self.cost is not None:
            said.append(f"mean cost {self.cost:.4g}")
        return f"{self.labelled:.2%} of rows are labelled positive, {', '.join(said)}"


@dataclass(frozen=True)
class Threshold:
    """A threshold and what was asked of it."""

    figures: Figures
    """On the rows on which it was chosen."""
    missed: str = ""
    """What was asked for and cannot be had, in words; empty where it is met."""


class _Cuts:
    """Counts of rows at each cut: none labelled positive, then one more distinct score each time.

    All are (m + 1,) sums of weights, for m distinct scores.
    """

    def __init__(self, probability: Float32, label: Floats, weight: Float64) -> None:
        scores, place = np.unique(probability, return_inverse=True)
        positive, count = (
            np.bincount(place, values, len(scores))[::-1] for values in (weight * label, weight)
        )
        self.right = np.append(0, np.cumsum(positive))
        """Positive rows that are labelled positive."""
        self.labelled = np.append(0, np.cumsum(count))
        self.positives, self.rows = self.right[-1], self.labelled[-1]
        ends = np.concatenate([[1.0], scores[::-1].astype(np.float64), [0.0]])
        self.thresholds: Float32 = ((ends[:-1] + ends[1:]) / 2).astype(np.float32)
        # Halfway may round to the lower one, which is not to be labelled positive.
        self.thresholds[1:] = np.where(
            self.thresholds[1:] > ends[2:].astype(np.float32), self.thresholds[1:], ends[1:-1]
        )

    @property
    def precision(self) -> Float64:
        """NaN where nothing is labelled positive."""
        with np.errstate(invalid="ignore"):
            result: Float64 = self.right / self.labelled
        return result

    @property
    def recall(self) -> Float64:
        """NaN where no row is positive."""
        with np.errstate(invalid="ignore"):
            result: Float64 = self.right / np.float64(self.positives)
        return result

    @property
    def f1(self) -> Float64:
        """2·precision·recall / (precision + recall), 0 where nothing positive is found."""
        both = np.maximum(self.labelled + self.positives, np.finfo(float).tiny)
        result: Float64 = 2 * self.right / both
        return result

    def cost(self, costs: Float64) -> Float64:
        """The mean cost of a row, of `costs` (2, 2): rows are the classes, columns the labels."""
        wrong = self.labelled - self.right
        missed, rest = self.positives - self.right, self.rows - self.positives - wrong
        total = costs[0, 0] * rest + costs[0, 1] * wrong + costs[1, 0] * missed
        result: Float64 = (total + costs[1, 1] * self.right) / self.rows
        return result


def choose_threshold(
    rule: Rule, probability: Float32, label: Floats, weight: Float64 | None = None
) -> Threshold:
    """The threshold that `rule` asks for, by `probability` (n,) of rows with `label` (n,), 0 or 1,
    of the two classes, and `weight` (n,), None for 1.

    "f1" is the largest F1; a precision, the largest recall that still has it, with as few
    rows as can be labelled positive; a recall, the fewest rows labelled positive; a cost, the
    lowest mean cost; "prior", the share of positive rows. What cannot be met is as nearly met as it
    can be, and said.
    """
    weight = np.ones(len(label)) if weight is None else weight
    cuts = _Cuts(probability, label, weight)
    missed = ""
    if isinstance(rule, str):
        prior = float(np.float32(cuts.positives / cuts.rows))
        found = prior if rule == PRIOR else float(cuts.thresholds[int(cuts.f1.argmax())])
    elif isinstance(rule, Mapping):
        ((name, wanted),) = rule.items()
        cut, missed = _cut(cuts, name, wanted)
        found = float(cuts.thresholds[cut])
    else:
        found = float(rule)
    return Threshold(figures_at(found, probability, label, weight, costs_of(rule)), missed)


def _cut(cuts: _Cuts, name: str, wanted: Any) -> tuple[int, str]:
    """The best cut, and what it misses."""
    if name == "cost":
        costs = cuts.cost(np.array(wanted, np.float64))
        return int(costs.argmin()), ""
    precision = np.nan_to_num(cuts.precision, nan=-1.0)
    if name == "recall":  # the first cut that has it labels fewest rows
        return int((cuts.recall >= wanted).argmax()), ""
    precision = np.nan_to_num(cuts.precision, nan=-1.0)
    enough = precision >= wanted
    if enough.any():  # the first that finds most rows: further ones only add false alarms
        return int(np.where(enough, cuts.recall, -np.inf).argmax()), ""
    best = int(np.flatnonzero(precision == precision.max())[-1])
    return best, (
        f"no threshold has a precision of {wanted:g}: the best that can be had is "
        f"{precision[best]:.4g}"
    )


def costs_of(rule: Rule) -> Float64 | None:
    """The costs (2, 2) of a rule that has them."""
    if isinstance(rule, Mapping) and "cost" in rule:
        return np.array(rule["cost"], np.float64)
    return None


def figures_at(
    threshold: float,
    probability: Float32,
    label: Floats,
    weight: Float64 | None = None,
    costs: Float64 | None = None,
) -> Figures:
    """What labels are worth at `threshold`, on rows as `choose_threshold` takes them."""
    weight = np.ones(len(label)) if weight is None else weight
    labelled = probability >= np.float32(threshold)
    counts = np.bincount(2 * label.astype(np.intp) + labelled, weight, 4)
    return figures_of(counts.astype(np.float64), threshold, costs)


def figures_of(counts: Float64, threshold: float, costs: Float64 | None = None) -> Figures:
    """What labels are worth, from `counts` (4,) of rows: negative ones labelled negative and
    positive, then positive ones."""
    negative, wrong, missed, right = counts.tolist()
    rows = math.fsum(counts.tolist())
    return Figures(
        threshold,
        (wrong + right) / rows,
        (negative + right) / rows,
        _share(right, wrong),
        _share(right, missed),
        _share(2 * right, wrong + missed),
        None if costs is None else math.fsum((costs.reshape(-1) * counts).tolist()) / rows,
    )


def _share(some: float, others: float) -> float | None:
    return some / (some + others) if some + others else None
