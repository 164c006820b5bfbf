"""Newton's step of wide models, without a matrix of second derivatives."""

from collections.abc import Callable

import torch
from torch import Tensor

from train.gradients.design import add_products, in_float64, several_logits
from train.gradients.source import GradientSource

_MOST_ITERATIONS = 500
_DELAY = 10
_SHARE = 1e-3
"""The step is taken to be found where so many iterations change it, and what it saves, by no more
than this share."""


def solve(
    product: Callable[[Tensor], Tensor], diagonal: Tensor, gradient: Tensor
) -> tuple[Tensor, bool]:
    """The step (d + 1,) whose `product` with the Hessian is `gradient`, in float64.

    By conjugate gradients (Hestenes and Stiefel 1952), preconditioned by the Hessian's `diagonal`.
    Until it is found, the step only grows. Returned with whether it was found: whether the last
    iterations have changed little.
    """
    step, residual = torch.zeros_like(gradient), gradient.clone()
    inverse = torch.where(diagonal > 0, 1 / diagonal, 0)
    direction = inverse * residual
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
        before, slope = slope, torch.dot(residual, inverse * residual)
        direction = inverse * residual + slope / before * direction
    return step, False


def hessian_product(
    data: GradientSource, theta: Tensor, penalties: Tensor, vector: Tensor
) -> Tensor:
    """The product (d + 1,) of `vector` with the Hessian of the mean cross-entropy at `theta`, which
    has `penalties` added to its diagonal, by a pass over the rows."""
    both = torch.stack([theta, vector], 1)
    result = torch.zeros_like(vector)
    for rows in map(in_float64, data.blocks()):
        at, by = several_logits(rows, both).T
        p = at.sigmoid()
        add_products(rows, p * (1 - p) * by, result)
    return data.group.sum(result) / data.count + penalties * vector
