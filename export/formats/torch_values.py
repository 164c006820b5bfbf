"""The exported values as torch tensors, and torch modules as scorers."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from export.formats.artifact import Score, Scores
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine


def tensors(affine: Affine) -> dict[str, torch.Tensor]:
    """Copies of the values: weight (1, d), bias (1,) and, if there is one, center (d,); float32."""
    values = {"weight": torch.tensor(affine.weight[None]), "bias": torch.tensor([affine.bias])}
    if affine.center is not None:
        values["center"] = torch.tensor(affine.center)
    return values


def affine_of(values: Mapping[str, torch.Tensor]) -> Affine:
    """The model whose `tensors` these are. Raises KeyError or IndexError for other tensors."""
    center = values["center"].detach().numpy() if "center" in values else None
    return Affine(values["weight"].detach().numpy()[0], float(values["bias"][0]), center)


def torch_score(
    module: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    dtype: torch.dtype = torch.float32,
) -> Score:
    """Score with a torch module.

    It takes features (n, d) of type `dtype` and gives logit and probability, both (n, 1).
    """

    @torch.no_grad()
    def score(rows: Float32) -> Scores:
        writable = np.require(rows, requirements="W")  # torch warns about read-only arrays
        logit, probability = module(torch.from_numpy(writable).to(dtype))
        return logit.numpy().reshape(-1), probability.numpy().reshape(-1)

    return score
