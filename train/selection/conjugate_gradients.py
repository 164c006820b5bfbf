"""Steps of Newton's method of several fits at a time, by products with their second derivatives."""

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from torch import Tensor

from train.gradients.design import logits_of_several, products_of_several
from train.gradients.source import Rows

_SHARE = 1e-2
"""Of the squared decrement, what is left open."""
MOST_PRODUCTS: Final = 50
"""After so many a step is what it is."""

Precondition: TypeAlias = Callable[[Tensor], Tensor]
"""Gives about the product of vectors (folds, d + 1) with the inverse of a matrix."""


def conjugate_gradients(
    rows: Rows,
    weights: Tensor,
    penalties: Tensor,
    gradient: Tensor,
    precondition: Precondition,
) -> tuple[Tensor, int]:
    """About the product of `gradient` (folds, d + 1) with the inverse of XᵀDX + penalties, D the
    `weights` (folds, n), and how many products with that matrix it took.

    Products with XᵀDX are computed in the type of `rows`, all else in float64.
    """
    dtype = rows.features.dtype
    weights = weights.to(dtype)
    step, residual = torch.zeros_like(gradient), gradient.clone()
    direction = precondition(residual)
    slope = first = (residual * direction).sum(1)
    products = 0
    while products < MOST_PRODUCTS:
        products += 1
        logits = logits_of_several(rows, direction.to(dtype))
        image = products_of_several(rows, weights * logits).double() + penalties * direction
        curved = (direction * image).sum(1)
        length = torch.where(curved > 0, slope / curved, 0)[:, None]
        step += length * direction
        residual -= length * image
        preconditioned = precondition(residual)
        before, slope = slope, (residual * preconditioned).sum(1)
        if (slope <= _SHARE * first).all():
            break
        direction = preconditioned + torch.where(before > 0, slope / before, 0)[:, None] * direction
    return step, products
