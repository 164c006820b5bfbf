"""Which columns are read as numbers, as texts and as times; what is refused, and what it says."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serve_runtime.errors import InputError
from train.errors import DataError
from train.tables import table_files

ROWS = 60


def lines(values) -> str:
    return "c,y\n" + "".join(f"{value},{i % 2}\n" for i, value in enumerate(values))


@pytest.fixture
def csv(tmp_path):
    def write(values, name="table.csv"):
        path = tmp_path / name
        path.write_text(lines(values), encoding="utf-8")
        return path

    return write


NUMBERS = [str(i % 7 + 0.5) for i in range(ROWS)]


@pytest.mark.parametrize("marker", ["?", " ", "-", "missing", "n/a", "NULL", "--", "unknown"])
@pytest.mark.parametrize("row", [0, 59])
def test_one_obvious_marker_among_numbers(decide, csv, marker, row):
    values = NUMBERS.copy()
    values[row] = marker
    found = decide(csv(values))
    assert (found["c"].kind, found["c"].gaps, found["c"].missing) == ("number", 1, "indicator")
    if marker not in ("n/a", "NULL"):  # Arrow knows these two
        assert found.reason("c") == f"{marker!r} is a gap; gaps: median and weight"


def test_a_marker_beyond_the_first_rows(decide, csv, monkeypatch):
    monkeypatch.setattr(table_files, "_LEAST_ROWS", 10)
    monkeypatch.setattr(table_files, "_MOST_ROWS", 10)
    assert decide(csv([*NUMBERS[1:], "?"]))["c"].gaps == 1
    assert decide(csv(["?", *NUMBERS[1:]]))["c"].gaps == 1
    late = decide(csv([*("1", "2") * 10, *("b", "a") * 20]))["c"]
    assert late.levels == ("1", "2", "a", "b")


def test_markers_that_are_told(decide, csv):
    values = ["-9", "none given", *NUMBERS[2:]]
    found = decide(csv(values), missing=["-9", "none given"])["c"]
    assert (found.kind, found.gaps) == ("number", 2)
    towns = decide(csv(["NA", "x", "y"] * 20), missing=["x"])["c"]
    assert (towns.levels, towns.gaps) == (("NA", "y"), 20)
    assert towns.missing_texts == ("", "x")


def test_flags_of_a_csv_with_gaps(decide, csv):
    found = decide(csv(["True", "", "False"] * 20))["c"]
    assert (found.kind, found.gaps, found.high) == ("number", 20, 1)
    assert decide(csv(["true", "?", "false"] * 20))["c"].gaps == 20
    assert decide(csv(["true", "1", "false"] * 20))["c"].kind == "category"


@pytest.mark.parametrize("row", [0, 59])
def test_a_mistake_among_numbers_is_refused(decide, csv, row):
    values = [str(i * 1.5) for i in range(ROWS)]
    values[row] = "1o.5"
    message = (
        rf"table\.csv, line {row + 2}: features must be numbers.* 'c' \('1o\.5' is no number\)\. .*"
        r"--category c if .*, or --missing 1o\.5 if that marks a missing value$"
    )
    with pytest.raises(InputError, match=message):
        decide(csv(values))
    assert decide(csv(values), {"category": ["c"]})["c"].kind == "category"
    assert decide(csv(values), missing=["1o.5"])["c"].gaps == 1


def test_few_levels_of_which_most_are_numbers(decide, csv):
    found = decide(csv(["0", "1", "2", "0", "1", "3+"] * 10))
    assert found["c"].levels == ("0", "1", "2", "3+")
    assert found.reason("c") == "texts such as '3+'"


def test_a_number_that_is_told_but_is_text(decide, csv, write, frame):
    frame["c"] = ["Rome", "Pisa"] * 30
    for path in (csv(frame["c"]), write(frame, "parquet")):
        with pytest.raises(DataError, match=r"columns\.number names 'c', which hold texts: write"):
            decide(path, {"number": ["c"]})
    with pytest.raises(InputError, match=r"line 3: features must be numbers.*\('Rome' is no"):
        decide(csv(["1", "Rome", "2"] * 20), {"number": ["c"]})


DATES = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(ROWS)]


@pytest.mark.parametrize("late", [False, True])
def test_dates_are_refused_unless_told(decide, write, ending, frame, late):
    frame["when"] = [f"{d}T10:00:00Z" for d in DATES] if late else DATES
    if late and ending == "parquet":
        frame["when"] = pd.to_datetime(frame["when"])
    path = write(frame, ending)
    with pytest.raises(
        DataError, match=r"'when' holds dates or times\. Say --number when for the "
    ):
        decide(path)
    found = decide(path, {"number": ["when"]})["when"]
    assert (found.kind, found.time) == ("precise", True)
    first = datetime.datetime(2024, 1, 1, 10 if late else 0, tzinfo=datetime.UTC)
    assert found.low == first.timestamp()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_instants_are_the_same_in_every_unit_and_zone(decide, tmp_path, unit, zone):
    seconds = [1_700_000_000 + 7 * i for i in range(ROWS)]
    parts = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    when = pa.array([s * parts for s in seconds], pa.int64()).cast(pa.timestamp(unit, zone))
    pq.write_table(pa.table({"t": when, "y": [0, 1] * 30}), tmp_path / "t.parquet")
    found = decide(tmp_path / "t.parquet", {"number": ["t"]})["t"]
    assert (found.kind, found.low, found.high) == ("precise", seconds[0], seconds[-1])


def test_text_in_one_file_and_number_in_another(decide, write, frame, tmp_path):
    frame["c"] = np.arange(ROWS) % 3
    write(frame, "parquet", "a")
    write(frame.assign(c=frame["c"].astype(str)), "parquet", "b")
    with pytest.raises(DataError, match=r"differ in what 'c' holds: texts in one, numbers in ano"):
        decide(tmp_path / "*.parquet")
    found = decide(tmp_path / "*.parquet", {"category": ["c"]})["c"]
    assert (found.levels, found.counts) == (("0", "1", "2"), (40, 40, 40))


def test_words_in_one_csv_of_several(decide, csv, tmp_path):
    csv(["1", "2"] * 30, "a.csv")
    csv(["w", "2"] * 30, "b.csv")
    assert decide(tmp_path / "*.csv")["c"].levels == ("1", "2", "w")


def test_columns_from_folders_may_be_texts(decide, frame, tmp_path):
    for town in ("Rome", "Ulm"):
        (tmp_path / "data" / f"town={town}").mkdir(parents=True)
        frame.to_parquet(tmp_path / "data" / f"town={town}" / "part.parquet", index=False)
        frame.to_csv(tmp_path / "data" / f"town={town}" / "more.csv", index=False)
    found = decide(tmp_path / "data")["town"]
    assert (found.levels, found.counts) == (("Rome", "Ulm"), (120, 120))


ASKED = {
    "absent": ({"category": ["towm"]}, r"columns\.category names 'towm', .*did you mean 'town'\?"),
    "absent number": ({"number": ["z"]}, r"columns\.number names 'z', which is not among the fea"),
    "absent table": ({"z": {"missing": "mean"}}, r"\[columns\] names 'z', which is not among"),
    "target": ({"category": ["y"]}, r"columns\.category names the target 'y': only features have"),
    "both": ({"category": ["x"], "number": ["x"]}, "a category or a number, not both: 'x'"),
}


@pytest.mark.parametrize("name", ASKED)
def test_columns_that_are_asked_for_in_vain(decide, write, ending, frame, name):
    asked, message = ASKED[name]
    frame["town"] = ["Rome", "Ulm"] * 30
    with pytest.raises(DataError, match=message):
        decide(write(frame, ending), asked)


def test_types_that_nothing_is_learned_from(decide, tmp_path, frame):
    for values in ([[1]] * 60, [b"x"] * 60, [datetime.time(1)] * 60):
        table = pa.Table.from_pandas(frame).append_column("c", pa.array(values))
        pq.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(
            DataError, match=r"column 'c' \(.*\) holds neither numbers nor texts\. "
        ):
            decide(tmp_path / "t.parquet")


def test_a_type_that_has_no_values(decide, tmp_path, frame):
    table = pa.Table.from_pandas(frame).append_column("c", pa.nulls(60))
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"every value is missing in 'c': .* --drop c$"):
        decide(tmp_path / "t.parquet")


def test_every_value_is_missing(decide, csv, write, frame):
    message = r"^every value is missing in 'c': nothing .* To leave them out: --drop c$"
    for values in ([""] * ROWS, ["?"] * ROWS, ["NA"] * ROWS):
        with pytest.raises(DataError, match=message):
            decide(csv(values))
    frame["c"] = np.full(ROWS, np.nan)
    with pytest.raises(DataError, match=message):
        decide(write(frame, "parquet"))


@pytest.mark.parametrize("odd", ["a\0b", "\0"])
def test_levels_with_a_nul_are_refused(decide, write, frame, odd):
    frame["c"] = [odd, *["Rome"] * 59]
    with pytest.raises(
        DataError, match=r"data row 1, column 'c' holds .*no level of a category can"
    ):
        decide(write(frame, "parquet"))


def test_texts_of_another_encoding(decide, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(lines(["Köln", "Ulm"] * 30), encoding="cp1252")
    with pytest.raises(InputError, match=r"no text in UTF-8.*--encoding"):
        decide(path)
    assert decide(path, encoding="cp1252")["c"].levels == ("Köln", "Ulm")


def test_dialects_are_taken(decide, tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i % 9},5; Rome ;{i % 2}\n" for i in range(ROWS)]
    path.write_text("v;town;y\n" + "".join(rows))
    found = decide(path, trim=True)
    assert (found["v"].low, found["v"].high, found["town"].levels) == (0.5, 8.5, ("Rome",))
    with pytest.raises(InputError, match="its first line is one column, 'v;town;y', as it is sep"):
        decide(path, separator=",")


def test_names_that_look_the_same(decide, write, ending, frame):
    frame = frame.rename(columns={"x": "caf\u00e9"}).assign(**{"cafe\u0301": ["a", "b"] * 30})
    with pytest.raises(DataError, match=r"two columns have the same name but for blanks or"):
        decide(write(frame, ending))
    assert decide(write(frame, ending), drop=["caf\u00e9"])["cafe\u0301"].levels == ("a", "b")
