"""Columns that say the same twice are named, and others are not."""

import numpy as np
import pandas as pd
import pytest

ROWS = 200
RNG = np.random.default_rng(0)
X = RNG.normal(size=ROWS)
TOWN = RNG.choice(["Rome", "Ulm", "Pisa"], ROWS)
GAPS = np.where(np.arange(ROWS) % 5 == 0, np.nan, X)
SIZE = pd.Series(TOWN).map({"Rome": 3.5, "Ulm": 1.0, "Pisa": 2.25})

SAME = {
    "equal": ({"a": X, "b": X}, "'a' and 'b'"),
    "affine": ({"a": X, "b": 32 + 1.8 * X}, "'a' and 'b'"),
    "opposite": ({"a": X > 0, "b": X <= 0}, "'a' and 'b'"),
    "gaps in the same rows": ({"a": GAPS, "b": -2 * GAPS}, "'a' and 'b'"),
    "three": ({"a": X, "b": X + 1, "c": -X}, "'a' and 'b' and 'c'"),
    "categories": ({"a": TOWN, "b": np.char.upper(TOWN)}, "'a' and 'b'"),
    "determined": ({"a": TOWN, "b": SIZE}, "'a' and 'b', which it determines"),
    "many": (
        {"u": TOWN, "v": np.char.lower(TOWN), "w": SIZE, "x": X, "z": 3 * X},
        "'x' and 'z'; 'u' and 'v'; 'u' and 'w', which it determines; 'v' and 'w', which it det",
    ),
}
OTHERS = {
    "close": {"a": X, "b": X + 1e-6 * RNG.normal(size=ROWS)},
    "gaps elsewhere": {"a": GAPS, "b": np.where(np.arange(ROWS) % 5 == 1, np.nan, X)},
    "monotone": {"a": X, "b": np.exp(X)},
    "constants": {"a": np.ones(ROWS), "b": np.full(ROWS, 2.0)},
    "levels merged": {"a": TOWN, "b": np.where(TOWN == "Ulm", "it", "de")},
    "nearly determined": {"a": TOWN, "b": SIZE + (np.arange(ROWS) == 77)},
    "flag": {"a": TOWN, "b": TOWN == "Ulm"},
}


def hints(found):
    return [line for line in found.said if line.startswith("warning: the same twice")]


@pytest.mark.parametrize("name", SAME)
def test_the_same_twice(decide, write, ending, name):
    columns, said = SAME[name]
    (line,) = hints(decide(write(pd.DataFrame(columns).assign(y=np.arange(ROWS) % 2), ending)))
    assert line.startswith(f"warning: the same twice, in 200 rows looked at: {said}")
    assert line.endswith("--drop one of each")


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_the_same(decide, write, ending, name):
    frame = pd.DataFrame(OTHERS[name]).assign(y=np.arange(ROWS) % 2)
    assert hints(decide(write(frame, ending))) == []


def test_few_rows_agree_by_chance(decide, write, ending):
    frame = pd.DataFrame({"a": [1.0, 2], "b": [5.0, 9], "y": [0, 1]})
    assert hints(decide(write(frame, ending))) == []


ANSWERS = {
    "number": np.arange(ROWS) % 2 * 7.5,
    "opposite": 1 - np.arange(ROWS) % 2,
    "texts": np.where(np.arange(ROWS) % 2, "paid", "due"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_copy_of_the_target(decide, write, ending, name):
    frame = pd.DataFrame({"x": X, "town": TOWN, "copy": ANSWERS[name], "y": np.arange(ROWS) % 2})
    found = decide(write(frame, ending))
    (line,) = [line for line in found.said if "the same as the target" in line]
    assert line.startswith("warning: the same as the target in 200 rows looked at: 'copy'. ")
    assert line.endswith("To leave them out: --drop copy")
    assert hints(found) == []
    frame.loc[7, "copy"] = frame.loc[8, "copy"]
    assert not any("the same as the target" in line for line in decide(write(frame, ending)).said)
