"""What the machine can do: one read of every value."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from benchmarks.timing import Call
from serve_runtime.arrays import Float32

_FEW = 1_000_000
"""Values below which starting another thread takes longer than reading them."""


def dot(rows: Float32, pool: ThreadPoolExecutor, threads: int) -> Call:
    """np.dot of the values with themselves, a thread for each part, BLAS on one."""
    values = rows.reshape(-1)
    if threads == 1 or values.size < _FEW:
        return partial(np.dot, values, values)
    return partial(_all, pool, np.array_split(values, threads))


def total(rows: Float32) -> Call:
    """torch.sum of the values, on the threads of torch."""
    return torch.from_numpy(rows.reshape(-1)).sum


def _all(pool: ThreadPoolExecutor, parts: Sequence[Float32]) -> None:
    for _ in pool.map(lambda part: np.dot(part, part), parts):
        pass
