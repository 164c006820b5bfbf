"""The walk through every float32 in increasing order, block by block."""

from functools import reduce
from operator import add

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.formats.artifact import Scores
from export.sigmoid.every_float32 import EDGES
from export.sigmoid.spans import (
    NUMBERS,
    PATTERNS,
    Interval,
    examine,
    float32_at,
    ranks_of,
    select,
    split,
)
from serve_runtime.error_budgets import LOWEST_LOGIT, sigmoid

ranks = st.integers(0, PATTERNS - 1)
intervals = st.tuples(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(1, 700)).map(
    lambda t: (t[0], t[0] + t[1], t[2])
)


def logit_at(rank: int) -> np.float32:
    return float32_at(np.array([rank]))[0]


@given(ranks)
def test_every_bit_pattern_has_one_rank(rank: int) -> None:
    assert ranks_of(float32_at(np.array([rank]))).tolist() == [rank]
    bits = np.array([rank], np.uint32)
    of_pattern = ranks_of(bits.view(np.float32))
    assert 0 <= of_pattern[0] < PATTERNS
    assert float32_at(of_pattern).view(np.uint32).tolist() == bits.tolist()


@given(st.integers(0, NUMBERS - 2))
def test_the_next_rank_is_the_next_float(rank: int) -> None:
    here, after = float32_at(np.array([rank, rank + 1]))
    with np.errstate(over="ignore"):  # to infinity
        assert after == (np.nextafter(here, np.float32(np.inf)) if here or after else 0)


def test_the_order_begins_and_ends_where_it_says() -> None:
    assert logit_at(0) == -np.inf
    assert logit_at(NUMBERS - 1) == np.inf
    zeros = float32_at(np.array([NUMBERS // 2 - 1, NUMBERS // 2]))
    assert zeros.view(np.uint32).tolist() == [0x80000000, 0]
    nans = float32_at(np.array([NUMBERS, PATTERNS - 1])).view(np.uint32)
    assert nans.tolist() == [0x7F800001, 0xFFFFFFFF]
    assert np.isnan(float32_at(np.arange(NUMBERS, PATTERNS, 9973))).all()
    assert not np.isnan(float32_at(np.arange(0, NUMBERS, 999983))).any()


def test_the_edges_cover_every_number() -> None:
    edges = ranks_of(np.array(EDGES, np.float32))
    assert (edges[0], edges[-1]) == (0, NUMBERS - 1)
    assert (np.diff(edges) > 0).all()
    assert LOWEST_LOGIT in EDGES


@given(intervals, st.integers(1, 50))
def test_the_pieces_of_an_interval_are_its_neighbours(interval: Interval, count: int) -> None:
    start, stop, stride = interval
    pieces = list(split(interval, count))
    assert [piece[0] for piece in pieces] == [start, *(piece[1] for piece in pieces[:-1])]
    assert pieces[-1][1] == stop
    assert all(0 < b - a <= count * stride and s == stride for a, b, s in pieces)


@given(intervals)
def test_a_sample_has_one_of_every_stride_and_both_ends(interval: Interval) -> None:
    start, stop, stride = interval
    chosen = select(interval)
    assert (np.diff(chosen) > 0).all()
    assert {start, stop - 1} <= set(chosen.tolist()) <= set(range(start, stop))
    assert len(set((chosen - start) // stride)) == -(-(stop - start) // stride)
    assert chosen.tolist() == select(interval).tolist()


def messy(rows: np.ndarray) -> Scores:
    """Wrong in every way, and the same for a logit whatever its block."""
    z = rows[:, 0].copy()
    bits = (z.view(np.uint32) * np.uint32(2654435761)) >> np.uint32(20)
    p = sigmoid(z).astype(np.float32) * (1 + (bits % 7).astype(np.float32) * np.float32(1e-6))
    p[bits % 11 == 0] = np.nan
    p[bits % 13 == 0] = -1
    z[bits % 17 == 0] = 0
    return z, p


@given(st.sets(st.integers(1, 399), max_size=6), st.integers(0, NUMBERS - 400))
def test_blocks_give_what_one_pass_gives(cuts: set[int], start: int) -> None:
    every = np.arange(start, start + 400)
    parts = [examine(messy, block) for block in np.split(every, sorted(cuts))]
    whole = repr(examine(messy, every))  # as text, where NaN is equal to NaN
    assert repr(reduce(add, parts)) == whole
    assert repr(reduce(lambda later, earlier: earlier + later, parts[::-1])) == whole
