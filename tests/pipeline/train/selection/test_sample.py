"""The rows by which a penalty is chosen, as they are collected while a table is read."""

import numpy as np
import pytest

from serve_runtime.features.column import NUMBER, Column
from train.bends.candidates import with_knots
from train.design import Design
from train.selection import sample as module
from train.selection.sample import Sample, Sampler
from train.standardize import Moments
from train.tables.columns.reading import Reading

ROWS = 200_000
READING = Reading(("x1", "x0"), ())
TRAINING = np.arange(ROWS) % 5 != 3


def design() -> Design:
    columns = tuple(Column(f"x{i}", NUMBER, low=-9.0, high=9.0) for i in range(2))
    return Design(columns, np.full(2, np.nan), np.empty(0))


def collected(labels, training, numbers, own=None) -> Sample:
    """A sample of the rows that are trained on, with `numbers` (2, n) in the order of READING."""
    sampler, rows = Sampler(labels, training, 2, own), len(labels)
    for first in range(0, rows, 30_000):
        places = np.arange(first, min(rows, first + 30_000))
        places = places[training[places]]
        sampler.add(numbers[:, places], (), places)
    return sampler.sample(READING, design(), Moments.of(numbers[:, training]))


def test_rows_are_those_of_the_table():
    labels = (np.arange(ROWS) % 50 == 0).astype(np.float32)
    numbers = np.stack([np.arange(ROWS), -np.arange(ROWS)]).astype(float)
    found = collected(labels, TRAINING, numbers)
    assert 49_990 < len(found.labels) <= 50_000
    assert found.labels.sum() == labels[TRAINING].sum()  # the rarer class is there wholly
    assert found.share == pytest.approx(labels[TRAINING].mean())
    wide = found.weights.astype(float)
    assert np.average(found.labels, weights=wide) == pytest.approx(found.share)
    assert found.total == TRAINING.sum()
    places = found.numbers[1].astype(int)  # in the order of the design
    assert np.array_equal(found.numbers[0], -found.numbers[1])
    assert np.array_equal(labels[places], found.labels)
    assert TRAINING[places].all()
    assert np.diff(places).min() > 0
    assert places[-1] > ROWS - 50


@pytest.mark.parametrize("own", [None, np.arange(1.0, ROWS + 1)])
def test_rows_that_are_all_there_stand_for_themselves(own, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", ROWS)
    labels = (np.arange(ROWS) % 50 == 0).astype(np.float32)
    numbers = np.random.default_rng(0).normal(size=(2, ROWS))
    found = collected(labels, TRAINING, numbers, own)
    assert found.counts is None
    assert found.moments is None
    assert np.array_equal(found.numbers[::-1], numbers[:, TRAINING])
    if own is None:
        assert found.weights is None
    else:
        expected = own[TRAINING] / own[TRAINING].mean()
        assert np.array_equal(found.weights, expected.astype(np.float32))


def test_columns_have_the_deviations_of_the_table():
    """A column of which the rarer class has other values than the rest."""
    rng = np.random.default_rng(1)
    labels = (np.arange(ROWS) % 20 == 0).astype(np.float32)
    numbers = rng.normal(size=(2, ROWS)) + 5 * labels
    found = collected(labels, np.ones(ROWS, bool), numbers)
    scale = found.layer(design(), standardize=True).scaling.scale
    np.testing.assert_allclose(scale, numbers[::-1].std(1))
    # As after other rows are added, a bend is no reason to scale what is straight anew.
    bent = with_knots(design(), {"x0": (-1.0, 0.0, 1.0)})
    np.testing.assert_array_equal(found.layer(bent, standardize=True).scaling.scale[:2], scale)


def test_a_row_that_does_not_count_is_not_drawn():
    labels = (np.arange(ROWS) % 2).astype(np.float32)
    numbers = np.stack([np.arange(ROWS), np.zeros(ROWS)]).astype(float)
    own = np.where(np.arange(ROWS) % 3 == 0, 0.0, 2.0)
    found = collected(labels, own > 0, numbers, own)
    assert (own[found.numbers[1].astype(int)] > 0).all()
    np.testing.assert_allclose(found.weights, 1, rtol=1e-3)
