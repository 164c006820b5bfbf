"""Products of vectors with the second derivatives, by passes over the rows."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serve_runtime.arrays import Float32, Float64
from train.gradients.category_kernels import FEW_LEVELS, as_data, read_codes, scatter_add
from train.gradients.design import add_products, in_float64, several_logits
from train.gradients.numba_kernels import compiled
from train.gradients.source import GradientSource
from train.gradients.threads import BlockThreads

CATEGORY_KERNELS_SHA256 = "5b50d3ad244616c971e653d762cf74746e61e6e32d40a7c292862f5a0207e888"
"""The digest of category_kernels.py, for the reason that its NUMBA_KERNELS_SHA256 has."""

_PARTS = 4
"""Parts of a chunk, which threads share; each part's sums are kept apart until the end."""


def hessian_product(
    data: GradientSource, theta: Tensor, penalties: Tensor, vector: Tensor
) -> Tensor:
    """The product (d + 1,) of `vector` with the Hessian of the mean cross-entropy at `theta`, which
    has `penalties` added to its diagonal, by a pass over the rows."""
    of_rows = _on_codes if data.categories.shares and not theta.is_cuda else _by_torch
    return data.group.sum(of_rows(data, theta, vector)) / data.count + penalties * vector


def _by_torch(data: GradientSource, theta: Tensor, vector: Tensor) -> Tensor:
    both = torch.stack([theta, vector], 1)
    result = torch.zeros_like(vector)
    for rows in map(in_float64, data.blocks()):
        at, by = several_logits(rows, both).T
        p = at.sigmoid()
        add_products(rows, rows.weighted(p * (1 - p) * by), result)
    return result


def _on_codes(data: GradientSource, theta: Tensor, vector: Tensor) -> Tensor:
    """Do what `_by_torch` does; the bits do not depend on the number of threads."""
    numbers = len(theta) - 1 - data.categories.levels
    starts = np.cumsum([numbers, *data.categories.sizes])
    sums, threads = np.zeros((_PARTS, len(theta))), BlockThreads(0)
    for rows in data.blocks():
        given = (*as_data(rows), starts, theta.numpy(), vector.numpy())
        threads.share(_add, given, range(_PARTS), sums, 1)
    return torch.from_numpy(sums).sum(0)


@compiled
def _add(
    x: Float32,
    y: Float32,
    w: Float32,
    addresses: Any,
    sizes: Any,
    starts: Any,
    theta: Float64,
    vector: Float64,
    first: int,
    last: int,
    sums: Float64,
    buffers: object,
) -> None:
    """Add the products of the parts from `first` to before `last` of some rows to their `sums`."""
    width, rows = x.shape
    most = -(-rows // len(sums))
    at, by = np.empty(most), np.empty(most)
    codes, lanes = np.empty(most, np.int32), np.empty((4, FEW_LEVELS))
    for part in range(first, last):
        start, out = part * most, sums[part]
        count = max(0, min(most, rows - start))
        at[:], by[:] = theta[-1], vector[-1]
        for j in range(width):
            for i in range(count):
                at[i] += theta[j] * x[j, start + i]
                by[i] += vector[j] * x[j, start + i]
        for j in range(len(addresses)):
            read_codes(addresses[j], sizes[j], start, count, codes)
            for i in range(count):
                at[i] += theta[starts[j] + codes[i]]
                by[i] += vector[starts[j] + codes[i]]
        for i in range(count):
            p = 1 / (1 + math.exp(-at[i]))
            by[i] *= p * (1 - p)
            if len(w):
                by[i] *= w[start + i]
            out[-1] += by[i]
        for j in range(width):
            for i in range(count):
                out[j] += by[i] * x[j, start + i]
        for j in range(len(addresses)):
            read_codes(addresses[j], sizes[j], start, count, codes)
            scatter_add(codes[:count], by, out[starts[j] : starts[j + 1]], lanes)
