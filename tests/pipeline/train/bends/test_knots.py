"""Knots of bent numbers, from samples of their values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.error_budgets import SMALLEST_NORMAL
from serve_runtime.features.column import Column
from serve_runtime.features.curve import after
from train.bends.basis import Basis
from train.bends.knots import Values

values = st.floats(width=32, allow_nan=False, allow_infinity=False)


def basis_of(numbers, size: int) -> Basis:
    return Basis.of(Values(np.array(numbers, np.float32)).knots(size))


def test_the_curve_bends_at_quantiles_and_ends_with_the_values():
    basis = basis_of(range(101), 4)
    np.testing.assert_array_equal(basis.curve, [0, 20, 40, 60, 80, 100])
    assert basis.hats == 4
    assert not len(basis.single)


def test_what_many_rows_have_is_a_single_value():
    basis = basis_of([0] * 50 + [7] * 6 + list(range(1, 41)), 4)
    np.testing.assert_array_equal(basis.single, [0, 7])
    assert basis.knots[1] == SMALLEST_NORMAL
    np.testing.assert_array_equal(basis.curve[[0, -1]], [1, 40])
    assert 7 not in basis.curve


@pytest.mark.parametrize(
    "numbers",
    [[], [1.0], [1.0, 2.0] * 9, [0.0, -0.0, 1.0] * 9, [0.0, 1e-40, 5.0], [1.0] * 99 + [2.0]],
)
def test_two_values_or_fewer_have_nothing_to_bend(numbers):
    assert Values(np.array(numbers, np.float32)).knots(4) == ()


@pytest.mark.parametrize("counts", [[9] * 3, [9] * 4, [90, 90, 1], [1, 90, 90], [90, 1, 90, 1]])
def test_a_few_values_are_all_told_apart_by_as_few_columns(counts):
    distinct = np.arange(len(counts), dtype=np.float32)
    basis = basis_of(np.repeat(distinct, counts), 16)
    whole = np.vstack([np.ones(len(counts)), distinct, basis.columns(distinct)])
    assert np.linalg.matrix_rank(whole) == len(counts) == len(whole)


def test_a_distinct_value_is_one_knot_at_most():
    assert basis_of(np.arange(30), 32).hats == 28


@pytest.mark.parametrize("first", [1.0, 0.0, 2.0**24, -3.0])
@pytest.mark.parametrize("repeats", [1, 50])
def test_values_that_are_float32_neighbours(first, repeats):
    chain = [np.float32(first)]
    for _ in range(40):
        chain.append(after(chain[-1]))
    basis = basis_of(np.repeat(chain, [repeats] + [1] * 40), 32)
    assert len(basis.single) == (repeats > 1)
    assert (after(basis.curve[:-1].astype(np.float32)) < basis.curve[1:]).all()


@given(st.lists(values, max_size=60), st.sampled_from([1, 4, 32]), st.integers(1, 40))
def test_knots_are_ones_that_a_card_takes(numbers, size, repeats):
    rows = np.array([*numbers[:2] * repeats, *numbers], np.float32)
    knots = Values(rows).knots(size)
    if not knots:
        return
    column = Column("x", low=0.0, high=1.0, knots=knots)
    basis = Basis.of(column.knots)
    assert basis.hats <= size
    assert len(basis.curve) + 2 * len(basis.single) >= len(knots)
    with np.errstate(all="raise", under="ignore"):
        columns = basis.columns(rows)
    assert ((columns >= 0) & (columns <= 1)).all()
    assert (columns.max(1) == 1).all()


@given(st.lists(st.tuples(st.sampled_from([-3.0, 0.0, 0.5, 7.0, *range(20, 60)]),
                          st.integers(1, 30)), min_size=1, max_size=60))  # fmt: skip
@pytest.mark.parametrize("size", [2, 16])
def test_a_value_that_stands_for_rows_is_there_as_often(size, rows):
    numbers, counts = (np.array(part, np.float32) for part in zip(*rows, strict=True))
    every = np.repeat(numbers, counts.astype(int))
    assert Values(numbers, counts.astype(float)).knots(size) == Values(every).knots(size)
