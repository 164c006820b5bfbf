"""One read of every value: no scoring of rows in memory can be faster."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from benchmarks.harness.timing import Call
from serve_runtime.arrays import Float32

_MIN_FOR_THREADS = 1_000_000
"""Values from which on a second thread is worth the time it takes to start it."""


def dot_read(rows: Float32, pool: ThreadPoolExecutor, threads: int) -> Call:
    """np.dot of the values with themselves, cut into equal parts for the threads of `pool`."""
    values = rows.reshape(-1)
    if threads == 1 or values.size < _MIN_FOR_THREADS:
        return partial(np.dot, values, values)
    return partial(_dot_parts, pool, np.array_split(values, threads))


def sum_read(rows: Float32) -> Call:
    """torch.sum of the values, on torch's own threads."""
    return torch.from_numpy(rows.reshape(-1)).sum


def _dot_parts(pool: ThreadPoolExecutor, parts: Sequence[Float32]) -> None:
    for _ in pool.map(lambda part: np.dot(part, part), parts):
        pass
