"""Rows are counted by their label, and by whether they lie outside the training ranges."""

from dataclasses import replace

import numpy as np
import pytest

from serve_runtime.features.column import number_columns
from serve_runtime.scoring.score_summary import ScoreSummary

TYPES = [np.float32, np.float64, np.float16, np.int8, np.int64]


def summary_of(card, *batches, source="t"):
    """The summary of batches (x1, x2), all rows of which are positive but the first."""
    summary, first = ScoreSummary(card), 0
    for x1, x2 in batches:
        positive = np.ones(len(x1), np.int8)
        positive[:1] = 0
        summary.add(source, first, {"x2": np.asarray(x2), "x1": np.asarray(x1)}, positive)
        first += len(x1)
    return summary


def test_positive_rows_are_counted_over_all_batches(card):
    summary = summary_of(card, ([1, 2, 3], [1, 2, 3]), ([], []), ([4, 5], [1, 1]))
    assert (summary.positives, summary.rows_outside, summary.first_outside) == (3, 0, None)


def test_a_row_counts_once_and_the_first_is_told(card):
    """x1 is from 1 to 6 in training, and x2 from 1 to 3."""
    inside = ([1.0, 6.0], [3.0, 1.0])
    outside = ([2.0, 6.5, 0.5], [2.0, 0.0, 3.0])
    summary = summary_of(card, inside, outside, outside)
    assert summary.rows_outside == 4
    first = summary.first_outside
    assert (first.source, first.row, first.feature) == ("t", 3, "x1")
    assert (first.value, first.low, first.high) == (6.5, 1, 6)


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_of_number_is_compared_as_float32(card, dtype):
    summary = summary_of(card, (np.array([1, 6, 7], dtype), np.array([1, 3, 0], dtype)))
    assert summary.rows_outside == 1
    assert type(summary.first_outside.value) is np.float32


def test_a_value_that_rounds_into_the_range_is_inside(card):
    """The model sees float32 numbers, and so did training."""
    ends = (0.0, 1.0), (float(np.float32(0.1)), 3.0)
    ranges = replace(card, columns=number_columns(card.feature_names, *ends))
    above = np.nextafter(np.float32(0.1), np.float32(1))
    assert summary_of(ranges, ([0.1], [1.0])).rows_outside == 0
    assert summary_of(ranges, ([float(above)], [1.0])).rows_outside == 1


def test_counts_are_those_of_a_plain_loop(card):
    generator = np.random.default_rng(1)
    batches = [generator.uniform(0, 7, (2, 500)).astype(np.float32) for _ in range(4)]
    low, high = np.float32(card.feature_min), np.float32(card.feature_max)
    rows = np.concatenate(batches, axis=1).T
    wanted = [bool(((row < low) | (row > high)).any()) for row in rows]
    summary = summary_of(card, *batches)
    assert summary.rows_outside == sum(wanted)
    assert summary.first_outside.row == wanted.index(True)
