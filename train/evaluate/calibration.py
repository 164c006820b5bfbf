"""Whether probabilities are what they say, and the affine step on the logit that mends it.

A model of logits z is calibrated where the labels follow sigmoid(z). What is fitted to see it is
sigmoid(slope·z + intercept) (Cox 1958, Two further applications of a model for binary regression;
as a repair Platt 1999, Probabilistic outputs for support vector machines): slope 1 and intercept 0
are right, a slope below 1 is a model that is too sure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float64, Floats
from serve_runtime.error_budgets import sigmoid
from serve_runtime.evaluation.metrics import log_losses

BINS: Final = 10
"""Of as many rows each, ordered by score: those of the expected calibration error."""
_STEPS, _FLAT = 50, 1e-10
_FARTHEST: Final = 1e3
"""A slope as large as this is none: the classes are separable by the score."""


@dataclass(frozen=True)
class PlattStep:
    """slope·z + intercept, of a logit z."""

    slope: float
    intercept: float

    def of(self, logit: Floats) -> Float64:
        """The logits (n,) behind the step."""
        result: Float64 = self.slope * logit.astype(np.float64) + self.intercept
        return result


@dataclass(frozen=True)
class Calibration:
    """How well probabilities agree with labels."""

    brier: float
    """The mean of (probability - label)²."""
    expected_calibration_error: float
    """The mean, over ten bins of rows with neighbouring scores, of the distance between the mean
    probability and the share of positive rows."""
    slope: float | None
    """None where there is no best one: one class, or classes that the score separates."""
    intercept: float | None


def calibration(logit: Floats, label: Floats, weight: Float64 | None = None) -> Calibration:
    """How well sigmoid(`logit`) (n,) agrees with `label` (n,), 0 or 1, of rows with `weight`."""
    weight = np.ones(len(label)) if weight is None else weight
    probability = sigmoid(logit)
    order = np.argsort(logit, kind="stable")
    place = np.empty(len(logit), np.intp)
    middle = np.cumsum(weight[order]) - weight[order] / 2
    place[order] = (middle / weight.sum() * BINS).clip(0, BINS - 1).astype(int)
    apart = np.bincount(place, weight * (probability - label), BINS)
    found = fit_step(logit, label, weight)
    return Calibration(
        float(np.average((probability - label) ** 2, weights=weight)),
        float(np.abs(apart).sum() / weight.sum()),
        found.slope if found else None,
        found.intercept if found else None,
    )


def fit_step(logit: Floats, label: Floats, weight: Float64 | None = None) -> PlattStep | None:
    """The step with the lowest log loss, by Newton's method; None where there is none."""
    weight = np.ones(len(label)) if weight is None else weight
    wide, label = logit.astype(np.float64), label.astype(np.float64)
    positive = weight * label
    if not 0 < positive.sum() < weight.sum() or wide.min() == wide.max():
        return None
    columns: Float64 = np.stack([wide, np.ones_like(wide)])
    theta: Float64 = np.array([1.0, 0.0])

    def cost_of(theta: Float64) -> float:
        return float(weight @ log_losses(theta @ columns, label))

    cost = cost_of(theta)
    for _ in range(_STEPS):
        p = sigmoid(theta @ columns)
        gradient = columns @ (weight * (p - label))
        hessian = (columns * (weight * p * (1 - p))) @ columns.T
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return None
        length = 1.0
        while length > _FLAT and not ((lower := cost_of(theta - length * step)) <= cost):
            length /= 2
        if length <= _FLAT:
            break
        theta, saved, cost = theta - length * step, cost - lower, lower
        if not np.abs(theta).max() < _FARTHEST:
            return None
        if saved <= _FLAT * cost:
            break
    return PlattStep(*theta.tolist())


def helpful_step(
    logit: Floats,
    label: Floats,
    fold: npt.NDArray[np.intp],
    weight: Float64 | None = None,
) -> tuple[PlattStep | None, float]:
    """The step for logits (n,) of rows that the scoring model has not seen, where it helps, and by
    how much it lowers the log loss of rows that it was not fitted on.

    For each `fold` (n,) it is fitted on the others. It helps where the log loss falls by more than
    its standard error, and the slope is above 0, so that the order of rows stays.
    """
    weight = np.ones(len(label)) if weight is None else weight
    saved = np.zeros(len(label))
    for held in np.unique(fold):
        out = fold == held
        found = fit_step(logit[~out], label[~out], weight[~out])
        if found is None:
            return None, 0.0
        saved[out] = log_losses(logit[out], label[out])
        saved[out] -= log_losses(found.of(logit[out]), label[out])
    share = weight / weight.sum()
    gain = float(share @ saved)
    error = float(np.sqrt(np.square(share) @ np.square(saved - gain)))
    whole = fit_step(logit, label, weight)
    if whole is None or whole.slope <= 0 or not gain > error:
        return None, gain
    return whole, gain
