"""Rows of a hold-out file that the model would refuse are named."""

import pytest

from train.errors import DataError

TOWNS = ["Rome", "Ulm"] * 30


@pytest.fixture
def hold(write, frame, ending, decide):
    """`hold(columns=…, town="x")`: train on a frame, hold out another whose third row differs."""

    def run(columns=None, **changes):
        frame["town"] = TOWNS
        other = frame[:6].copy()
        for name, value in changes.items():
            other.loc[2, name] = value
        return decide(write(frame, ending), columns, holdout=str(write(other, ending, "hold")))

    return run


def test_rows_as_those_of_training_are_no_matter(hold):
    assert hold()["town"].counts == (30, 30)
    assert hold(town="elsewhere")["town"].levels == ("Rome", "Ulm")


@pytest.mark.parametrize("column", ["x", "town"])
def test_a_value_that_never_missed_in_training(hold, column, ending):
    message = rf"hold\.{ending}: data row 3, column '{column}' is missing, which it is in no train"
    with pytest.raises(DataError, match=message):
        hold(**{column: None})
    assert hold({"missing": "median" if column == "x" else "unknown"}, **{column: None})


def test_a_level_that_is_to_be_refused(hold):
    message = "data row 3, column 'town' has the level 'elsewhere', which no training row has, and"
    with pytest.raises(DataError, match=message):
        hold({"unknown": "error"}, town="elsewhere")


def test_a_level_of_none_but_rows_held_out_at_random(write, frame, ending, decide):
    frame["town"] = TOWNS
    frame.loc[::4, "town"] = [f"new{i}" for i in range(15)]
    message = r"data row \d+, column 'town' has the level 'new\d+', which no training row has, and"
    with pytest.raises(DataError, match=message):
        decide(write(frame, ending), {"unknown": "error"}, holdout=0.3)
    assert decide(write(frame, ending), {"unknown": "average"}, holdout=0.3)


@pytest.mark.parametrize("missing", ["level", "unknown"])
def test_a_level_or_unknown_where_training_saw_no_gap(hold, missing):
    assert hold({"missing": missing}, town=None)["town"].missing == "unknown"
