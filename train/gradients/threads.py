"""Threads that compute sums of gradients, each for some of the blocks of rows."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from serve_runtime.arrays import Float32
from train.gradients import numba_kernels

BLOCKS_A_THREAD = 4
"""Least blocks for a thread: with fewer, starting it takes longer than the work."""


class BlockThreads:
    """As many threads as torch uses, each with buffers for blocks of `step` rows."""

    def __init__(self, step: int) -> None:
        self._step, threads = step, torch.get_num_threads()
        self._scratch = [numba_kernels.scratch(step) for _ in range(threads)]
        # It starts no thread before it is needed.
        self._helpers = ThreadPoolExecutor(max(1, threads - 1))

    def sum(self, add: Any, given: tuple[Any, ...], rows: int, sums: Float32) -> Float32:
        """Sum over each block of `rows` rows; returns the rows of `sums` that were filled.

        `add` is a kernel such as numba_kernels.gradient_sums; `given` are its arguments up to
        `step`.
        """
        blocks = -(-rows // self._step)
        self.share(add, (*given, self._step), range(blocks), sums, BLOCKS_A_THREAD)
        return sums[:blocks]

    def share(self, add: Any, given: tuple[Any, ...], parts: range, out: Any, least: int) -> None:
        """Let each thread do some of `parts`, at least `least`: `add` is a kernel that is given
        `given`, its first part, the one behind its last part, `out` and a thread's buffers."""
        work = partial(add, *given)
        threads = min(len(self._scratch), len(parts) // least) or 1
        cuts = [parts.start + len(parts) * i // threads for i in range(threads + 1)]
        pending = [
            self._helpers.submit(work, cuts[i], cuts[i + 1], out, self._scratch[i])
            for i in range(1, threads)
        ]
        work(cuts[0], cuts[1], out, self._scratch[0])
        for part in pending:
            part.result()
