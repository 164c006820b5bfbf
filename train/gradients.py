"""Cost and closed-form gradient of the model, for each loss.

With z = Xw + b and p = sigmoid(z), the mean cost C over n rows has dC/dw = Xᵀr / n and
dC/db = Σr / n, where the residual r = dC/dz·n is
    binary cross-entropy  C = -mean(y log p + (1 - y) log(1 - p)):  r = p - y
    mean squared error    C = mean((p - y)²):                       r = 2 (p - y) p (1 - p)
(differentiate and use dp/dz = p (1 - p)). That is two products an update and no graph, where
autograd's forward and backward passes also write and read back every intermediate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Loss:
    """What is minimised, as functions of logits and labels (n,)."""

    cost: Callable[[Tensor, Tensor], Tensor]
    """Mean cost; finite wherever the logits are."""
    residual_: Callable[[Tensor, Tensor], Tensor]
    """Turns the logits into the residuals r, in place."""


def _bce_residual(logit: Tensor, label: Tensor) -> Tensor:
    return logit.sigmoid_().sub_(label)


def _mse_cost(logit: Tensor, label: Tensor) -> Tensor:
    return functional.mse_loss(logit.sigmoid(), label)


def _mse_residual(logit: Tensor, label: Tensor) -> Tensor:
    slope = logit.sigmoid_() * (1 - logit)
    return logit.sub_(label).mul_(slope).mul_(2)


LOSSES = {
    "bce": Loss(functional.binary_cross_entropy_with_logits, _bce_residual),
    "mse": Loss(_mse_cost, _mse_residual),
}


def logits(features: Tensor, weight: Tensor, bias: Tensor, out: Tensor | None = None) -> Tensor:
    """Xw + b (n,) for feature-major `features` (d, n), `weight` (1, d) and `bias` (1,)."""
    return torch.addmv(bias.expand(features.shape[1]), features.t(), weight[0], out=out)


def write_gradient(features: Tensor, residual: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Put dC/dw and dC/db into `.grad`, reusing the tensors that are there."""
    if weight.grad is None or bias.grad is None:
        weight.grad, bias.grad = torch.empty_like(weight), torch.empty_like(bias)
    torch.mv(features, residual, out=weight.grad[0])
    torch.sum(residual, 0, keepdim=True, out=bias.grad)
    weight.grad.div_(len(residual))
    bias.grad.div_(len(residual))
