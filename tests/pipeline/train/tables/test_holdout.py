"""Rows are held out at random, with the same share of each class."""

import numpy as np
import pytest

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
