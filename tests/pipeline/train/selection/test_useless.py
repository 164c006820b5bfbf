"""Bends that bring nothing on rows that were left out."""

import numpy as np

from serve_runtime.features.column import NUMBER, Column
from train.bends.candidates import with_knots
from train.design import Design
from train.selection.judge import Judge
from train.selection.sample import Sample
from train.selection.useless import useless_bends

ROWS = 2_000


def design() -> Design:
    columns = tuple(Column(name, NUMBER, low=-9.0, high=9.0) for name in "ab")
    flat = Design(columns, np.full(2, np.nan), np.empty(0))
    return with_knots(flat, dict.fromkeys("ab", (-9.0, -1.0, 1.0, 9.0)))


def found(numbers, labels, fold, theta, counts=None) -> list[int]:
    sample = Sample(numbers, (), (), labels, len(labels))
    features = sample.layer(design(), standardize=False).features(numbers)
    logits = (theta[:, :-1] @ features + theta[:, -1:])[fold, np.arange(len(labels))]
    weights = None if counts is None else counts.astype(np.float32)
    judge = Judge(labels, weights, weights)
    return list(useless_bends(design(), features, fold, theta, logits, judge, counts))


def test_what_helps_is_kept_and_the_rest_is_not():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(2, ROWS))
    theta = np.tile([0.0, 1.0, 2.0, -2.0, 0.4, -0.4, 0.0], (2, 1))
    curve = 2 * np.interp(numbers[0], [-9, -1, 1, 9], [0, 1, -1, 0]) + numbers[1]
    labels = (rng.random(ROWS) < 1 / (1 + np.exp(-curve))).astype(np.float32)
    assert found(numbers, labels, np.arange(ROWS) % 2, theta) == [1]


def test_a_row_that_stands_for_several_is_there_as_often():
    rng = np.random.default_rng(1)
    for _ in range(200):
        # Around 1: numbers that are trained as they are need not lie around 0.
        numbers, counts = 1 + rng.normal(size=(2, 60)) * 2, rng.integers(1, 9, 60)
        labels, fold = (rng.integers(0, 2, 60) for _ in range(2))
        theta = rng.normal(size=(2, 7))
        every = np.repeat(np.arange(60), counts)
        once = found(numbers, labels.astype(np.float32), fold, theta, counts.astype(float))
        assert once == found(
            numbers[:, every], labels[every].astype(np.float32), fold[every], theta
        )
