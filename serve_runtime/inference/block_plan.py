"""The plan for a batch: the blocks that it is cut into, and how each of them is read.

A pure function of the batch's shape and layout, the number of threads and the limits; nothing is
read or scored here. The plan decides speed and memory, never bits.
"""

from itertools import pairwise
from typing import Final, NamedTuple

from serve_runtime.arrays import COLUMNS
from serve_runtime.inputs.batch_limits import Limits
from serve_runtime.inputs.blocks import BatchInput

BOUND: Final = "bound"
"""Copied into a small buffer to which a session stays bound."""
IN_PLACE: Final = "in place"
"""Read by onnxruntime from the caller's memory."""
COPIED: Final = "copied"
"""Copied and converted into a buffer of the worker."""
LOGITS: Final = "logits"
"""Not read: the logits of the whole batch have been computed, the sigmoid is left to do."""


class Block(NamedTuple):
    """Some consecutive rows of a batch."""

    start: int
    """The first row."""
    stop: int
    """The row behind the last one."""
    reading: str
    """BOUND, IN_PLACE, COPIED or LOGITS."""


class BatchPlan(NamedTuple):
    """How to score a batch."""

    blocks: list[Block]
    """In the order of their rows, which they cover without gap or overlap."""
    logits_first: bool = False
    """Whether the logits of all rows are to be computed in one run before the blocks."""
    parallel: bool = False
    """Whether several threads share the blocks."""


def plan_batch(
    batch: BatchInput, n_features: int, *, threads: int, centered: bool, limits: Limits
) -> BatchPlan:
    """Plan for `batch`, which has `n_features` features a row, on up to `threads` threads.

    `centered` says whether the model subtracts a centre before it multiplies.
    """
    rows, values = batch.rows, batch.rows * n_features
    bound_rows = limits.bound_block_rows(n_features)
    if rows <= bound_rows:
        return BatchPlan([Block(0, rows, BOUND)] if rows else [])
    converted_at_once = (
        batch.strided and rows <= limits.block_rows and values <= limits.strided_values
    )
    parallel = threads > 1 and values >= limits.parallel_values and not converted_at_once
    in_place = batch.readable
    logits_first = False
    if batch.layout == COLUMNS and in_place:
        if rows <= limits.block_rows:
            return BatchPlan([Block(0, rows, IN_PLACE)])
        # A block of columns has gaps, so the graph cannot read one where it lies. On one thread
        # the product of all rows at once spares copying them; the sigmoid then goes block by
        # block, in cache. A centre would have to be subtracted from a copy anyway.
        logits_first = not (parallel or centered)
        in_place = False
    step = limits.block_rows
    if not in_place:
        copied_values = limits.strided_values if batch.strided else limits.copied_values
        step = min(step, copied_values // n_features)
    if parallel:
        step = min(step, -(-rows // (2 * threads)))
    step = max(step - step % limits.row_multiple, limits.padded(1))
    # What is read in place cannot be filled up: the last rows become a small block of their own.
    end = rows - rows % limits.row_multiple if in_place else rows
    reading = IN_PLACE if in_place else LOGITS if logits_first else COPIED
    # Nor can logits, of which some processors take one alone otherwise than several: so the last
    # block of them is not shorter than `row_multiple`.
    last = end - limits.row_multiple + 1 if logits_first else end
    blocks = []
    for start, stop in pairwise(dict.fromkeys((*range(0, last, step), end, rows))):
        small = limits.padded(stop - start) <= bound_rows and not logits_first
        blocks.append(Block(start, stop, BOUND if small else reading))
    return BatchPlan(blocks, logits_first, parallel and len(blocks) > 1)
