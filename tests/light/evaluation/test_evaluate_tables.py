"""Tables with labels are read as score reads them, and evaluated in bounded memory."""

import gzip
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from light.helpers import TINY, write_model
from serve_runtime import InputError, Predictor
from serve_runtime.errors import NonFiniteError
from serve_runtime.features.column import number_columns

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.evaluation.evaluate_tables import evaluate_tables  # noqa: E402

ROWS = [(1, 2, 0), (6, 3, 1), (5, 1, 1), (2, 2, 1), (1, 3, 0)]
CSV = "x1,x2,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)


def columns():
    x1, x2, y = map(list, zip(*ROWS, strict=True))
    return {"id": list("abcde"), "y": y, "x2": x2, "x1": x1}


@pytest.fixture
def expected(predictor, tmp_path):
    (tmp_path / "plain.csv").write_text(CSV)
    return evaluate_tables(predictor, tmp_path / "plain.csv", "y")


def test_the_scores_are_those_of_the_predictor(predictor, expected):
    table = np.array(ROWS)
    predicted = predictor.predict(table[:, :2]).tolist()
    assert expected.rows == 5
    assert expected.base_rate == 0.6
    assert expected.accuracy == np.mean(predicted == table[:, 2])
    probability = predictor.probability(table[:, :2]).astype(float)
    assert expected.brier == pytest.approx(((probability - table[:, 2]) ** 2).mean())


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "folder", "glob", "-"])
def test_every_kind_of_table_gives_the_same(predictor, expected, tmp_path, monkeypatch, name):
    source = tmp_path / name
    if name == "t.csv":
        source.write_text(CSV)
    elif name == "t.csv.gz":
        source.write_bytes(gzip.compress(CSV.encode()))
    elif name == "t.parquet":
        pq.write_table(pa.table(columns()), source)
    elif name == "-":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
        source = "-"
    else:
        folder = tmp_path / "folder" / "sub"
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text("\n".join(CSV.splitlines()[:3]))
        pq.write_table(pa.table(columns()).slice(2), folder.parent / "b.parquet")
        source = tmp_path / "folder" if name == "folder" else tmp_path / "**" / "[ab].*"
    assert evaluate_tables(predictor, source, "y") == expected


@pytest.mark.parametrize("key", ["y", "x2"])
def test_the_name_of_a_folder_may_hold_a_column(predictor, expected, tmp_path, key):
    names = ["x1", "x2", "y"]
    left = [number for number, name in enumerate(names) if name != key]
    for number, row in enumerate(ROWS):
        folder = tmp_path / "rows" / f"{key}={row[names.index(key)]}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = ([names[i] for i in left], [str(row[i]) for i in left])
        (folder / f"{number}.csv").write_text("\n".join(map(",".join, lines)))
    found = evaluate_tables(predictor, tmp_path / "rows", "y")
    assert (found.rows, found.accuracy) == (expected.rows, expected.accuracy)
    assert found.brier == pytest.approx(expected.brier)


def test_the_target_may_be_a_position(predictor, expected, tmp_path):
    assert evaluate_tables(predictor, tmp_path / "plain.csv", "-1") == expected
    assert evaluate_tables(predictor, tmp_path / "plain.csv", "2") == expected


def test_a_csv_without_names(card, expected, tmp_path):
    path = write_model(
        tmp_path / "m.onnx", replace(card, columns=number_columns(("f0", "f1"), (0, 0), (1, 1)))
    )
    (tmp_path / "bare.csv").write_text(CSV.partition("\n")[2])
    found = evaluate_tables(Predictor(path), tmp_path / "bare.csv", "f2", header=False)
    assert found == expected


def test_the_threshold_is_that_of_the_card(card, expected, tmp_path):
    path = write_model(tmp_path / "m.onnx", replace(card, threshold=0.0))
    found = evaluate_tables(Predictor(path), tmp_path / "plain.csv", "y")
    assert (found.true_positives, found.false_positives) == (3, 2)
    assert found.auc == expected.auc


def test_the_positive_label_may_be_spelled_otherwise(predictor, expected, tmp_path):
    text = CSV.replace(",0\n", ",well\n").replace(",1\n", ",ill\n")
    (tmp_path / "t.csv").write_text(text)
    assert evaluate_tables(predictor, tmp_path / "t.csv", "y", positive="ill") == expected
    with pytest.raises(InputError, match=r"t.csv: data row 1 has the label 'well'; labels must be"):
        evaluate_tables(predictor, tmp_path / "t.csv", "y")


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (CSV, "z", "t.csv: the target column 'z' is not there; the table has 'x1', 'x2', 'y'"),
        (CSV, "3", "the target column '3' is not there"),
        (CSV, "Y", r"the table has 'x1', 'x2', 'y'; did you mean 'y'\?"),
        (CSV, "x1", "the target column 'x1' is one of the model's features"),
        ("x1,y\n1,0\n", "y", "t.csv: the model needs 2 named features; missing: 'x2'"),
        ("x1,x2,y\n", "y", "t.csv has no rows: there is nothing to evaluate"),
        (CSV + "1,2,\n", "y", "t.csv: data row 6 has no label: drop the row or fill it"),
        (CSV + "1,2,7\n", "y", "t.csv: data row 6 has the label '7'; labels must be 0 or 1"),
        ("x1,x2,y\n1,a,0\n", "y", "'x2' .'a' is no number."),
    ],
)
def test_a_table_that_cannot_be_evaluated(predictor, tmp_path, text, target, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        evaluate_tables(predictor, tmp_path / "t.csv", target)


def test_a_row_that_cannot_be_scored_is_named(predictor, tmp_path):
    table = pa.table({"x1": [1.0] * 70_000 + [None], "x2": [1.0] * 70_001, "y": [1] * 70_001})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(NonFiniteError, match=r"t.parquet: data row 70001, feature 'x1' is missing"):
        evaluate_tables(predictor, tmp_path / "t.parquet", "y")


def test_progress_counts_rows_and_tables(predictor, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.csv").write_text(CSV)
    seen = []
    evaluate_tables(predictor, tmp_path / "in", "y", progress=seen.append)
    assert [(p.rows, p.tables, p.all_tables) for p in seen] == [
        (5, 0, 2), (5, 1, 2), (10, 1, 2), (10, 2, 2)]  # fmt: skip


MEMORY = """
import resource, sys
from serve_runtime import Predictor
from serve_runtime.evaluation import auc, evaluate_tables, metrics
from serve_runtime.features.column import number_columns
auc.StreamedAuc.__init__.__defaults__ = (100_000,)
found = evaluate_tables.evaluate_tables(Predictor(sys.argv[1]), sys.argv[2], "y")
print(found.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    rng, peaks = np.random.default_rng(0), []
    group = pa.table({"x1": rng.random(500_000), "x2": rng.random(500_000),
                      "y": rng.integers(0, 2, 500_000)})  # fmt: skip
    for groups in (1, 12):
        path = tmp_path / f"{groups}.parquet"
        with pq.ParquetWriter(path, group.schema) as writer:
            for _ in range(groups):
                writer.write_table(group)
        command = [sys.executable, "-c", MEMORY, str(TINY), str(path)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows, peak = map(int, output.split())
        assert rows == groups * 500_000
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 20_000, "kilobytes; the rows more take 130,000"
