"""Rows with categories that the tests of training share, and their one-hot matrix."""

from collections.abc import Sequence

import numpy as np
import torch

from train.gradients.source import Categories, Rows


def coded(count: int, numbers: int, sizes: Sequence[int], seed: int, *, steep: float = 0.5) -> Rows:
    """Numbers, and categories of `sizes` levels of which the first are the most frequent, with
    labels drawn from a logistic model whose weights have a deviation of `steep`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(numbers, count))
    codes = [np.minimum(rng.geometric(min(0.5, 3 / size), count) - 1, size - 1) for size in sizes]
    for column, size in zip(codes, sizes, strict=True):
        column[:size] = np.arange(size)[:count]  # every level occurs
    logit = steep * rng.normal(size=numbers) @ x
    for column, size in zip(codes, sizes, strict=True):
        logit += steep * rng.normal(size=size)[column]
    return rows_of(x, codes, sizes, rng.random(count) < 1 / (1 + np.exp(-logit)))


def rows_of(numbers, codes, sizes: Sequence[int], labels) -> Rows:
    """Rows of numbers (k, n), codes (n,) of each category, and labels (n,)."""
    shares = [
        np.bincount(column[column < size], minlength=size) / (column < size).sum()
        for column, size in zip(codes, sizes, strict=True)
    ]
    return Rows(
        torch.from_numpy(np.ascontiguousarray(numbers, np.float32)),
        torch.from_numpy(np.asarray(labels).astype(np.float32)),
        tuple(
            torch.from_numpy(column.astype(smallest_type(size)))
            for column, size in zip(codes, sizes, strict=True)
        ),
        Categories(tuple(map(torch.from_numpy, shares))),
    )


def smallest_type(size: int) -> type[np.integer]:
    return next(kind for kind in (np.uint8, np.int16, np.int32) if size <= np.iinfo(kind).max)


def one_hot(rows: Rows) -> Rows:
    """The same rows with a feature of 0 and 1 for each level."""
    flags = [
        (codes.long() == torch.arange(size)[:, None]).float()
        for codes, size in zip(rows.codes, rows.categories.sizes, strict=True)
    ]
    return Rows(torch.cat([rows.features, *flags]).contiguous(), rows.labels)
