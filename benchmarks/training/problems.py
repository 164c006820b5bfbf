"""Data to train on, ways to train on it, and the plain torch loop to compare with."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from serve_runtime.arrays import Float32
from train.gradients.cpu import gradient_source
from train.gradients.source import GradientSource, Rows
from train.model import new_model
from train.optimize.block_inverse import BlockInverse
from train.optimize.fit import Fit
from train.recipe.keys import Optimizer

THREADS = 2


@dataclass(frozen=True)
class Problem:
    """Standardised features (n, d), row-major, and labels (n,) of 0 and 1."""

    features: Float32
    labels: Float32

    def rows(self) -> Rows:
        """As train holds them: feature-major."""
        by_feature = np.ascontiguousarray(self.features.T)
        return Rows(torch.from_numpy(by_feature), torch.from_numpy(self.labels))


def problem(count: int, width: int, *, factors: int = 0) -> Problem:
    """Random rows (count, width) whose labels are drawn from a logistic model.

    With `factors`, the features are strongly correlated: so many random factors, which all
    features share, make up nine tenths of each.
    """
    rng = np.random.default_rng(width)
    x = rng.standard_normal((count, width), np.float32)
    if factors:
        shared = rng.standard_normal((count, factors), np.float32)
        x = 0.3 * x + shared @ rng.standard_normal((factors, width), np.float32)
    x -= x.mean(0)
    x /= x.std(0)
    weight = rng.standard_normal(width, np.float32) / np.float32(np.sqrt(width))
    labels = rng.random(count) < 1 / (1 + np.exp(-(x @ weight)))
    return Problem(x, labels.astype(np.float32))


def train(
    data: GradientSource,
    spec: Optimizer,
    preconditioner: torch.Tensor | BlockInverse | None = None,
) -> torch.Tensor:
    """Train from zeros; weights and bias (d + 1,)."""
    model = new_model(len(data.largest) - 1, "zeros", 0).to(data.largest.device)
    shuffle = torch.Generator().manual_seed(0)
    fit = Fit(model, spec, data, every=10**9, shuffle=shuffle, preconditioner=preconditioner)
    for _ in fit:
        pass
    return fit.theta


def resident(rows: Rows, spec: Optimizer) -> GradientSource:
    """The rows as train prepares them for `spec`."""
    return gradient_source(rows, batches=spec.in_batches(len(rows.labels)))


def autograd(features: torch.Tensor, labels: torch.Tensor, epochs: int, batch: int = 0) -> None:
    """The plain loop: model, loss.backward(), torch.optim.SGD, on the device of the features.

    `features` (n, d), `labels` (n, 1); `batch` rows an update, shuffled, or 0 for all rows.
    """
    model = nn.Sequential(nn.Linear(features.shape[1], 1), nn.Sigmoid()).to(features.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    parts: list[torch.Tensor | slice] = [slice(None)]
    for _ in range(epochs):
        if batch:
            parts = list(torch.split(torch.randperm(len(features)), batch))
        for part in parts:
            loss = functional.binary_cross_entropy(model(features[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
