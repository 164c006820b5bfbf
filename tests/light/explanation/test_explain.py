import json
import math
from dataclasses import replace

import numpy as np
import pytest

from light import mixed
from light.commands.running import invoke
from light.helpers import TINY, card_field, graph_of, tiny_card, write_model
from light.wide import write_bundle
from serve_runtime import Predictor
from serve_runtime.bundle.card import MEANS
from serve_runtime.bundle.model_file import read_models

TABLE = "id,x1,x2\n007,1,2\n008,6,3\n009,9,2\n"


@pytest.fixture
def averaged(tmp_path):
    """The tiny model with means on its card."""
    training = {**tiny_card().training, MEANS: [3.5, 2.0]}
    return write_model(tmp_path / "model.onnx", replace(tiny_card(), training=training))


def raw_model(tmp_path, **training):
    path = tmp_path / "mixed.onnx"
    path.write_bytes(mixed.file_of(training=training))
    return path


def explained(model, table, *options):
    result = invoke("explain", model, table, *options)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_a_row_is_told_as_a_sum(averaged, table):
    predictor, x = Predictor(averaged), [[6, 3]]
    ((one, two),), bias, _ = predictor.contributions(x)
    lines = explained(averaged, table, "--row", 2)
    assert lines[:5] == [
        f"{table}: data row 2",
        f"probability  {predictor.probability(x)[0]:.6g} of 1",
        "label        1 (1 from 0.5 on)",
        f"logit        {predictor.decision_function(x)[0]:+.6g}, which is the sum of:",
        "",
    ]
    found = {line.split("'")[1]: line for line in lines[5:7]}
    assert found["x1"].split()[0] == f"{one:+.4g}"
    assert found["x1"].endswith("6 (average 3.5)")
    assert found["x2"].split()[0] == f"{two:+.4g}"
    assert lines[7].split()[0] == f"{bias:+.4g}"
    assert lines[7].endswith("bias: the average training row")


def test_bars_have_the_sign_and_the_size(tmp_path):
    write_bundle(tmp_path / "b", [4.0, -2.0, 0.25, 1e-9], bias=-1.0)
    (tmp_path / "in.csv").write_text("f0,f1,f2,f3\n1,1,1,1\n")
    pytest.importorskip("pyarrow")
    lines = explained(tmp_path / "b", tmp_path / "in.csv", "--row", 1)
    bars = [line[14:30].rstrip() for line in lines[5:10]]
    assert bars == ["+" * 16, "-" * 8, "+", "", "-" * 4]


def test_of_many_columns_the_largest_are_shown(tmp_path):
    pytest.importorskip("pyarrow")
    names, folder = write_bundle(tmp_path / "b", np.arange(1, 21) / 10, bias=0)
    (tmp_path / "in.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * 20) + "\n")
    lines = explained(folder, tmp_path / "in.csv", "--row", 1)
    assert [line.split("'")[1] for line in lines[5:17]] == [f"f{i}" for i in range(19, 7, -1)]
    assert lines[17].split()[0] == f"{sum(range(1, 9)) / 10:+.4g}"
    assert lines[17].endswith("8 others together")
    lines = explained(folder, tmp_path / "in.csv", "--row", 1, "--all")
    assert [line.split("'")[1] for line in lines[5:25]] == [f"f{i}" for i in range(19, -1, -1)]


def test_json_adds_up(averaged, table):
    result = invoke("explain", averaged, table, "--row", 3, "--row", 1, "--row", 3, "--json")
    found = json.loads(result.output)
    predictor = Predictor(averaged)
    assert found["model_id"] == predictor.model_id
    assert (found["classes"], found["threshold"]) == ([0, 1], 0.5)
    assert [row["row"] for row in found["rows"]] == [3, 1]
    for row, x in zip(found["rows"], [[9, 2], [1, 2]], strict=True):
        terms = [part["contribution"] for part in row["contributions"]]
        assert math.fsum([*terms, row["bias"]]) == pytest.approx(row["logit"], abs=1e-5)
        assert row["probability"] == predictor.probability([x])[0]
        assert row["label"] == predictor.predict([x])[0]
    first = found["rows"][0]["contributions"][0]
    assert (first["column"], first["value"], first["compared_with"]) == ("x1", 9, 3.5)
    assert first["note"] == "outside the training range, 1 to 6"


def test_what_is_odd_about_a_value_is_told(tmp_path):
    pytest.importorskip("pyarrow")
    model = raw_model(tmp_path, means=[40.0, None, 4.0, mixed.BORN, None, None])
    (tmp_path / "in.csv").write_text(
        "age,colour,visits,born,code,room\n"
        ",teal,12,2023-11-14T22:13:20Z,True,kitchen\n"
        "17,?,3,,7,hall\n"
    )
    first = "\n".join(explained(model, tmp_path / "in.csv", "--row", 1))
    assert "'age'     missing: has a weight of its own" in first
    assert "'colour'  'teal' (a rare level, which training put together with others)" in first
    assert "'visits'  12 (average 4; outside the training range, 0 to 9)" in first
    assert "'born'    2023-11-14T22:13:20 (average 2023-11-14T22:13:20)" in first
    assert "'code'    'True'\n" in first
    assert "'room'    'kitchen' (unknown level: counts as the average row)" in first
    second = "\n".join(explained(model, tmp_path / "in.csv", "--row", 2))
    assert "'colour'  missing: a level of its own" in second
    assert "'born'    missing: counts as the median" in second
    assert "'code'    '7' (unknown level: counts as the average row)" in second


def test_a_card_without_means_says_so(table):
    lines = explained(TINY, table, "--row", 2)
    assert "6 (compared with 1)" in "\n".join(lines)
    assert lines[7].endswith("bias: a row of what values are compared with")
    assert lines[9].startswith("This card tells no means: a number is compared with")


def test_names_are_shown_safely(tmp_path):
    pytest.importorskip("pyarrow")
    _, folder = write_bundle(tmp_path / "b", [1.0, 2.0])
    names = ["a\x1b[31m\u202eb", "long " * 30]
    card = Predictor(folder).card
    columns = tuple(replace(c, name=n) for c, n in zip(card.columns, names, strict=True))
    file = read_models(folder)[0]
    made = replace(card, columns=columns)
    (tmp_path / "m.onnx").write_bytes(graph_of(file.content, card) + card_field(made.to_json()))
    (tmp_path / "in.csv").write_text(f'"{names[0]}","{names[1]}"\n1,2\n', encoding="utf-8")
    output = invoke("explain", tmp_path / "m.onnx", tmp_path / "in.csv", "--row", 1).output
    assert r"'a\x1b[31m\u202eb'" in output
    assert "'long long long long long long l…'" in output
    assert output.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "name the row to explain: --row 1 is the first one of the table"),
        (("--row", 0), 2, "0 is no row: they count from 1, without the header"),
        (("--row", -3), 2, "-3 is no row: they count from 1"),
        (("--row", "x"), 2, "'x' is not a valid integer"),
        (("--row", 4), 1, "in.csv has 3 data rows, and so no data row 4: rows count from 1"),
        (
            ("--row", 1, "--row", 9, "--row", 7),
            1,
            "has 3 data rows, and so no data rows 7, 9: rows",
        ),
        (("--row", 10**30), 1, "and so no data row 1"),
    ],
)
def test_rows_that_are_none_are_told(table, options, code, said):
    result = invoke("explain", TINY, table, *options)
    assert result.exit_code == code
    assert said in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x1,y\n1,2\n", "x2"),
        ("x1,x2\n1,2\n,3\n", "in.csv: data row 2, feature 'x1' is missing (NaN)"),
        ("x1,x2\n1,2\n1e30,1e39\n", "in.csv: data row 2, feature 'x2' is inf"),
        ("x1,x2\n1,2\nabc,3\n", "abc"),
        ("", "in.csv is empty"),
        ("x1,x2\n", "in.csv has 0 data rows, and so no data row 2"),
    ],
)
def test_what_cannot_be_explained_is_told(tmp_path, text, said):
    pytest.importorskip("pyarrow")
    (tmp_path / "in.csv").write_text(text)
    result = invoke("explain", TINY, tmp_path / "in.csv", "--row", 2)
    assert result.exit_code == 1
    assert said in result.output


def test_tables_are_read_as_score_reads_them(tmp_path, averaged):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    expected = explained(averaged, _written(tmp_path / "a.csv", TABLE), "--row", 2)[1:]
    other = _written(tmp_path / "b.csv", "id;x1;x2\n007;1,0;2\n008;6,0;3\n")
    assert explained(averaged, other, "--row", 2)[1:] == expected
    bare = _written(tmp_path / "c.csv", "6,3\n")
    assert explained(averaged, bare, "--row", 1, "--columns", "x1,x2")[1:] == expected
    pq.write_table(pa.table({"x2": [2, 3], "x1": [1.0, 6.0]}), tmp_path / "d.parquet")
    assert explained(averaged, tmp_path / "d.parquet", "--row", 2)[1:] == expected
    result = invoke("explain", averaged, "-", "--row", 2, input=TABLE)
    assert result.output.splitlines()[1:] == expected
    assert result.output.startswith("-: data row 2\n")


def test_a_row_far_down_is_found(tmp_path, averaged):
    pytest.importorskip("pyarrow")
    path = tmp_path / "in.csv"
    path.write_text("x1,x2\n" + "1,2\n" * 300_000 + "6,3\n")
    lines = explained(averaged, path, "--row", 300_001, "--row", 300_000)
    assert lines[0] == f"{path}: data row 300001"
    assert "6 (average 3.5)" in "\n".join(lines[:8])
    assert lines[9] == f"{path}: data row 300000"


def _written(path, text):
    path.write_text(text)
    return path
