"""Labels are given back as the card holds them, whatever their type and wherever they come out."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from light.helpers import write_model
from serve_runtime import Predictor, score_file
from serve_runtime.arrays import label_array

KINDS = [
    ((0, 1), np.int64, "int64"),
    ((-(2**63), 2**63 - 1), np.int64, "int64"),
    ((False, True), np.bool_, "bool"),
    ((True, False), np.bool_, "bool"),
    ((0.0, 1.0), np.float64, "double"),
    ((0, 0.5), np.float64, "double"),
    ((0, 1e20), np.float64, "double"),
    ((-1e300, 2**53), np.float64, "double"),
    (("0", "1"), np.dtype("<U1"), "string"),
    (("no", "yes"), np.dtype("<U3"), "string"),
    (("", "y"), np.dtype("<U1"), "string"),
    (("a", "a\0"), np.object_, "string"),
    (("\0", ""), np.object_, "string"),
    (("a\0b", "é🙂"), np.dtype("<U3"), "string"),
]
kinds = pytest.mark.parametrize(("labels", "dtype", "arrow"), KINDS)


@kinds
def test_labels_as_an_array(labels, dtype, arrow):
    found = label_array(labels)
    assert (found.shape, found.dtype) == ((2,), dtype)
    assert found.tolist() == list(labels)


@pytest.fixture
def labelled(card, tmp_path):
    def make(labels):
        return Predictor(write_model(tmp_path / "model.onnx", replace(card, classes=labels)))

    return make


X = {"x1": [1.0, 3.5, 6.0], "x2": [2.0, 1.0, 3.0]}


@kinds
def test_every_method_gives_the_labels_of_the_card(labels, dtype, arrow, labelled):
    predictor = labelled(labels)
    probability = predictor.probability(X)
    wanted = [labels[int(p >= 0.5)] for p in probability]
    assert set(wanted) == set(labels)
    for found in (predictor.predict(X), predictor.label(probability)):
        assert (found.dtype, found.tolist()) == (dtype, wanted)
    assert predictor.classes_.tolist() == list(labels) == list(predictor.card.classes)


@kinds
def test_scored_batches_have_the_labels_of_the_card(labels, dtype, arrow, labelled):
    pa = pytest.importorskip("pyarrow")
    from serve_runtime.scoring.batches import score_batches

    predictor = labelled(labels)
    (found,) = score_batches(predictor, [pa.RecordBatch.from_pydict(X)])
    assert str(found["label"].type) == arrow
    assert found["label"].to_pylist() == predictor.predict(X).tolist()


READ = {"bool": "true".__eq__, "int64": int, "double": float, "string": str}
"""How a label is read from a CSV, by the type that Parquet gives it."""


@kinds
def test_scored_files_have_the_labels_of_the_card(labels, dtype, arrow, labelled, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "rows.csv").write_text("x1,x2\n1,2\n3.5,1\n6,3\n")
    predictor = labelled(labels)
    wanted = predictor.predict(X).tolist()
    for name in ("scores.csv", "scores.parquet"):
        score_file(predictor, tmp_path / "rows.csv", tmp_path / name)
    found = pq.read_table(tmp_path / "scores.parquet")["label"]
    assert (str(found.type), found.to_pylist()) == (arrow, wanted)
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert [READ[arrow](row["label"]) for row in csv.DictReader(file)] == wanted


@pytest.mark.parametrize("others", [(False, True), (0.0, 1.0), ("0", "1"), (1, 0)])
def test_reload_refuses_labels_of_another_type(others, card, labelled, tmp_path):
    predictor = labelled((0, 1))
    write_model(tmp_path / "other.onnx", replace(card, classes=others))
    with pytest.raises(ValueError, match="has other classes"):
        predictor.reload(tmp_path / "other.onnx")
