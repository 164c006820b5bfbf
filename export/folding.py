"""How standardisation gets into the exported weights, and what that costs in float32.

Folding turns w·(x - m)/s + b into (w/s)·x + (b - Σwm/s). Two things change: the folded values are
rounded to float32, and where |m|/s is large, large terms now cancel, so that the logit's own bound
γ(d + 2)·(Σ|wᵢxᵢ| + |b|) grows. Both are computed here over the recorded ranges of the features,
beside the same figures of the graph that subtracts m first. What folding owes is the difference:
rounding alone is at most 1/(d + 2) of the bound while the folded weights are normal numbers, since
both grow alike.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from serve_runtime.arrays import Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import logit_bound
from train.trained import Trained

Form = Literal["folded", "subtract-first"]
FOLDED: Final[Form] = "folded"
SUBTRACT_FIRST: Final[Form] = "subtract-first"

LIMIT: Final = 15 / 16
"""Largest share of the total error budget that folding may owe: 4 of float32's 24 bits."""


@dataclass(frozen=True)
class Total:
    """The largest distance that one graph's logit may have from the trained model's.

    Over all rows within the recorded ranges of the features.
    """

    rounding: float
    """Most that rounding weights, bias and centre to float32 moves a logit."""
    arithmetic: float
    """The largest a-priori bound of float32 arithmetic."""

    @property
    def total(self) -> float:
        """Both together."""
        return self.rounding + self.arithmetic


@dataclass(frozen=True)
class Folding:
    """Which graph is written, and why."""

    form: Form
    folded: Total
    subtract_first: Total

    @property
    def share(self) -> float:
        """What folding owes of its total: 1 - subtract_first / folded, at least 0."""
        if math.isinf(self.folded.total):
            return float(math.isfinite(self.subtract_first.total))
        return max(0.0, 1 - self.subtract_first.total / self.folded.total)

    @property
    def written(self) -> Total:
        """The total of the graph that is written."""
        return self.folded if self.form == FOLDED else self.subtract_first


def choose(trained: Trained, card: ModelCard) -> tuple[Affine, Folding]:
    """The values to export: folded, unless folding owes more than LIMIT of its total."""
    folded, centered = trained.affine(), trained.affine(_center(trained))
    totals = total(trained, folded, card), total(trained, centered, card)
    folding = Folding(FOLDED, *totals)
    if folding.share > LIMIT:
        return centered, Folding(SUBTRACT_FIRST, *totals)
    return folded, folding


def affine_of(trained: Trained, form: Form) -> Affine:
    """The values that a graph of this form holds."""
    return trained.affine(_center(trained) if form == SUBTRACT_FIRST else None)


def total(trained: Trained, affine: Affine, card: ModelCard) -> Total:
    """The error budget of `affine` against `trained` over the ranges that the card records."""
    low, high = np.array(card.feature_min), np.array(card.feature_max)
    center = np.zeros(len(low)) if affine.center is None else affine.center.astype(np.float64)
    weight = affine.weight.astype(np.float64)
    reach = np.maximum(np.abs(low - center), np.abs(high - center))
    magnitude = np.abs(weight) @ reach + abs(affine.bias)
    arithmetic = logit_bound(magnitude, reach.max(), len(weight), affine.center is not None)
    return Total(_rounding(trained, affine, low, high, center), float(arithmetic))


def _rounding(
    trained: Trained, affine: Affine, low: Float64, high: Float64, center: Float64
) -> float:
    """Largest |exact logit of `affine` - logit of `trained`| over the box of the ranges.

    The difference is itself affine, so each feature contributes most at one end of its range.
    """
    weight = affine.weight.astype(np.float64) - trained.raw_weight
    ends = np.sort(np.stack([weight * (low - center), weight * (high - center)]), axis=0)
    offset = affine.bias - trained.bias_at(center)
    return float(np.abs(ends.sum(1) + offset).max())


def _center(trained: Trained) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The means as float32, 0 where the weight is: there the mean may be anything."""
    mean = np.where(trained.raw_weight == 0, 0, trained.scaling.mean)
    return mean.astype(np.float32)
