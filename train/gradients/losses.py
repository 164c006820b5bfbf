"""Cost and closed-form gradient of the model, for each loss.

With z = Xw + b and p = sigmoid(z), the mean cost C over n rows has dC/dw = Xᵀr / n and
dC/db = Σr / n, where the residual r = dC/dz·n is, times the weight of the row where it has one,
    binary cross-entropy  C = -mean(y log p + (1 - y) log(1 - p)):  r = p - y
    mean squared error    C = mean((p - y)²):                       r = 2 (p - y) p (1 - p)
    linear                C = mean(z²) / 2, whatever y is:          r = z
(differentiate and use dp/dz = p (1 - p)). So an update takes two products,
where autograd's forward and backward passes also write and read back every intermediate result.
The linear cost is not for training: its gradient at v is XᵀXv / n, and the eigenvalues of XᵀX / n
bound the curvature of the other costs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Cost(Protocol):
    """A mean over rows, as a function of logits, labels and, where not all rows count alike, of
    their weights: each (n,). The weights' own mean is taken to be 1."""

    def __call__(self, logit: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean cost."""


@dataclass(frozen=True)
class Loss:
    """What is minimised, as functions of logits and labels (n,)."""

    cost: Cost
    """Finite wherever the logits are."""
    residual_: Callable[[Tensor, Tensor], Tensor]
    """Turns the logits into the residuals r, in place."""
    curvature: float
    """The largest second derivative of a row's cost in its logit."""


def _bce_residual(logit: Tensor, label: Tensor) -> Tensor:
    return logit.sigmoid_().sub_(label)


def _bce_cost(logit: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logit, label, weight)


def _mse_cost(logit: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
    if weight is None:
        return functional.mse_loss(logit.sigmoid(), label)
    return (weight * (logit.sigmoid() - label).square()).mean()


def _linear_cost(logit: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
    squares = logit.square()
    return (squares if weight is None else weight * squares).mean() / 2


def _mse_residual(logit: Tensor, label: Tensor) -> Tensor:
    slope = logit.sigmoid_() * (1 - logit)
    return logit.sub_(label).mul_(slope).mul_(2)


# With q = |p - y|, from 0 to 1, the second derivative of (p - y)² is 2 q²(1 - q)(2 - 3q), which is
# largest where 12q² - 15q + 4 = 0.
_Q = (15 - math.sqrt(33)) / 24

LOSSES = {
    "bce": Loss(_bce_cost, _bce_residual, 1 / 4),
    "mse": Loss(_mse_cost, _mse_residual, 2 * _Q**2 * (1 - _Q) * (2 - 3 * _Q)),
    "linear": Loss(_linear_cost, lambda logit, label: logit, 1),
}


def logits(features: Tensor, theta: Tensor, out: Tensor | None = None) -> Tensor:
    """Xw + b (n,) for features (d, n) and `theta` (d + 1,), the weights and then the bias."""
    bias = theta[-1:].expand(features.shape[1])
    return torch.addmv(bias, features.t(), theta[:-1], out=out)
