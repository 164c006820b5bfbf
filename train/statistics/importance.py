"""How much each column contributes to the logits of the training rows."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from train.dataset.layer import Layer
from train.gradients.source import GradientSource
from train.standardize import Moments


@torch.no_grad()
def importance(
    rows: GradientSource, theta: Tensor, layer: Layer, moments: Moments
) -> Mapping[str, float]:
    """By column the mean |contribution| to the logit over the training rows: of a number its weight
    times its distance from the mean, with what its indicator and its bends add; of a category the
    weight of the level, around the mean over the rows.

    `theta` (d + 1,) are the trained weights, `moments` those of the raw columns but levels. All
    processes call it.
    """
    design, categories = layer.design, rows.categories
    dense, k = design.dense, len(design.numbers)
    weight = theta[:dense, None]
    mean = (moments.mean - layer.scaling.mean) / layer.scaling.scale
    middle = torch.from_numpy(mean).to(theta)[:, None]
    sums = torch.zeros(k, dtype=torch.float64)
    for some in rows.blocks():
        added = weight * (some.features - middle)
        for indicator, number in enumerate(design.indicators):
            added[number] += added[k + indicator]
        for number, place in design.further.items():
            added[number] += added[place].sum(0)
        sums += added[:k].abs().sum(1, dtype=torch.float64).cpu()
    shares = (rows.group.sum(sums) / rows.count).tolist()
    found = dict(zip((column.name for column in design.numbers), shares, strict=True))
    for column, share, place in zip(
        design.categories, categories.shares, categories.places(dense), strict=True
    ):
        weights = theta[place].double().cpu()
        found[column.name] = float(torch.dot(share, (weights - torch.dot(share, weights)).abs()))
    return {column.name: found[column.name] for column in design.columns}


@torch.no_grad()
def curve_deviations(rows: GradientSource, theta: Tensor, layer: Layer) -> Mapping[int, float]:
    """Of each bent number, by position, the standard deviation of its curve over the training rows.
    `theta` (d + 1,) are the trained weights. All processes call it."""
    design = layer.design
    sums = torch.zeros(2, len(design.bases), dtype=torch.float64)
    for some in rows.blocks() if design.bases else ():
        for found, (number, place) in zip(sums.T, design.further.items(), strict=True):
            curve = theta[place].double() @ some.features[place].double()
            curve += theta[number].double() * some.features[number].double()
            found += torch.stack([curve.sum(), curve.square().sum()]).cpu()
    mean, square = (rows.group.sum(sums) / rows.count).tolist()
    pairs = zip(mean, square, strict=True)
    return dict(zip(design.bases, (math.sqrt(max(0.0, s - m * m)) for m, s in pairs), strict=True))
