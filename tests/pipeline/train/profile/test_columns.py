"""Histograms hold all values, in bins that suit them; levels are the frequent ones."""

from itertools import pairwise

import numpy as np
import pytest

from serve_runtime.features.column import CATEGORY, Column
from train.design import Design
from train.profile.columns import (
    MOST_HISTOGRAMS,
    MOST_LEVELS,
    column_profiles,
    histogram,
    histogram_positions,
)

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(size=1000),
        RNG.standard_cauchy(size=5000),
        RNG.normal(size=50) * 1e-30,
        1.7e9 + RNG.random(500) * 1e-2,
        RNG.normal(size=500) * 1e38,
        np.arange(6.0),
    ],
    ids=["normal", "far", "tiny", "precise", "huge", "six"],
)
def test_bins_of_one_width_hold_all_values(values):
    found = histogram(values)
    edges = np.array(found["edges"])
    assert sum(found["counts"]) == len(values)
    assert len(edges) == len(found["counts"]) + 1 <= 25
    widths = np.diff(edges)
    assert (widths > 0).all()
    assert widths == pytest.approx(np.full(len(widths), widths[0]), rel=1e-2)
    inner = [((low <= values) & (values < high)).sum() for low, high in pairwise(edges)]
    assert found["counts"][1:-1] == pytest.approx(inner[1:-1], abs=1)


def test_far_values_are_in_the_bins_at_the_ends():
    found = histogram(np.r_[np.linspace(0, 1, 1000), -1e9, 1e9])
    assert found["edges"][0] >= -0.01
    assert found["edges"][-1] <= 1.01
    assert sum(found["counts"]) == 1002


def test_each_bin_holds_as_many_whole_numbers():
    assert histogram(np.array([1.0, 2, 2, 3, 3, 3] * 20)) == {
        "edges": [0.5, 1.5, 2.5, 3.5],
        "counts": [20, 40, 60],
    }
    edges = histogram(np.arange(100.0).repeat(10))["edges"]
    assert np.unique(np.diff(edges)).tolist() == [5.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.empty(0), {"edges": [], "counts": []}),
        (np.full(9, 2.5), {"edges": [2.5, 2.5], "counts": [9]}),
    ],
)
def test_no_values_and_one(values, expected):
    assert histogram(values) == expected


def test_mostly_one_value():
    found = histogram(np.r_[np.zeros(10_000), 1.5])
    assert (found["edges"][0], found["edges"][-1], found["counts"][0]) == (0, 1.5, 10_000)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"), [(5, 3, 5), (10**6, 3, 1 << 14), (10**6, 1 << 10, 1 << 10)]
)
def test_histograms_look_at_rows_from_first_to_last(rows, columns, expected):
    positions = histogram_positions(rows, columns)
    assert len(positions) == len(np.unique(positions)) == expected
    assert (positions[0], positions[-1]) == (0, rows - 1)


def test_columns_are_in_the_order_of_the_card():
    levels = tuple(sorted(f"l{i:02}" for i in range(20)))
    columns = (
        Column("town", CATEGORY, levels=levels, counts=tuple(range(20)), rare=("x",),
               rare_count=4, missing="level", gaps=3, missing_texts=("",)),
        Column("age", low=0.0, high=2.0, missing="median", gaps=1),
    )  # fmt: skip
    design = Design(columns, np.array([1.0]), np.empty(0))
    town, age = column_profiles(design, np.array([[0, 1, np.nan, 2]]), {"age": 1.0, "town": 2.0})
    assert (town["name"], town["kind"], town["missing"]) == ("town", "category", 3)
    assert town["levels"][:2] == [["l19", 19], ["l18", 18]]
    assert len(town["levels"]) == MOST_LEVELS
    assert town["others"] == sum(range(20 - MOST_LEVELS)) + 4
    assert age == {
        "name": "age", "kind": "number", "missing": 1,
        "edges": [-0.5, 0.5, 1.5, 2.5], "counts": [1, 1, 1],
    }  # fmt: skip


def test_of_many_numbers_the_important_ones_have_histograms():
    count = MOST_HISTOGRAMS + 10
    columns = tuple(Column(f"c{i}", low=0.0, high=1.0) for i in range(count))
    design = Design(columns, np.full(count, np.nan), np.empty(0))
    found = column_profiles(
        design, RNG.random((count, 9)), {f"c{i}": float(i) for i in range(count)}
    )
    assert [bool(column["counts"]) for column in found] == [i >= 10 for i in range(count)]
