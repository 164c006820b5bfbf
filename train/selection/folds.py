"""Folds: parts of rows that are left out in turn, each with its share of both classes."""

import numpy as np

from serve_runtime.arrays import Float32
from train.tables.columns.profile import Indices


def fold_of_rows(labels: Float32, folds: int, seed: int) -> Indices:
    """Which fold (n,), from 0, each row is in: by chance, the same for the same `seed`; the counts
    of each of the `labels` differ by at most 1 from fold to fold."""
    result = np.empty(len(labels), np.intp)
    random, first = np.random.default_rng(seed), 0
    for label in (1, 0):
        rows = random.permutation(np.flatnonzero(labels == label))
        result[rows] = (first + np.arange(len(rows))) % folds
        first += len(rows)
    return result
