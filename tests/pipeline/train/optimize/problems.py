"""Rows and trainings that the tests of the optimiser share."""

import numpy as np
import torch

from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.model import new_model
from train.optimize.curvature import resolve_learning_rate
from train.optimize.fit import Fit
from train.recipe.keys import Optimizer


def sampled(count: int, width: int, seed: int, *, shared: float = 0.0) -> Rows:
    """Standardised features that share a factor, and labels drawn from a logistic model."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(width, count)) + shared * rng.normal(size=count)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    labels = rng.random(count) < 1 / (1 + np.exp(-(rng.normal(size=width) @ x) / 2 - 0.7))
    return Rows(torch.tensor(x, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32))


def trained(rows: Rows, **settings) -> Fit:
    spec = Optimizer(**settings)
    data = gradient_source(rows, batches=spec.in_batches(len(rows.labels)))
    spec, preconditioner = resolve_learning_rate(data, spec)
    fit = Fit(
        new_model(len(rows.features) + rows.categories.levels, "zeros", 0),
        spec,
        data,
        every=10**9,
        shuffle=torch.Generator().manual_seed(0),
        preconditioner=preconditioner,
    )
    list(fit)
    return fit
