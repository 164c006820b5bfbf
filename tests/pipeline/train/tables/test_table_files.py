"""Tables of every source become the same features and labels."""

import gzip

import numpy as np
import pandas as pd
import pytest

from serve_runtime.errors import InputError
from train.errors import DataError
from train.recipe.keys import Data
from train.tables.table import load_holdout_table, load_table
from train.tables.table_files import find_table_files

CSV = "age,dose,y\n41,0.5,0\n52,1.5,1\n63,-2.25,0\n74,1e-3,1\n"
FEATURES = [[41, 52, 63, 74], [0.5, 1.5, -2.25, 1e-3]]


@pytest.fixture
def frame():
    return pd.DataFrame({"age": [41, 52, 63, 74], "dose": FEATURES[1], "y": [0, 1, 0, 1]})


def check(table) -> None:
    assert table.served().dtype == table.labels.dtype == np.float32
    assert table.features.flags.c_contiguous
    assert np.array_equal(table.features, np.array(FEATURES, table.features.dtype))
    assert np.array_equal(table.served(), np.array(FEATURES, np.float32))
    assert table.labels.tolist() == [0, 1, 0, 1]
    assert table.rows == 4


def test_csv(table):
    found = load_table(Data(file=table(CSV)), 0)
    check(found)
    assert found.feature_names == ("age", "dose")
    assert found.classes.labels == (0, 1)


@pytest.mark.parametrize(
    "content",
    [
        CSV.replace("\n", "\r\n"),
        CSV.rstrip("\n"),
        "\ufeff" + CSV,
        CSV + "\n\n",
        CSV.replace("52,", '"52",'),
    ],
    ids=["CRLF", "no last newline", "byte order mark", "blank last lines", "quotes"],
)
def test_csv_as_other_programs_write_it(content, table):
    check(load_table(Data(file=table(content)), 0))


def test_gzipped_csv(table):
    check(load_table(Data(file=table(gzip.compress(CSV.encode()), "table.csv.gz")), 0))


def test_csv_without_a_header_has_its_target_last(table):
    found = load_table(Data(file=table(CSV.split("\n", 1)[1]), header=False), 0)
    check(found)
    assert found.feature_names == ("f0", "f1")


def test_parquet(frame, workplace):
    frame.to_parquet("table.parquet")
    check(load_table(Data(file="table.parquet"), 0))


def test_parquet_never_lacks_a_header(frame, workplace):
    frame.rename(columns={"y": "label"})[["label", "age", "dose"]].to_parquet("t.parquet")
    check(load_table(Data(file="t.parquet", header=False), 0))


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16", "float32", "float64", "Int64"])
def test_numeric_types_of_parquet(kind, frame, workplace):
    frame.astype({"age": kind}).to_parquet("table.parquet")
    check(load_table(Data(file="table.parquet"), 0))


def test_booleans_are_0_and_1(frame, workplace):
    frame["sick"] = [True, False, False, True]
    frame.to_parquet("table.parquet")
    frame.to_csv("table.csv", index=False)
    for file in ("table.parquet", "table.csv"):
        assert load_table(Data(file=file, features=["sick"]), 0).features.tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0], [True, False, True, False]])
def test_digest_is_the_same_for_csv_and_parquet(labels, frame, workplace):
    frame["y"] = labels
    frame.to_parquet("table.parquet")
    frame.to_csv("table.csv", index=False)
    digests = {load_table(Data(file=f), 0).digest() for f in ("table.parquet", "table.csv")}
    assert len(digests) == 1


def test_digest_sees_every_change(frame, workplace):
    def digest(changed: pd.DataFrame, **options) -> str:
        changed.to_parquet("table.parquet")
        return load_table(Data(file="table.parquet", **options), 0).digest()

    larger, other_label = frame.copy(), frame.copy()
    larger.loc[3, "dose"] = np.nextafter(np.float32(1e-3), np.float32(1))
    other_label.loc[0, "y"] = 1
    digests = [
        digest(frame),
        digest(larger),
        digest(other_label),
        digest(frame.rename(columns={"age": "years"})),
        digest(frame[["dose", "age", "y"]]),
        digest(frame.iloc[::-1]),
        digest(frame, positive=0),
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("target", ["dose", 1, -2, "1", "-2"])
def test_target_by_name_or_position(target, table):
    found = load_table(Data(file=table("y,dose,age\n1,0,41\n2,1,52\n"), target=target), 0)
    assert found.feature_names == ("y", "age")
    assert found.labels.tolist() == [0, 1]


def test_a_name_goes_before_a_position(table):
    content = "1,0,a\n5,7,1\n6,8,2\n"
    assert load_table(Data(file=table(content), target="0"), 0).feature_names == ("1", "a")


@pytest.mark.parametrize("name", ["target", "label", "y", "Y", "Label"])
def test_default_target_is_the_usual_name(name, table):
    found = load_table(Data(file=table(f"a,{name},b\n5,0,1\n6,1,2\n")), 0)
    assert found.feature_names == ("a", "b")


@pytest.mark.parametrize(
    ("header", "target", "message"),
    [
        ("a,b,c", None, "say which column to predict .*; there are 'a', 'b', 'c'"),
        ("a,y,label", None, "say which column to predict .*; there are 'a', 'y', 'label'"),
        ("a,b,c", "d", "no target column 'd'; there are 'a', 'b', 'c'"),
        ("a,b,c", 3, "no target column 3; there are 'a', 'b', 'c'"),
        ("a,b,c", "-4", "no target column '-4'; there are 'a', 'b', 'c'"),
    ],
)
def test_target_that_is_not_there(header, target, message, table):
    with pytest.raises(DataError, match=rf"^table\.csv: {message}$"):
        load_table(Data(file=table(f"{header}\n1,0,0\n2,1,1\n"), target=target), 0)


def test_features_are_chosen_and_ordered(table):
    assert load_table(Data(file=table(CSV), features=["dose", "age"]), 0).feature_names == (
        "dose",
        "age",
    )
    assert load_table(Data(file="table.csv", features=["dose"]), 0).features.tolist()[0][:2] == [
        0.5,
        1.5,
    ]


def test_dropped_columns_are_not_read(table):
    text = CSV.replace("age", "name").replace("41", "Ann").replace("52", "Bob")
    assert load_table(Data(file=table(text), drop=["name"]), 0).feature_names == ("dose",)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"drop": ["x", "z"]},
            DataError,
            "data.drop names 'x', 'z', which is not among the f",
        ),
        ({"drop": ["age", "dose"]}, DataError, "no feature is left beside the target"),
        ({"features": ["age", "y"]}, DataError, "target 'y' cannot be one of the features"),
        (
            {"features": ["age", "size"]},
            DataError,
            "data.features names 'size', which",
        ),
        ({"features": ["age", "age"]}, DataError, "data.features names a column twice: 'age'"),
    ],
)
def test_columns_that_cannot_be_used(options, error, message, table):
    with pytest.raises(error, match=rf"^table\.csv: .*{message}"):
        load_table(Data(file=table(CSV), **options), 0)


def test_holdout_file_is_matched_by_name(table):
    train = load_table(Data(file=table(CSV)), 0)
    data = Data(holdout=table("extra,y,dose,age\n9,1,1.5,52\n9,1,0.5,41\n", "hold.csv"))
    holdout = load_holdout_table(data, "hold.csv", train)
    assert holdout.features.tolist() == [[52, 41], [1.5, 0.5]]
    assert holdout.labels.tolist() == [1, 1]
    assert holdout.feature_names == train.feature_names


def test_holdout_file_that_lacks_a_feature(table):
    train = load_table(Data(file=table(CSV)), 0)
    with pytest.raises(InputError, match=r"^hold\.csv: .*missing: 'dose'"):
        load_holdout_table(Data(), table("y,age\n1,52\n", "hold.csv"), train)


@pytest.mark.parametrize("index", ["none", "range", "kept", "named", "two"])
def test_a_pandas_index_is_no_feature(frame, index, tmp_path):
    odd = frame.sample(frac=1, random_state=1)
    two = [list("abcd"), [1, 2, 3, 4]]
    frames = {
        "none": (odd, None, ("__index_level_0__",)),
        "range": (frame, True, ("__index_level_0__",)),
        "kept": (frame, None, ()),  # as metadata alone
        "named": (odd.rename_axis("id"), None, ("id",)),
        "two": (frame.set_index(pd.MultiIndex.from_arrays(two, names=["a", None])), None,
                ("a", "__index_level_1__")),
    }  # fmt: skip
    made, written, left_out = frames[index]
    path = str(tmp_path / "t.parquet")
    made.to_parquet(path, index=written)
    choices = ({}, {"target": "-1"}, {"drop": list(left_out)})
    for data in (Data(file=path, **choice) for choice in choices):
        found = find_table_files(data, path)
        assert (found.names, found.target) == (("age", "dose"), "y")
        assert all(
            f"pandas frame: {', '.join(map(repr, left_out))} (" in note for note in found.notes
        )
        assert len(found.notes) == bool(left_out)
    check_rows = load_table(Data(file=path), 0)
    assert sorted(check_rows.features[0]) == FEATURES[0]


def test_an_index_that_is_named_is_a_feature(frame, tmp_path):
    path = str(tmp_path / "t.parquet")
    frame.set_index("dose").to_parquet(path)
    assert find_table_files(Data(file=path), path).names == ("age",)
    chosen = find_table_files(Data(file=path, features=["age", "dose"]), path)
    assert (chosen.names, chosen.notes) == (("age", "dose"), ())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_names_of_folders_are_columns(frame, kind, tmp_path):
    for number, (_, row) in enumerate(frame.iterrows()):
        folder = tmp_path / f"dose={row.dose}"
        folder.mkdir()
        rest = pd.DataFrame({"age": [int(row.age)], "y": [int(row.y)]})
        if kind == "csv":
            rest.to_csv(folder / f"{number}.csv", index=False)
        else:
            rest.to_parquet(folder / f"{number}.parquet")
    found = load_table(Data(file=str(tmp_path)), 0)
    assert found.feature_names == ("age", "dose")
    wanted = zip(*map(np.float64, (frame.age, frame.dose, frame.y)), strict=True)
    assert set(zip(*found.features, found.labels, strict=True)) == set(wanted)
    assert find_table_files(Data(), str(tmp_path)).notes == ("from the names of folders: 'dose'",)


@pytest.mark.parametrize("values", [("0", "1"), ("no", "yes")])
def test_a_folder_may_hold_the_target(values, tmp_path):
    for number, value in enumerate(values):
        (tmp_path / f"y={value}").mkdir()
        (tmp_path / f"y={value}" / "t.csv").write_text(f"a\n{number}\n{number + 2}\n")
    found = load_table(Data(file=str(tmp_path)), 0)
    assert found.feature_names == ("a",)
    assert found.labels.tolist() == [0, 0, 1, 1]


def test_a_first_line_of_numbers_is_no_header(table):
    for content in ("5.1,3.5,0\n4.9,3,1\n6,3,0\n", "1e3,,-2\n1,2,3\n", '"1"," 2"\n1,2\n'):
        with pytest.raises(InputError, match=r"holds nothing but numbers .*say --no-header"):
            load_table(Data(file=table(content), target="-1"), 0)


@pytest.mark.parametrize("drop", [[""], ["", "old"], ["old", ""]])
def test_columns_without_a_name_are_dropped_by_it(drop, frame, workplace):
    frame.assign(old=1, i=7).set_index(["i", "dose"]).to_csv("t.csv", index_label=["", ""])
    with pytest.raises(
        DataError, match=r"column 1 has no name, as the index of a pandas .* --drop"
    ):
        load_table(Data(file="t.csv"), 0)
    found = load_table(Data(file="t.csv", drop=drop), 0)
    assert found.feature_names == ("age", "old")[: 2 - ("old" in drop)]


def test_an_empty_name_to_drop_is_no_matter_elsewhere(table, command):
    content = CSV + CSV.split("\n", 1)[1] * 5
    result = command(table(content), "--drop", "", "--out", "run", "--holdout", "0")
    assert result.exit_code == 0, result.output
    unnamed = table("".join(f"{i or ''},{line}\n" for i, line in enumerate(content.split())))
    result = command(unnamed, "--out", "one", "--holdout", "0")
    assert "To leave them out: --drop ''" in " ".join(result.output.split())
    result = command(unnamed, "--drop", "", "--out", "one", "--holdout", "0")
    assert result.exit_code == 0, result.output
    result = command(unnamed, "--drop", ",dose", "--out", "two", "--holdout", "0")
    assert result.exit_code == 0, result.output
