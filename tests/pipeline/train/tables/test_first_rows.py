"""What is told of columns before training: likely ids, with the --drop for them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from train.recipe.keys import Data
from train.tables import first_rows, table_files
from train.tables.table_files import find_table_files

OPTIONS = ("--target", "y", "--holdout", "0", "--epochs", "2", "--out", "run")
ROWS = 60


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=ROWS), "y": rng.integers(0, 2, ROWS)})


@pytest.fixture(params=["table.csv", "table.csv.gz", "table.parquet"])
def write(request, workplace):
    def to_file(frame):
        if request.param.endswith("parquet"):
            frame.to_parquet(workplace / request.param, index=False)
        else:
            frame.to_csv(workplace / request.param, index=False)
        return request.param

    return to_file


def hint(output):
    """The line about ids, unwrapped."""
    text = output.replace("\n  ", " ")
    return [line for line in text.splitlines() if line.startswith("may be an id")]


IDS = {
    "rises": (range(7, 7 + ROWS), "'c': rises by one from row to row (60 rows"),
    "rises as float": (np.arange(ROWS) * 1.0, "'c': rises by one from row to row (60 rows"),
    "shuffled": (np.random.default_rng(1).permutation(ROWS), "whole numbers, another in every row"),
    "large": ([10**15 + 7 * (i % 2) + 2 * i for i in range(ROWS)], "another in every row"),
    "falls": (range(ROWS, 0, -1), "another in every row"),
}


@pytest.mark.parametrize("name", IDS)
def test_a_column_that_may_be_an_id_is_told(command, write, frame, name):
    values, expected = IDS[name]
    frame.insert(0, "c", values)
    result = command(write(frame), *OPTIONS)
    assert result.exit_code == 0
    (line,) = hint(result.output)
    assert expected in line
    assert line.endswith("To leave them out: --drop c")


NO_IDS = {
    "measured": np.random.default_rng(2).normal(size=ROWS),
    "repeated": np.arange(ROWS) // 2,
    "one twice": [*range(1, ROWS), 1],
    "halves": np.arange(ROWS) / 2,
    "booleans": np.arange(ROWS) % 2 == 0,
}


@pytest.mark.parametrize("name", NO_IDS)
def test_other_columns_are_no_ids(command, write, frame, name):
    frame["c"] = NO_IDS[name]
    result = command(write(frame), *OPTIONS)
    assert result.exit_code == 0
    assert hint(result.output) == []


def test_all_ids_are_told_at_once_beside_what_is_dropped(command, write, frame):
    frame["row no"], frame["id"], frame["gone"] = range(ROWS), range(0, 7 * ROWS, 7), "text"
    (line,) = hint(command(write(frame), *OPTIONS, "--drop", "gone").output)
    assert "'row no': rises by one from row to row; 'id': whole numbers, another" in line
    assert line.endswith("--drop 'gone,row no,id'")
    result = command(write(frame), *OPTIONS, "--force", "--drop", "gone,row no,id")
    assert result.output.startswith("60 rows, 1 features")


def test_features_that_were_chosen_are_no_matter(command, write, frame):
    frame["id"] = range(ROWS)
    assert hint(command(write(frame), *OPTIONS, "--features", "x,id").output) == []


def test_few_rows_tell_nothing(command, write, frame):
    frame["n"] = range(ROWS)
    assert hint(command(write(frame[:19]), *OPTIONS).output) == []


def test_columns_of_text_of_their_own_come_with_an_option(refused, command, write, frame):
    frame["name"] = [f"N. {i}" for i in range(ROWS)]
    frame["mail"] = [f"{i}@b.org" for i in range(ROWS)]
    path = write(frame)
    said = refused(path, *OPTIONS[:-2], "--positive", "1", "--drop", "x")
    assert said.startswith(
        "nearly every row has a text of its own in 'name' (60 texts in 60 rows, such as 'N. 0'), "
    )
    assert "To leave them out: --drop x,name,mail, or say --category name,mail" in said
    assert command(path, *OPTIONS, "--drop", "name,mail").exit_code == 0


def test_a_number_that_is_mistyped_is_no_reason_to_drop_its_column(refused, table):
    lines = "".join(f"{i},1e{i},{i % 2}\n" for i in range(9))
    said = refused(table("a,c,y\n" + lines.replace("1e5", "l05")), *OPTIONS[:-2])
    assert said.startswith("table.csv, line 7: features must be numbers")
    assert said.endswith(
        "or say --category c if its values are kinds rather than amounts, or --missing l05 if that "
        "marks a missing value"
    )


def test_names_that_no_option_can_hold_are_left_to_a_recipe(refused, table):
    text = '"a, b",x,y\n' + "".join(f"red {i},{i % 5},{i % 2}\n" for i in range(30))
    said = refused(table(text), *OPTIONS[:-2])
    assert "Name the columns to learn from with --features, or data.drop in a recipe, or" in said


def test_a_wide_table_is_looked_at_in_few_rows(workplace, monkeypatch):
    frame = pd.DataFrame(np.arange(8_000).reshape(80, 100), columns=[f"c{i}" for i in range(100)])
    frame["y"] = [0, 1] * 40
    frame.to_csv("wide.csv", index=False)
    monkeypatch.setattr(table_files, "_MOST_VALUES", 3_000)
    said = []
    files = find_table_files(Data(file="wide.csv"), "wide.csv")
    first_rows.look_at_first_rows(files, (), chosen=False, say=said.append)
    assert "'c0', 'c1'" in said[0]
    assert "(30 rows looked at)" in said[0]
    assert "--features" in said[0], "a hundred names are nothing to copy"


@pytest.mark.parametrize("exponent", [30, 70])
def test_long_decimals_may_be_an_id(command, workplace, frame, exponent):
    values = [Decimal(f"{10**exponent + number}.00") for number in range(ROWS)]
    table = pa.table({"c": pa.array(values, pa.decimal256(74, 2)), **frame.to_dict("list")})
    pq.write_table(table, workplace / "table.parquet")
    result = command("table.parquet", *OPTIONS)
    assert hint(result.output)


def test_floats_too_large_for_a_fraction_are_no_id(command, write, frame):
    frame.insert(0, "c", frame["x"] * 1e30)
    assert not hint(command(write(frame), *OPTIONS).output)
