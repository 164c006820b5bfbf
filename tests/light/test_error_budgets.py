from decimal import Decimal, localcontext
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serve_runtime import error_budgets

WIDTH = 5
numbers = st.floats(-1e6, 1e6, width=32)


def exact_sigmoid(logit):
    with localcontext() as context:
        context.prec = 60
        return 1 / (1 + (-Decimal(logit)).exp())


@pytest.mark.parametrize("logit", [-700.0, -87.0, -50.0, -18.5, -1e-9, 0.0, 0.25, 17.0, 40.0])
def test_sigmoid_is_right_to_float64_on_both_sides(logit):
    exact = float(exact_sigmoid(logit))
    assert error_budgets.sigmoid(np.array([logit]))[0] == pytest.approx(exact, rel=4 * 2.0**-53)


@pytest.mark.parametrize(("logit", "limit"), [(-1e4, 0.0), (1e4, 1.0), (-np.inf, 0), (np.inf, 1)])
def test_sigmoid_reaches_its_limits_without_overflow(logit, limit):
    with np.errstate(over="raise", invalid="raise"):
        assert error_budgets.sigmoid(np.array([logit]))[0] == limit


@given(st.floats(-87, 87, width=32))
def test_the_rounded_exact_sigmoid_is_within_half_a_unit(logit):
    logits = np.array([logit], np.float32)
    rounded = np.array([float(exact_sigmoid(logit))], np.float32)
    assert (
        error_budgets.probability_ulp(rounded, logits)[0] <= 0.5 + 1e-6
    )  # of float64's own rounding


@pytest.mark.parametrize("steps", [1, 4, 100])
@pytest.mark.parametrize("logit", [-80.0, -20.0, 0.0, 3.0])
def test_probability_ulp_counts_float32_steps(logit, steps):
    logits = np.array([logit], np.float32)
    probability = error_budgets.sigmoid(logits).astype(np.float32)
    unit = np.spacing(probability)
    error = error_budgets.probability_ulp(probability - steps * unit, logits)
    assert error[0] == pytest.approx(steps, abs=0.51)


def test_a_zero_far_above_the_lowest_logit_is_outside():
    zero, logit = np.zeros(1, np.float32), np.array([-20.0], np.float32)
    assert error_budgets.probability_ulp(zero, logit)[0] > 1e6


def test_gamma_is_the_bound_of_its_source():
    u = Fraction(1, 2**24)
    for terms in (1, 3, 32, 1002):
        assert error_budgets.gamma(terms) == pytest.approx(
            float(terms * u / (1 - terms * u)), rel=1e-15
        )


@given(
    arrays(np.float32, (3, WIDTH), elements=numbers),
    arrays(np.float32, WIDTH, elements=numbers),
    numbers,
    st.permutations(range(WIDTH)),
)
def test_the_a_priori_bound_holds_for_float32_sums_in_any_order(rows, weight, bias, order):
    logit, bound = error_budgets.logit_reference(rows, weight, bias)
    summed = np.full(len(rows), bias, np.float32)
    for i in order:
        summed += rows[:, i] * weight[i]
    for row, got, middle, allowed in zip(rows, summed, logit, bound, strict=True):
        exact = sum(map(Fraction, map(float, row * weight.astype(np.float64))), Fraction(bias))
        assert abs(Fraction(float(got)) - exact) <= Fraction(allowed)
        assert middle == pytest.approx(float(exact), abs=allowed, rel=1e-12)


def test_the_bound_is_no_looser_than_its_formula():
    rows, weight = np.array([[1.0, -2.0]]), np.array([3.0, 0.5], np.float32)
    logit, bound = error_budgets.logit_reference(rows, weight, -4.0)
    assert logit.tolist() == [-2.0]
    assert bound[0] == pytest.approx(
        error_budgets.gamma(4) * (3 + 1 + 4) + 2 * 2.0**-149, rel=1e-15
    )


@st.composite
def bent_rows(draw):
    """Two bent numbers (values, slopes, numbers, origins) and a straight one in 3 rows."""
    pairs = [draw(arrays(np.float32, (2, 3), elements=numbers)) for _ in range(4)]
    if draw(st.booleans()):  # where the value and what the slope adds cancel
        value, slope, x, origin = pairs
        value[:] = -slope * (x - origin)
    return pairs, draw(arrays(np.float32, (3,), elements=numbers)), draw(numbers), draw(numbers)


@given(bent_rows(), st.permutations(range(4)))
def test_the_bound_holds_for_curves_in_any_order(drawn, order):
    (value, slope, x, origin), straight, weight, bias = drawn
    segments = error_budgets.Segments(value, slope, x.astype(np.float64) - origin)
    rows, weights = np.array([*x, straight]).T, np.array([0, 0, weight], np.float32)
    logit, bound = error_budgets.logit_reference(rows, weights, bias, segments=segments)
    bent = value + slope * (x - origin)
    parts = [*bent, straight * np.float32(weight), np.full(3, bias, np.float32)]
    summed = reduce(np.add, [parts[i] for i in order])
    for i in range(3):
        exact = Fraction(bias) + Fraction(weight) * Fraction(float(straight[i]))
        for v, s, a, o in zip(*(p[:, i].tolist() for p in (value, slope, x, origin)), strict=True):
            exact += Fraction(v) + Fraction(s) * (Fraction(a) - Fraction(o))
        assert abs(Fraction(float(summed[i])) - exact) <= Fraction(bound[i])
        assert abs(Fraction(logit[i]) - exact) <= Fraction(bound[i]) / 2**26


def test_the_bound_of_curves_is_no_looser_than_its_formula():
    one = np.ones((2, 1))
    segments = error_budgets.Segments(3 * one, np.array([[0.5], [2]]), -4 * one)
    logit, bound = error_budgets.logit_reference(
        np.array([[7.0, 8.0]]), np.zeros(2, np.float32), 1.0, None, one[:1], segments
    )
    assert logit.tolist() == [1 + 1 + (3 - 2) + (3 - 8)]
    assert bound[0] == pytest.approx(
        error_budgets.gamma(2 + 1 + 4) * (1 + 1 + 3 + 2 + 3 + 8) + 2 * 2.0**-149, rel=1e-15
    )


@pytest.mark.parametrize(
    ("value", "slope", "distance", "finite"),
    [
        (0, 0, 3.5e38, False),
        (0, 2.0**100, 2.0**30, False),
        (3e38, 1, 3e38, False),
        (-3e38, 1, 3e38, False),
        (0, 0, 3.4e38, True),
        (4e37, -1, 4e37, True),
        (5e37, -1, 5e37, False),
        (0, 1, 8.4e37, True),
        (0, 1, 8.6e37, False),
        (np.nan, 1, 1, False),
    ],
)
def test_curves_that_may_overflow_are_promised_nothing(value, slope, distance, finite):
    segments = error_budgets.Segments(*np.array([[[value]], [[slope]], [[distance]]], np.float64))
    rows = np.zeros((1, 1))
    _, bound = error_budgets.logit_reference(rows, rows[0], 0.5, segments=segments)
    assert np.isfinite(bound[0]) == finite


def test_curves_may_lose_what_is_flushed():
    none = np.zeros((1, 1), np.float32)
    plain = error_budgets.flushed(none, none[0], None)
    segments = error_budgets.Segments(*np.array([[[5.0]], [[-3.0]], [[-7.0]]]))
    found = error_budgets.flushed(none, none[0], None, segments)
    assert (found - plain) / 2.0**-126 == 4 + 3 * 3 + 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_row_has_no_finite_reference(value):
    rows = np.array([[1.0, value], [1.0, 1.0]])
    logit, bound = error_budgets.logit_reference(rows, np.ones(2, np.float32), 0.0)
    assert np.isfinite(logit).tolist() == [False, True]
    assert np.isfinite(bound).tolist() == [False, True]


def test_below_the_lowest_logit_probabilities_must_be_tiny():
    logit = np.array([-100, -100, -87.5, np.nan, np.nan, 0, 0], np.float32)
    probability = np.array([0, 1, 1e-38, np.nan, 0.5, 1.5, np.nan], np.float32)
    expected = [0, np.inf, 0, 0, np.inf, np.inf, np.inf]
    assert error_budgets.probability_error(probability, logit).tolist() == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_overflow_at_the_centre_is_promised_nothing(sign):
    largest = np.float32(np.finfo(np.float32).max)
    weight, center = np.array([1e-33, 1], np.float32), np.array([sign * 2.0**110, 0], np.float32)
    rows = np.array([[-sign * largest, 0], [sign * largest, 0], [center[0], 5]], np.float32)
    logit, bound = error_budgets.logit_reference(rows, weight, 0.5, center)
    assert np.isfinite(logit).all()
    assert np.isinf(bound).tolist() == [True, False, False]


@given(st.floats(-200, 200), st.floats(0, 60))
def test_the_budget_covers_every_logit_within_the_bound(logit, bound):
    """Exactly, in decimal arithmetic: what it moves, and the kernel's units at the other end."""
    ((budget,),) = [error_budgets.probability_budget(np.array([logit]), np.array([bound]))]
    middle = exact_sigmoid(logit)
    for step in (-1.0, -0.3, 0.5, 1.0):
        moved = abs(exact_sigmoid(logit + step * bound) - middle)
        assert float(moved) <= budget


def test_the_budget_does_not_jump_where_the_bound_is_1():
    near = np.nextafter(1, [0, 2])
    low, high = error_budgets.probability_budget(np.full(2, -80.0), near)
    assert low == pytest.approx(high, rel=1e-12)
    assert high < 1e-34
