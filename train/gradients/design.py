"""The products of the design matrix of some rows, and what is measured with them.

The design X (n, d + 1) of rows has a column for each number, one of 0 and 1 for each level of each
category, and one of ones. It is never built: a category adds the weight of a row's level to the
row's logit, and the row's value to the sum of its level. Everything here is in torch, in any dtype
and on any device, and gives the same bits each time.
"""

from dataclasses import replace

import torch
from torch import Tensor

from train.gradients.losses import LOSSES
from train.gradients.source import Categories, GradientSource, Rows

_MOST_SEGMENTS, _WORTH = 4096, 8
"""Segments of rows on a GPU, each of which has at least so many codes for each of its sums."""


def logits(rows: Rows, theta: Tensor, out: Tensor | None = None) -> Tensor:
    """Xθ (n,), for `theta` (d + 1,): the weights and then the bias."""
    numbers = len(rows.features)
    bias = theta[-1:].expand(rows.features.shape[1])
    result = torch.addmv(bias, rows.features.t(), theta[:numbers], out=out)
    for codes, place in zip(rows.codes, rows.categories.places(numbers), strict=True):
        result += theta[place].index_select(0, codes.int())
    return result


def several_logits(rows: Rows, thetas: Tensor) -> Tensor:
    """X·`thetas` (n, m), for `thetas` (d + 1, m)."""
    numbers = len(rows.features)
    result = rows.features.T @ thetas[:numbers] + thetas[-1]
    for codes, place in zip(rows.codes, rows.categories.places(numbers), strict=True):
        result += thetas[place].index_select(0, codes.int())
    return result


def logits_of_several(rows: Rows, thetas: Tensor) -> Tensor:
    """The logits (m, n) of each of `thetas` (m, d + 1)."""
    numbers = len(rows.features)
    result = torch.addmm(thetas[:, -1:], thetas[:, :numbers], rows.features)
    for codes, place in zip(rows.codes, rows.categories.places(numbers), strict=True):
        wide = codes.int()
        for row, theta in zip(result, thetas, strict=True):
            row += theta[place].index_select(0, wide)
    return result


def products_of_several(rows: Rows, values: Tensor) -> Tensor:
    """Xᵀ times each of `values` (m, n): (m, d + 1)."""
    numbers = len(rows.features)
    result = values.new_zeros(len(values), numbers + rows.categories.levels + 1)
    result[:, :numbers] = values @ rows.features.T
    for codes, place in zip(rows.codes, rows.categories.places(numbers), strict=True):
        result[:, place].scatter_add_(1, codes.long().expand_as(values), values)
    result[:, -1] = values.sum(1)
    return result


def add_products(rows: Rows, values: Tensor, out: Tensor) -> None:
    """Add Xᵀ·`values` (n,) to `out` (d + 1,), which has the dtype of `values`."""
    numbers = len(rows.features)
    out[:numbers] += rows.features @ values
    for codes, place in zip(rows.codes, rows.categories.places(numbers), strict=True):
        add_by_code(codes, values, out[place])
    out[-1] += values.sum()


def add_by_code(codes: Tensor, values: Tensor, out: Tensor) -> None:
    """Add each of `values` (n,) to the number of `out` (size,) at its code (n,)."""
    if out.is_cuda:
        add_sorted(codes, values, out)
    else:
        out.index_add_(0, codes if codes.dtype == torch.int64 else codes.int(), values)


def add_sorted(codes: Tensor, values: Tensor, out: Tensor) -> None:
    """Do what `add_by_code` does so that a GPU gives the same bits each time: index_add_ would add
    in another order, this sorts by code first.

    What has the same code is added one after the other. So rows are cut into segments, as many as
    their sums are worth, and those are added in float64.
    """
    size, count = len(out), len(codes)
    segments = max(1, min(_MOST_SEGMENTS, count // (_WORTH * max(1, size))))
    segment = torch.arange(count, device=out.device) * segments // max(1, count)
    sums = values.new_zeros(segments * size)
    sums.index_put_((segment * size + codes,), values, accumulate=True)
    out += sums.view(segments, size).sum(0, dtype=torch.float64)


def in_float64(rows: Rows) -> Rows:
    """`rows` with features, labels and weights in float64."""
    return rows.in_type(torch.float64)


def absolute(rows: Rows) -> Rows:
    """`rows` with the magnitudes of the features."""
    return replace(rows, features=rows.features.abs())


def squared(rows: Rows) -> Rows:
    """`rows` with the squares of the features."""
    return replace(rows, features=rows.features.square())


def reach(data: GradientSource, theta: Tensor) -> float:
    """A bound on the magnitude of the logits with `theta` (d + 1,)."""
    moves, largest = theta.abs(), data.largest.to(theta.dtype)
    if not data.categories.shares:
        return float(torch.dot(moves, largest))
    numbers = len(theta) - 1 - data.categories.levels
    most = sum(float(moves[place].amax()) for place in data.categories.places(numbers))
    return float(torch.dot(moves[:numbers], largest[:numbers]) + moves[-1]) + most


def measure(data: GradientSource, loss: str, theta: Tensor) -> tuple[float, float]:
    """Mean cost and accuracy of `theta` on all rows, each counting by its weight; a probability of
    0.5 counts as positive."""
    cost = right = 0.0
    theta, categories = _with_unknown(theta, data.categories)
    for rows in data.blocks():
        logit = logits(replace(rows, categories=categories), theta)
        share = len(rows.labels) / data.count
        hits = (logit.sigmoid() >= 0.5) == (rows.labels == 1)
        cost += float(LOSSES[loss].cost(logit, rows.labels, rows.weights)) * share
        right += float(rows.weighted(hits.float()).mean()) * share
    cost, right = data.group.sum(torch.tensor([cost, right], dtype=torch.float64)).tolist()
    return cost, right


def squared_norms(data: GradientSource) -> tuple[float, float]:
    """Mean and maximum of weight·|(x, 1)|² over the rows, whose weights are 1 on average."""
    total, most = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for rows in data.blocks():
        squares = rows.features.double().square().sum(0) + len(rows.codes)
        total += rows.weighted(squares).cpu().sum()
        most = torch.maximum(most, rows.weighted(squares + 1).cpu().amax())
    return float(data.group.sum(total)) / data.count + 1, float(data.group.maximum(most))


def _with_unknown(theta: Tensor, categories: Categories) -> tuple[Tensor, Categories]:
    """`theta` with the weight of an unknown level behind those of each category's levels."""
    if not categories.shares:
        return theta, categories
    numbers = len(theta) - 1 - categories.levels
    parts, none = [theta[:numbers]], torch.zeros(1, dtype=torch.float64)
    for share, place in zip(categories.shares, categories.places(numbers), strict=True):
        weights = theta[place]
        mean = torch.dot(weights.double().cpu(), share)
        parts += [weights, mean[None].to(theta)]
    extended = tuple(torch.cat([share, none]) for share in categories.shares)
    return torch.cat([*parts, theta[-1:]]), Categories(extended)
