"""The model: nn.Sequential(nn.Linear(d, 1), nn.Sigmoid())."""

from typing import Any

import torch
from torch import Tensor, nn

from serve_runtime.bundle.affine import Affine
from train.errors import RecipeError


def new_model(n_features: int, init: str | dict[str, Any], seed: int) -> nn.Sequential:
    """A model of `n_features` features, float32 on the CPU, with the first weights of the recipe.

    `init` is "default" (nn.Linear's own after torch.manual_seed(seed)), "zeros", or {"weight": …,
    "bias": …}. The global random generator is left as it was. Raises RecipeError where given values
    do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(n_features, 1), nn.Sigmoid())
    if init != "default":
        weight, bias = torch.zeros(1, n_features), torch.zeros(1)
        if isinstance(init, dict):
            try:
                weight, bias = (
                    torch.tensor(init[name], dtype=torch.float32) for name in ("weight", "bias")
                )
            except (TypeError, ValueError, RuntimeError) as reason:
                raise RecipeError(f"model.init must hold numbers: {reason}") from None
            if not (weight.isfinite().all() and bias.isfinite().all()):
                raise RecipeError("model.init must hold finite numbers that float32 holds")
        _set_parameters(model, weight, bias)
    return model


def plain_model(affine: Affine) -> nn.Sequential:
    """The model, float32 on the CPU, with the weights and the bias of `affine`, which has no
    centre."""
    assert affine.center is None
    model = new_model(len(affine.weight), "zeros", 0)
    _set_parameters(model, torch.from_numpy(affine.weight[None]), torch.tensor([affine.bias]))
    return model


def parameters(model: nn.Sequential) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight (1, d) and bias (1,) of the model."""
    linear = model[0]
    assert isinstance(linear, nn.Linear)
    return linear.weight, linear.bias  # type: ignore[return-value]


def joined(model: nn.Sequential) -> tuple[Tensor, Tensor]:
    """The model's weights and bias in one tensor (d + 1,), and their gradient in another.

    The model's parameters and their `.grad` become views of the two.
    """
    parts = parameters(model)
    theta = torch.cat([part.detach().flatten() for part in parts])
    gradient = torch.zeros_like(theta)
    for part, start in zip(parts, (0, theta.numel() - 1), strict=True):
        end = start + part.numel()
        part.data = theta[start:end].view_as(part)
        part.grad = gradient[start:end].view_as(part)
    return theta, gradient


def _set_parameters(model: nn.Sequential, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Overwrite the model's values. Raises RecipeError when the shapes do not fit."""
    for name, parameter, value in zip(
        ("weight", "bias"), parameters(model), (weight, bias), strict=True
    ):
        if value.shape != parameter.shape:
            raise RecipeError(
                f"model.init: {name} must have shape {tuple(parameter.shape)} "
                f"for {model[0].in_features} features; got {tuple(value.shape)}"
            )
        with torch.no_grad():
            parameter.copy_(value)
