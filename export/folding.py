"""How standardisation gets into the exported weights, and what that costs in float32.

Folding turns w·(x - m)/s + b into (w/s)·x + (b - Σwm/s). Two things change: the folded values are
rounded to float32, and where |m|/s is large, large terms now cancel, so that the logit's own bound
γ(d + 2)·(Σ|wᵢxᵢ| + |b|) grows. Both are computed here over the recorded ranges of the features,
beside the same figures of the graph that subtracts m first. What folding owes is the difference
between the two totals. Rounding hardly counts: while the folded weights are normal numbers it is at
most 1/(d + 2) of the bound, since both grow with the same Σ|wᵢxᵢ|.
"""

import math
from dataclasses import dataclass, replace
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
"""If more than this share of the folded model's error bound comes from folding (a loss of 4 of
float32's 24 bits), the graph that subtracts a centre first is exported instead."""


@dataclass(frozen=True)
class Total:
    """The largest distance that one graph's logit may have from the trained model's.

    The largest over all rows within the ranges of the features that the card records.
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
        """The share of the folded graph's error bound that the other graph would avoid, 0 to 1."""
        if math.isinf(self.folded.total):
            return float(math.isfinite(self.subtract_first.total))
        return max(0.0, 1 - self.subtract_first.total / self.folded.total)

    @property
    def written(self) -> Total:
        """The total of the graph that is written."""
        return self.folded if self.form == FOLDED else self.subtract_first


def choose(trained: Trained, card: ModelCard) -> tuple[Affine, Folding]:
    """The values to export: folded, unless the share that comes from folding exceeds LIMIT."""
    folded, centered = trained.affine(), trained.affine(_center(trained))
    totals = total(trained, folded, card), total(trained, centered, card)
    folding = Folding(FOLDED, *totals)
    if folding.share > LIMIT:
        return centered, Folding(SUBTRACT_FIRST, *totals)
    return folded, folding


def describe(trained: Trained, affine: Affine, card: ModelCard) -> Folding:
    """The figures of both graphs where it is known that the one of `affine` was written."""
    _, folding = choose(trained, card)
    return replace(folding, form=FOLDED if affine.center is None else SUBTRACT_FIRST)


def affine_of(trained: Trained, form: Form) -> Affine:
    """The values that a graph of this form holds."""
    return trained.affine(_center(trained) if form == SUBTRACT_FIRST else None)


def total(trained: Trained, affine: Affine, card: ModelCard) -> Total:
    """The error budget of `affine` against `trained` over the ranges that the card records."""
    return Total(_rounding(trained, affine, card), arithmetic_bound(affine, card))


def arithmetic_bound(affine: Affine, card: ModelCard) -> float:
    """The largest a-priori bound that a row within the card's ranges has on its logit."""
    low, high, center = _ranges(affine, card)
    reach = np.maximum(np.abs(low - center), np.abs(high - center))
    magnitude = np.abs(affine.weight.astype(np.float64)) @ reach + abs(affine.bias)
    centered = affine.center is not None
    return float(logit_bound(magnitude, reach.max(), len(affine.weight), centered))


def _ranges(affine: Affine, card: ModelCard) -> tuple[Float64, Float64, Float64]:
    """The smallest and largest value of each feature, and what is subtracted from it: (d,) each."""
    low, high = np.array(card.feature_min), np.array(card.feature_max)
    center = np.zeros(len(low)) if affine.center is None else affine.center.astype(np.float64)
    return low, high, center


def _rounding(trained: Trained, affine: Affine, card: ModelCard) -> float:
    """Largest |exact logit of `affine` - logit of `trained`| of a row within the card's ranges.

    The difference is itself an affine function, so each feature contributes most at one end of its
    range.
    """
    low, high, center = _ranges(affine, card)
    weight = affine.weight.astype(np.float64) - trained.raw_weight
    ends = np.sort(np.stack([weight * (low - center), weight * (high - center)]), axis=0)
    offset = affine.bias - trained.bias_at(center)
    return float(np.abs(ends.sum(1) + offset).max())


def _center(trained: Trained) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The means as float32, and 0 for a feature of weight 0, whose mean may be anything."""
    mean = np.where(trained.raw_weight == 0, 0, trained.scaling.mean)
    return mean.astype(np.float32)
