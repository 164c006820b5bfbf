"""What an unpenalised fit says of its weights: errors, tests and intervals, and its deviance.

Maximum likelihood: the covariance of the weights is the inverse of the Fisher information XᵀDX,
D = p(1 - p) (McCullagh and Nelder 1989, Generalized Linear Models, section 4.4); z, its p-value and
the intervals are Wald's. It is computed on standardised numbers, where it is well conditioned. Of
each category the first level counts as 0 (treatment contrasts, as R has them), and the weights of
the other levels as their differences from it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from serve_runtime.arrays import Float64
from serve_runtime.shown import listed
from train.dataset.layer import Layer
from train.gradients.design import logits
from train.gradients.source import GradientSource, Rows
from train.optimize.fit import Fit
from train.optimize.newton import CONVERGED, newton_step, relative_change
from train.optimize.second_moments import second_moments

INTERCEPT: Final = "(Intercept)"
"""R's name of the bias."""
Z_95: Final = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution: of an interval of 95 %."""
MOST_COLUMNS: Final = 2048
"""Columns of the layer, of which the information matrix takes 34 MB."""
_BY_CLASS: Final = (
    "with weights of classes, one class counts for more rows than were seen, and errors would be "
    "those of another table: train without --class-weight"
)
_DEPENDENT: Final = 1e-12
"""Columns depend on each other where the information matrix, scaled to a diagonal of ones, has an
eigenvalue below this share of the largest: rounding numbers to float32 leaves 1e-14."""


@dataclass(frozen=True)
class Estimate:
    """A weight of an unpenalised fit, in the unit of its column."""

    name: str
    coefficient: float
    standard_error: float
    per_deviation: float | None
    """The coefficient of the standardised number; None of levels and the intercept."""

    @property
    def z(self) -> float:
        """The coefficient in standard errors."""
        return self.coefficient / self.standard_error

    @property
    def p(self) -> float:
        """The probability of a |z| as large, were the weight 0."""
        return math.erfc(abs(self.z) / math.sqrt(2))

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval of 95 %."""
        half = Z_95 * self.standard_error
        return self.coefficient - half, self.coefficient + half

    def to_dict(self) -> dict[str, Any]:
        """All of it, as metrics.json holds it."""
        odds = [_exp(value) for value in (self.coefficient, *self.interval)]
        return {
            **asdict(self), "z": self.z, "p": self.p,
            "odds_ratio": odds[0], "odds_ratio_low": odds[1], "odds_ratio_high": odds[2],
        }  # fmt: skip


@dataclass(frozen=True)
class Estimates:
    """All weights of an unpenalised fit, and how well it fits its training rows."""

    rows: int
    total: float
    """How many rows count: where they have weights, the sum of those, which are frequencies."""
    positives: float
    """How many of these are positive."""
    log_likelihood: float
    coefficients: Sequence[Estimate] = field(default_factory=tuple)

    @property
    def null_deviance(self) -> float:
        """-2 log-likelihood of the model that always answers the share of positives."""
        pair = (self.positives, self.total - self.positives)
        return -2 * math.fsum(n * math.log(n / self.total) for n in pair)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as metrics.json holds it."""
        deviance = -2 * self.log_likelihood
        return {
            "rows": self.rows,
            **({} if self.total == self.rows else {"sum_of_weights": self.total}),
            "log_likelihood": self.log_likelihood,
            "deviance": deviance,
            "null_deviance": self.null_deviance,
            "aic": deviance + 2 * len(self.coefficients),
            "mcfadden_r2": 1 - deviance / self.null_deviance,
            "coefficients": [estimate.to_dict() for estimate in self.coefficients],
        }


def statistics(
    fit: Fit,
    rows: GradientSource,
    layer: Layer,
    total: float | None,
    *,
    by_class: bool,
    calibrated: bool,
) -> dict[str, Any]:
    """What metrics.json says of the weights that `fit` has found with `rows`: that of `Estimates`,
    or under "none" a sentence why there are none. All processes call it.

    `total` is the sum of the weights of rows as the table has them, None where there are none;
    `by_class` says that those of their classes are in the weights of `rows` too, and `calibrated`
    that a step of calibration has changed the weights since.
    """
    if layer.design.bases:
        return {"none": "columns are bent, and have no single weight: train with --bend none"}
    if by_class:
        return {"none": _BY_CLASS}
    if calibrated:
        return {"none": "calibration moves the weights: train with --calibrate none"}
    best = _minimum(fit, rows)
    found = best if isinstance(best, str) else estimates(rows, best, layer, total)
    return {"none": found} if isinstance(found, str) else found.to_dict()


@torch.no_grad()
def _minimum(fit: Fit, rows: GradientSource) -> Tensor | str:
    """The minimum (d + 1,) of the unpenalised cross-entropy, float64, where `fit` has come to it:
    that of its own search, or by one step of Newton's method. Else a sentence why not."""
    spec, search = fit.spec, fit.search
    if spec.loss != "bce":
        return "they are those of the cross-entropy: train with --loss bce"
    if spec.penalty or fit.l1:
        return "the penalty moves the weights: train with --unpenalised"
    if spec.patience:
        return "the rows held out have ended the training: train without --patience"
    if search and search.converged:
        return search.theta
    separable = "no weights are best, as the classes are separable, or some rows are"
    if search and search.direction is not None:
        return separable
    found = newton_step(rows, fit.theta, 0.0)
    if found.right:
        return separable
    change = relative_change(found.step, fit.theta.double(), rows.categories, 0.0)
    near = change < CONVERGED
    if not (near and found.curved and found.exact):
        return "training has not come to the minimum of the cost"
    return fit.theta.double() - found.step


@torch.no_grad()
def estimates(
    rows: GradientSource, best: Tensor, layer: Layer, total: float | None
) -> Estimates | str:
    """The estimates of the unpenalised cross-entropy over `rows`, which has its minimum at `best`
    (d + 1,), float64; or a sentence why there are none. All processes call it.

    A weight is how often a row was seen; `total` is the sum of them, None where rows have none.
    """
    if len(best) > MOST_COLUMNS + 1:
        return f"they are computed for up to {MOST_COLUMNS:,} columns, there are {len(best) - 1:,}"
    sums = torch.zeros(2, dtype=torch.float64)

    def information(some: Rows) -> Tensor:
        logit = logits(some, best)
        loss = functional.binary_cross_entropy_with_logits(
            logit, some.labels, some.weights, reduction="sum"
        )
        sums.add_(torch.stack([loss, some.weighted(some.labels).sum()]).cpu())
        p = logit.sigmoid()
        return some.weighted(p * (1 - p))

    seen = rows.count if total is None else total
    moments = second_moments(rows, information, torch.float64) * seen
    loss, positives = (rows.group.sum(sums) * (seen / rows.count)).tolist()
    design = layer.design
    first = [place.start for place in rows.categories.places(design.dense)]
    kept = np.setdiff1d(np.arange(len(best)), first)
    covariance, dependent = _inverse(moments.cpu().numpy()[np.ix_(kept, kept)])
    if dependent:
        names = [design.names[kept[place]] for place in dependent if place < len(kept) - 1]
        return (
            f"{listed(names, 3)} cannot be told apart from other columns, or never change: leave "
            "some out with --drop"
        )
    found = _in_units(layer, best.cpu().numpy(), kept, first, covariance)
    return Estimates(rows.count, seen, positives, -loss, tuple(found))


def _inverse(matrix: Float64) -> tuple[Float64, list[int]]:
    """The inverse of a positive definite matrix, and the places of what depends on others."""
    size = np.sqrt(np.diag(matrix))
    none = np.flatnonzero(~(size > 0)).tolist()
    if none:
        return matrix, none
    scaled = matrix / np.outer(size, size)
    values, vectors = np.linalg.eigh(scaled)
    flat = values < _DEPENDENT * values[-1]
    if flat.any():
        taking_part = np.abs(vectors[:, flat]).max(1) > 1e-3
        return matrix, np.flatnonzero(taking_part).tolist()
    inverse = (vectors / values) @ vectors.T
    return inverse / np.outer(size, size), []


def _in_units(
    layer: Layer,
    best: Float64,
    kept: npt.NDArray[np.intp],
    first: Sequence[int],
    covariance: Float64,
) -> Iterator[Estimate]:
    """The estimates: the intercept, the numbers and indicators, then the levels but for the `first`
    of each category. `kept` are the places in `best` of those that `covariance` is of."""
    design, scaling = layer.design, layer.scaling
    dense, weight = design.dense, best.copy()
    for place, codes in zip(first, design.trained_codes, strict=True):
        weight[-1] += weight[place]
        weight[place : place + len(codes)] -= weight[place]
    weight = weight[kept]
    # The intercept is the logit where all columns are 0 and all categories have their first level.
    at_zero = np.zeros(len(weight))
    at_zero[:dense] = -scaling.mean / scaling.scale
    at_zero[-1] = 1
    error = math.sqrt(at_zero @ covariance @ at_zero)
    yield Estimate(INTERCEPT, float(at_zero @ weight), error, None)
    errors = np.sqrt(np.diag(covariance))
    scale = np.append(scaling.scale, np.ones(len(weight) - dense))
    for i, name in enumerate(_names(layer)):
        yield Estimate(
            name,
            float(weight[i] / scale[i]),
            float(errors[i] / scale[i]),
            float(weight[i]) if i < dense else None,
        )


def _names(layer: Layer) -> Iterator[str]:
    """Names as R gives them: those of numbers, and of a level its column's name and then its."""
    design = layer.design
    levels = []
    for column, codes in zip(design.categories, design.trained_codes, strict=True):
        texts = [*column.levels, "missing", "rare"]
        levels.append([f"{column.name}{texts[code - 1]}" for code in codes.tolist()[1:]])
    return chain(design.names[: design.dense], *levels)


def _exp(value: float) -> float | None:
    """e to the power of `value`; None where float64 does not hold it, as JSON has no infinity."""
    try:
        return math.exp(value)
    except OverflowError:
        return None
