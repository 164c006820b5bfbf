"""The further columns of bent numbers, and the function that they become."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.error_budgets import SMALLEST_NORMAL
from serve_runtime.features.curve import Curve, after
from train.bends.basis import Basis

KNOTS = (-2.0, 0.0, 1.0, 4.0)
floats = st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False)


def with_single(curve, single):
    """Knots of a curve, and of single values that are none of them."""
    single = np.array(single, np.float32)
    return sorted({*curve, *single.tolist(), *after(single).tolist()})


@st.composite
def bases(draw):
    single = draw(st.lists(floats, max_size=3, unique=True))
    taken = np.array([*single, *after(np.array(single, np.float32))], np.float32)
    taken = {*taken, *after(taken), *np.nextafter(taken, np.float32(-np.inf))}
    curve = np.array(draw(st.lists(floats, max_size=6, unique=True)), np.float32)
    curve = [x for x in np.sort(curve) if x not in taken and after(x) not in curve]
    knots = with_single(map(float, curve), single)
    return Basis.of(knots or (1.0,))


def test_hats_are_1_at_their_knot_and_0_at_the_others():
    basis = Basis.of(KNOTS)
    np.testing.assert_array_equal(basis.points, [0, 1])
    np.testing.assert_array_equal(
        basis.columns(np.float32([-9, -2, -1, 0, 0.25, 1, 2.5, 4, 9])),
        [[0, 0, 0.5, 1, 0.75, 0, 0, 0, 0], [0, 0, 0, 0, 0.25, 1, 0.5, 0, 0]],
    )


def test_hats_between_inner_knots_sum_to_1():
    basis = Basis.of((-3.0, -2.5, 0.125, 7.0, 7.5, 100.0))
    inner = np.random.default_rng(1).uniform(-2.5, 7.5, 999).astype(np.float32)
    np.testing.assert_allclose(basis.columns(inner).sum(0), 1, rtol=1e-15)


def test_a_single_value_is_told_from_its_neighbours():
    basis = Basis.of(with_single((-5.0, -1.0, 3.0, 9.0), (0.0, 2.0)))
    np.testing.assert_array_equal(basis.curve, [-5, -1, 3, 9])
    np.testing.assert_array_equal(basis.single, [0, 2])
    beside = np.nextafter(np.float32(2), np.float32([-9, 9]))
    x = np.float32([0, -0.0, SMALLEST_NORMAL, -SMALLEST_NORMAL, 2, *beside])
    np.testing.assert_array_equal(basis.columns(x)[-2], [1, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(basis.columns(x)[-1], [0, 0, 0, 0, 1, 0, 0])


def test_single_values_may_follow_each_other():
    first = np.float32(3)
    second, end = after(first), after(after(first))
    basis = Basis.of([float(x) for x in (first, second, end)])
    np.testing.assert_array_equal(basis.single, [first, second])
    np.testing.assert_array_equal(
        basis.columns(np.array([first, second, end])), [[1, 0, 0], [0, 1, 0]]
    )


@given(basis=bases(), seed=st.integers(0, 2**32 - 1))
def test_folding_is_the_sum_of_the_columns(basis, seed):
    rng = np.random.default_rng(seed)
    weight, mean = rng.normal(size=(2, basis.width))
    slope, center = rng.normal(size=2)
    knots = basis.knots.astype(np.float32)
    beside = [np.nextafter(knots, np.float32(end)) for end in (-np.inf, np.inf)]
    x = np.concatenate([knots, *beside, rng.uniform(knots[0] - 1, knots[-1] + 1, 40)])
    x = x.astype(np.float32)
    wide = x.astype(np.float64)
    expected = slope * (wide - center) + weight @ (basis.columns(x) - mean[:, None])
    folded = basis.folded(weight, mean, slope, center)
    farthest = np.abs(wide).max() + abs(center)
    size = abs(slope) * farthest + np.abs(weight).sum()
    assert np.abs(folded.at(wide) - expected).max() <= 2e-15 * size
    np.testing.assert_array_equal(folded.origin, [basis.knots[0], *basis.knots])


def test_a_folded_curve_is_what_is_served():
    basis = Basis.of(with_single(KNOTS, (2.0,)))
    folded = basis.folded(np.array([0.5, -1.0, 4.0]), np.array([0.25, 0.5, 0.125]), 0.75, 1.0)
    curve = Curve(*(values.astype(np.float32) for values in folded))
    x = np.float32([-3, -2, -1, 0, 0.5, 1, 2, 2.5, 4, 8])
    np.testing.assert_allclose(curve.at(x), folded.at(x.astype(float)), rtol=1e-6)
    assert folded.at(np.array([2.0]))[0] == pytest.approx(0.75 - 2 / 3 + 4 - 0.125)
    assert np.diff(folded.at(np.array([8.0, 9.0])))[0] == 0.75  # the line's, beyond the ends


def test_computed_numbers_are_put_on_their_side_of_single_values():
    basis = Basis.of(with_single(KNOTS, (0.5, float(after(np.float32(0.5))), 2.0)))
    half = np.float32(0.5)
    x = np.array([half, half, after(half), 2, np.nextafter(np.float32(2), np.float32(0))])
    flags = np.float32([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    found = basis.aligned(x, flags)
    np.testing.assert_array_equal(basis.columns(found)[basis.hats :], flags)
    np.testing.assert_allclose(found, x, rtol=3e-7)
