"""What scores of rows that were left out of a fit are worth."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serve_runtime.arrays import Float32, Float64
from serve_runtime.evaluation.auc import auc
from train.evaluate.metrics import weighted_auc
from train.evaluate.prior_correction import prior_shift
from train.recipe.recipe import Recipe
from train.selection.choice import FoldFigures
from train.selection.sample import Sample
from train.tables.columns.profile import Mask
from train.tables.weights import ByClass, class_factors, positive_share, weights_by_class


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Judge:
    """The labels of the rows of a sample, and how much each counts."""

    labels: Float32
    """(n,) 0 or 1."""
    in_fits: Float32 | None = None
    """(n,) the weights of rows in the cost of a fit; None where all are 1."""
    weights: Float32 | None = None
    """(n,) those by which scores are judged; None where all are 1."""
    shift: float = 0.0
    """What is taken from the logits of a fit, as from the intercept that is served."""

    @classmethod
    def of(cls, recipe: Recipe, sample: Sample, by_class: ByClass | None) -> "Judge":
        """Weights of the classes, `by_class`, are in the cost of each fit; scores are corrected for
        them, and judged by the rows' own weights, unless the recipe leaves them as they are
        trained."""
        factors = class_factors(by_class, sample.share)
        weights = weights_by_class(sample.weights, sample.labels, factors)
        if by_class and recipe.model.prior_correction is not False:
            return cls(sample.labels, weights, sample.weights, prior_shift(by_class))
        return cls(sample.labels, weights, weights)

    @cached_property
    def information(self) -> float:
        """What rows tell of the weight of a column of deviation 1, at most: the second derivative
        of the cost of a fit, a sum, where only the shares of the classes are known."""
        own = np.ones(len(self.labels)) if self.in_fits is None else self.in_fits
        share = positive_share(self.labels, self.in_fits)
        return float(own.sum(dtype=np.float64) * share * (1 - share))

    def losses(self, logits: Float64) -> Float64:
        """The log loss (n,) of each row, of logits (n,) that are corrected."""
        return np.logaddexp(0, logits) - self.labels * logits

    def log_loss(self, logits: Float64) -> float:
        """The mean log loss."""
        return self.mean(self.losses(logits))

    def mean(self, values: Float64) -> float:
        """Of `values` (n,), each counting by its row's weight."""
        if self.weights is None:
            return float(values.mean())
        return float(np.average(values, weights=self.weights.astype(np.float64)))

    def standard_error(self, values: Float64) -> float:
        """Of the mean of `values` (n,)."""
        if self.weights is None:
            return float(values.std() / np.sqrt(len(values)))
        wide = self.weights.astype(np.float64)
        apart = wide * (values - self.mean(values))
        return float(np.sqrt(np.square(apart).sum()) / wide.sum())

    def figures(self, logits: Float64, held: Mask) -> FoldFigures:
        """What the `logits` (n,) of the rows that were `held` out are worth."""
        weights = None if self.weights is None else self.weights[held]
        part, logits = Judge(self.labels[held], None, weights), logits[held]
        if weights is None:
            return FoldFigures(auc(logits, part.labels), part.log_loss(logits))
        return FoldFigures(weighted_auc(logits, part.labels, weights), part.log_loss(logits))
