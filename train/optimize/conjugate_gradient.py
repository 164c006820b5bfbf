"""Newton's step of wide models, without a matrix of second derivatives."""

from collections.abc import Callable

import torch
from torch import Tensor

_MOST_ITERATIONS = 500
_DELAY = 10
_SHARE = 1e-3
"""The step is taken to be found where so many iterations change it, and what it saves, by no more
than this share."""


Linear = Callable[[Tensor], Tensor]
"""Multiplies a vector (d + 1,) by a symmetric matrix."""


def inverse_of(diagonal: Tensor) -> Linear:
    """The product with the inverse of a diagonal matrix, of what is above 0 in it."""
    inverse = torch.where(diagonal > 0, 1 / diagonal, 0)
    return lambda vector: inverse * vector


def solve(product: Linear, precondition: Linear, gradient: Tensor) -> tuple[Tensor, bool]:
    """The step (d + 1,) whose `product` with the Hessian is `gradient`, in float64.

    By conjugate gradients (Hestenes and Stiefel 1952); `precondition` multiplies by about the
    inverse of the Hessian. Until it is found, the step only grows. Returned with whether it was
    found: whether the last iterations have changed little.
    """
    step, residual = torch.zeros_like(gradient), gradient.clone()
    direction = precondition(residual)
    slope = torch.dot(residual, direction)
    past, saved = [step.clone()], [0.0]
    for _ in range(_MOST_ITERATIONS):
        if not float(slope) > 0:
            return step, True
        image = product(direction)
        curvature = torch.dot(direction, image)
        if not float(curvature) > 0:
            return step, True
        length = slope / curvature
        step = step + length * direction
        residual = residual - length * image
        saved.append(saved[-1] + float(length * slope))
        past.append(step)
        if len(past) > _DELAY:
            moved = float((step - past.pop(0)).abs().amax())
            gained = saved[-1] - saved[-1 - _DELAY]
            if moved <= _SHARE * float(step.abs().amax()) and gained <= _SHARE * saved[-1]:
                return step, True
        preconditioned = precondition(residual)
        before, slope = slope, torch.dot(residual, preconditioned)
        direction = preconditioned + slope / before * direction
    return step, False
