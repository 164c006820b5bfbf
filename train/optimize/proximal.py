"""The minimum with an L1 penalty: proximal Newton steps, each found by coordinate descent.

A step minimises the cost's quadratic model plus the penalty (Lee, Sun and Saunders 2014, Proximal
Newton-type methods for minimizing composite functions). The model needs one pass over the rows, and
coordinate descent works on its matrix alone (Friedman, Hastie and Tibshirani 2010, Regularization
paths for generalized linear models via coordinate descent, section 2.2).
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from serve_runtime.arrays import Float64
from train.gradients.numba_kernels import compiled
from train.gradients.source import GradientSource
from train.optimize.curvature import penalty_curvature
from train.optimize.newton import CONVERGED, Residuals, Search, costs, relative_change
from train.optimize.second_moments import second_moments

MOST_COLUMNS = 2048
"""Columns whose matrix of second derivatives, of 34 MB, is worth its time."""
_LENGTHS = tuple(0.5**k for k in range(24))
"""Of a step, those that are tried."""
_MOST_SWEEPS = 10_000
_STILL = 1e-9
"""Coordinate descent ends where no move in a sweep, in the metric of the curvature, is more than
this share of the largest one so far."""


@torch.no_grad()
def find_l1_minimum(
    data: GradientSource,
    theta: Tensor,
    weight_decay: float,
    l1: float,
    most_steps: int,
    each: Callable[[], object] = lambda: None,
) -> Search:
    """Go from `theta` (d + 1,), which stays as it is, to the minimum of the mean cross-entropy plus
    L2 penalty plus `l1` times the sum of the weights' magnitudes.

    At most `most_steps` steps are taken, and `each` is called after each.
    """
    theta = theta.double()
    penalties, weights = penalty_curvature(theta, weight_decay), penalty_curvature(theta, l1)
    left = math.inf
    for steps in range(most_steps):
        residuals = Residuals(data, theta)
        hessian = second_moments(data, residuals, torch.float64) + torch.diag(penalties)
        gradient = residuals.gradient() + penalties * theta
        target = lowest(hessian, gradient, theta, weights)
        # Unlike machines may round it differently, so all processes take that of the first.
        step = theta - data.group.gather(target.cpu())[0].to(theta.device)
        left = relative_change(step, theta, data.categories, weight_decay + l1)
        if left < CONVERGED:
            return Search(theta - step, steps, left)
        found = costs(data, theta, step, weight_decay, (0.0, *_LENGTHS), l1)
        length = next(
            (s for s, cost in zip(_LENGTHS, found[1:], strict=True) if cost < found[0]), 0
        )
        if not length:
            return Search(theta, steps, left, at_limit=True)
        theta = theta - length * step
        each()
    return Search(theta, most_steps, left)


def lowest(hessian: Tensor, gradient: Tensor, theta: Tensor, l1: Tensor) -> Tensor:
    """The weights (d + 1,) at which the quadratic model around `theta` plus the sum of `l1` times
    the magnitudes of the weights is lowest; all are float64."""
    result = theta.cpu().numpy().copy()
    _descend(hessian.cpu().numpy(), gradient.cpu().numpy().copy(), result, l1.cpu().numpy())
    return torch.from_numpy(result).to(theta.device)


@compiled
def _descend(hessian: Float64, slope: Float64, theta: Float64, l1: Float64) -> None:
    """Lower the model coordinate by coordinate: those that move until they stay, then all. `slope`
    is kept to be the gradient at `theta`."""
    active, whole, largest = np.zeros(len(theta), np.bool_), True, 0.0
    for _ in range(_MOST_SWEEPS):
        most = 0.0
        for j in range(len(theta)):
            curvature = hessian[j, j]
            if not (whole or active[j]) or curvature <= 0:
                continue
            aim = theta[j] - slope[j] / curvature
            shrunk = max(0.0, abs(aim) - l1[j] / curvature)
            new = math.copysign(shrunk, aim) if shrunk > 0 else 0.0
            move = new - theta[j]
            active[j] = new != 0
            if move == 0:
                continue
            theta[j] = new
            for i in range(len(theta)):
                slope[i] += move * hessian[j, i]
            most = max(most, abs(move) * math.sqrt(curvature))
        largest = max(largest, most)
        still = most <= _STILL * largest
        if still and whole:
            break
        whole = still
