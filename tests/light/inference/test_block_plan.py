"""A plan covers every row once, in order, in blocks that each way of reading can take."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.inference.block_plan import (
    BOUND,
    COPIED,
    IN_PLACE,
    LOGITS,
    BatchPlan,
    Block,
    plan_batch,
)
from serve_runtime.inputs.batch_limits import LIMITS, Limits
from serve_runtime.inputs.blocks import ColumnInput, RowInput

SMALL = Limits(
    block_rows=40,
    bound_rows=8,
    bound_values=32,
    copied_values=80,
    strided_values=160,
    parallel_values=64,
    adjacent_rows=2,
)


def rows(count, n_features, dtype=np.float32):
    return RowInput(np.zeros((count, n_features), dtype), [])


def columns(count, n_features, dtype=np.float32):
    """One array that holds all columns."""
    return ColumnInput(np.zeros((n_features, count), dtype), [])


def separate(count, n_features, dtype=np.float32):
    """Columns that lie apart in memory."""
    return ColumnInput([np.zeros(count + 1, dtype)[1:] for _ in range(n_features)], [])


BATCHES = [rows, columns, separate]


def plan(batch, n_features, *, threads=1, centered=False, limits=LIMITS):
    return plan_batch(batch, n_features, threads=threads, centered=centered, limits=limits)


@given(
    make=st.sampled_from(BATCHES),
    dtype=st.sampled_from([np.float32, np.float64]),
    count=st.integers(0, 500),
    n_features=st.integers(1, 50),
    threads=st.integers(1, 4),
    centered=st.booleans(),
    least=st.sampled_from([0, 12]),
)
def test_every_row_is_in_one_block_that_can_be_read(
    make, dtype, count, n_features, threads, centered, least
):
    batch = make(count, n_features, dtype)
    limits = SMALL._replace(least_rows=least)
    found = plan(batch, n_features, threads=threads, centered=centered, limits=limits)
    starts = [block.start for block in found.blocks]
    assert starts == ([0] if count else []) + [block.stop for block in found.blocks[:-1]]
    assert sum(block.stop - block.start for block in found.blocks) == count
    assert found.parallel <= (threads > 1 and len(found.blocks) > 1)
    for start, stop, reading in found.blocks:
        assert start < stop
        whole, length = stop - start == count, stop - start
        if reading == BOUND:
            assert limits.padded(length) <= limits.bound_block_rows(n_features)
        elif reading == IN_PLACE:
            assert batch.readable
            assert length % 4 == 0 if batch.layout == "rows" else whole
            assert least <= length <= SMALL.block_rows
        elif reading == COPIED:
            most = SMALL.strided_values if batch.strided else SMALL.copied_values
            assert length <= max(4, least, min(SMALL.block_rows, most // n_features))
        else:
            assert reading == LOGITS
            assert found.logits_first
            assert 4 <= length <= SMALL.block_rows + 3  # a logit alone may take another path
            assert batch.readable
            assert not centered
            assert not found.parallel


THIRTY = 30
LARGE = 1_000_003


@pytest.mark.parametrize(
    ("batch", "options", "expected"),
    [
        (rows(1, THIRTY), {}, BatchPlan([Block(0, 1, BOUND)])),
        (rows(0, THIRTY), {}, BatchPlan([])),
        (rows(256, THIRTY), {}, BatchPlan([Block(0, 256, BOUND)])),
        (rows(260, THIRTY), {}, BatchPlan([Block(0, 260, IN_PLACE)])),
        (
            rows(1025, THIRTY),
            {},
            BatchPlan([Block(0, 1024, IN_PLACE), Block(1024, 1025, BOUND)]),
        ),
        (rows(1025, THIRTY, np.float64), {}, BatchPlan([Block(0, 1025, COPIED)])),
        (columns(1025, THIRTY), {}, BatchPlan([Block(0, 1025, IN_PLACE)])),
        (columns(60_001, THIRTY), {"threads": 2}, BatchPlan([Block(0, 60_001, IN_PLACE)])),
        (separate(1025, THIRTY), {}, BatchPlan([Block(0, 1025, COPIED)])),
        # Converting strided columns at once is faster than sharing them between threads.
        (columns(60_001, THIRTY, np.float64), {"threads": 2},
         BatchPlan([Block(0, 60_001, COPIED)])),
    ],
)  # fmt: skip
def test_batches_that_are_not_cut(batch, options, expected):
    assert plan(batch, THIRTY, **options) == expected


@pytest.mark.parametrize(
    ("make", "dtype", "options", "step", "reading", "logits_first"),
    [
        (rows, np.float32, {}, 1 << 16, IN_PLACE, False),
        (rows, np.float64, {}, 34_952, COPIED, False),
        (columns, np.float32, {}, 34_952, LOGITS, True),
        (columns, np.float32, {"centered": True}, 34_952, COPIED, False),
        (columns, np.float32, {"threads": 2}, 34_952, COPIED, False),
        (columns, np.float64, {}, 1 << 16, COPIED, False),
        (separate, np.float32, {}, 34_952, COPIED, False),
    ],
)
def test_large_batches_are_cut(make, dtype, options, step, reading, logits_first):
    found = plan(make(LARGE, THIRTY, dtype), THIRTY, **options)
    assert found.logits_first == logits_first
    assert found.parallel == (options.get("threads", 1) > 1)
    assert {block.reading for block in found.blocks[:-2]} == {reading}
    assert {block.stop - block.start for block in found.blocks[:-2]} == {step}
    assert found.blocks[-1].stop == LARGE
