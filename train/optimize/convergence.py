"""How far a finished training is from the minimum of its cost, and whether there is one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from train.gradients.losses import logits
from train.gradients.source import GradientSource, Rows
from train.optimize.curvature import MOST_FEATURES, penalty_curvature, second_moments
from train.optimize.separation import separable, separates

_FLAT = 1e-13
"""Curvature below this share of the largest one is rounding noise of float64."""
_CONVERGED = 5e-5
"""The largest relative change of a weight that leaves four significant digits."""
_SMALL = 1e-3
"""Changes are measured as a share of the weight, but of no less than this share of the largest, so
that weights near 0 do not have to converge to four digits of their own."""


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
        return self.change < _CONVERGED


@torch.no_grad()
def distance(data: GradientSource, theta: Tensor, weight_decay: float) -> Distance | None:
    """How far `theta` (d + 1,) is from the minimum; None for very wide models.

    Directions without curvature do not count: along them, such as that of a feature that repeats
    others, the cost is the same.
    """
    if len(theta) > MOST_FEATURES + 1:
        return None
    theta = theta.double()
    penalties = penalty_curvature(theta, weight_decay)
    sums = torch.zeros_like(theta)

    def weigh(rows: Rows) -> Tensor:
        p = logits(rows.features, theta).sigmoid()
        residual = p - rows.labels
        sums[:-1] += rows.features @ residual
        sums[-1] += residual.sum()
        return p * (1 - p)

    # In float64: along directions that look flat in float32 weights may still have far to go.
    hessian = second_moments(data, weigh, torch.float64) + torch.diag(penalties)
    gradient = data.group.sum(sums) / data.count + penalties * theta
    curvature, directions = torch.linalg.eigh(hessian)
    inverse = torch.where(curvature > _FLAT * curvature[-1], 1 / curvature, 0)
    step = directions @ (inverse * (directions.T @ gradient))
    smallest = max(_SMALL * float(theta.abs().amax()), torch.finfo(torch.float64).tiny)
    return Distance(
        float(gradient.abs().amax()),
        float(torch.dot(gradient, step)) / 2,
        float((step.abs() / theta.abs().clamp_min(smallest)).amax()),
    )


def verdict(
    data: GradientSource,
    theta: Tensor,
    weight_decay: float,
    updates: int,
    found: Distance | None = None,
) -> str:
    """One sentence on whether a training of the cross-entropy has come to its minimum, and what to
    do where it has not; empty for very wide models, of which that is not known.

    `theta` (d + 1,) are the weights after `updates`; `found` is their distance, if it is known.
    """
    if not weight_decay and separates(data, theta):
        return _SEPARABLE
    found = found or distance(data, theta, weight_decay)
    if found is None:
        return ""
    if found.converged:
        return f"converged: each weight is right to four digits, after {updates:,} updates"
    if not weight_decay and separable(data):
        return _SEPARABLE
    off = f"{100 * found.change:.2g}%"
    return f"warning: after {updates:,} updates some weights are still {off} off: raise --epochs"


_SEPARABLE = "warning: the classes are separable, so no weights are best: use --weight-decay"
"""With classes that can be told apart without error, the cost has no minimum: it falls for ever as
the weights that tell them apart are scaled up."""
