"""Which rows are drawn from a table that has too many, and what they stand for."""

import numpy as np
import pytest

from train.selection import draw as module
from train.selection.draw import Drawn, draw

ROWS, MOST = 40_000, 2_000


def labels(positives: int) -> np.ndarray:
    found = np.zeros(ROWS, np.float32)
    found[np.random.default_rng(0).permutation(ROWS)[:positives]] = 1
    return found


def of_class(drawn: Drawn, label: np.ndarray, one: int) -> np.ndarray:
    return label[drawn.places] == one


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("count", [1, 20, 900, 3_000, 20_000])
def test_the_rarer_class_is_there_as_far_as_it_is_needed(count, rare):
    label = np.abs(labels(count) - (1 - rare))
    drawn = draw(label, None, MOST)
    found = of_class(drawn, label, rare).sum()
    enough = int(MOST * module.LEAST_SHARE)
    assert found == max(MOST * count // ROWS, min(count, enough))
    assert len(drawn.places) == MOST
    assert np.diff(drawn.places).min() > 0


@pytest.mark.parametrize("count", [1, 20, 900, 3_000, 20_000])
def test_rows_drawn_stand_for_all(count):
    label = labels(count)
    drawn = draw(label, None, MOST)
    for one, there in ((1, count), (0, ROWS - count)):
        mask = of_class(drawn, label, one)
        assert drawn.counts[mask].sum() == pytest.approx(there)
        share = drawn.weights[mask].sum(dtype=float) / drawn.weights.sum(dtype=float)
        assert share == pytest.approx(there / ROWS)


def test_rows_in_proportion_count_alike():
    drawn = draw(labels(ROWS // 2), None, MOST)
    np.testing.assert_allclose(drawn.weights, 1)
    np.testing.assert_allclose(drawn.counts, ROWS / MOST)


@pytest.mark.parametrize("count", [1, 20, 900, 3_000, 20_000])
def test_the_sum_of_weights_is_what_rows_tell(count):
    """The variance of a score, where only shares are known, is the second derivative: so it is
    with the weights of rows that are all there, which are 1."""
    label = labels(count)
    drawn, p = draw(label, None, MOST), count / ROWS
    wide = drawn.weights.astype(float)
    variance = np.square(wide * (label[drawn.places] - p)).sum()
    assert variance == pytest.approx(wide.sum() * p * (1 - p), rel=1e-5)


def test_heavy_rows_are_drawn_and_none_stands_for_many():
    """A class may have many rows, of which few count."""
    label, rng = labels(ROWS // 2), np.random.default_rng(1)
    heavy = rng.choice(np.flatnonzero(label), 20, replace=False)
    own = np.full(ROWS, 1e-6, np.float32)
    own[heavy] = 1
    own /= own.mean()
    drawn = draw(label, own, MOST)
    assert np.isin(heavy, drawn.places).all()
    assert MOST / 2 <= len(drawn.places) <= MOST
    assert drawn.counts.max() < 4 * ROWS / MOST
    for one in (0, 1):
        share = drawn.weights[of_class(drawn, label, one)].sum(dtype=float)
        expected = own[label == one].sum(dtype=float) / own.sum(dtype=float)
        assert share / drawn.weights.sum(dtype=float) == pytest.approx(expected, rel=1e-4)
        assert drawn.counts[of_class(drawn, label, one)].sum() == pytest.approx(ROWS / 2)


def test_weighted_sums_are_those_of_the_table():
    rng = np.random.default_rng(2)
    label, own = labels(400), rng.lognormal(sigma=1.5, size=ROWS)
    own, x = (own / own.mean()).astype(np.float32), rng.normal(size=ROWS)
    drawn = draw(label, own, MOST)
    some, wide = x[drawn.places], drawn.weights.astype(float)
    apart = np.average(some, weights=wide) - np.average(x, weights=own.astype(float))
    error = np.sqrt(np.square(wide * some).sum()) / wide.sum()
    assert abs(apart) < 3 * error
    assert abs(np.average(some, weights=drawn.counts) - x.mean()) < 3 / np.sqrt(MOST / 4)


def test_one_class_alone_is_drawn_too():
    drawn = draw(np.zeros(ROWS, np.float32), None, MOST)
    assert len(drawn.places) == MOST
    np.testing.assert_allclose(drawn.weights, 1)
