"""Rows are held out at random, with the same share of each class."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from train.errors import DataError
from train.tables import holdout


def test_many_rows_are_held_out_one_by_one(monkeypatch):
    monkeypatch.setattr(holdout, "_MOST_SPLIT_AT_ONCE", 1000)
    labels = (np.arange(100_000) % 50 == 0).astype(np.float32)
    out = holdout.held_out(labels, 0.25, 7)
    assert out.mean() == pytest.approx(0.25, abs=0.01)
    assert out[labels == 1].mean() == pytest.approx(0.25, abs=0.05)
    assert np.array_equal(out, holdout.held_out(labels, 0.25, 7))
    assert not np.array_equal(out, holdout.held_out(labels, 0.25, 8))


def test_a_class_that_would_be_held_out_whole(monkeypatch):
    monkeypatch.setattr(holdout, "_MOST_SPLIT_AT_ONCE", 1000)
    labels = np.zeros(5000, np.float32)
    labels[-1] = 1
    outcomes = set()
    for seed in range(20):
        try:
            outcomes.add(bool(holdout.held_out(labels, 0.5, seed)[-1]))
        except DataError as reason:
            outcomes.add("all of a class" in str(reason))
    assert outcomes == {False, True}, "kept, or refused"


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.25, 1 / 3, 0.5, 0.87])
def test_few_rows_are_split_as_by_scikit_learn(fraction):
    """The same rows are held out, or none can be."""
    split = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(1, (8, 40, 300)[seed % 3]))
        labels = (rng.random(rows) < rng.choice([0.1, 0.5])).astype(np.float32)
        try:
            _, held = train_test_split(
                np.arange(rows), test_size=fraction, random_state=seed, stratify=labels
            )
        except ValueError:
            with pytest.raises(DataError, match=f"cannot hold out .* of {rows} rows: each class "):
                holdout.held_out(labels, fraction, seed)
            continue
        assert np.array_equal(
            np.flatnonzero(holdout.held_out(labels, fraction, seed)), sorted(held)
        )
        split += 1
    assert split > 10
