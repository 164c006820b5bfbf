"""Rows as JSON gives them, and answers as JSON takes them."""

import json

import pytest

from light.helpers import TINY
from light.wide import write_bundle
from serve_runtime import InputError, Predictor

CLASSES = [(False, True), (0, 1), (-1, 1), ("no", "yes"), ("nein", "größer"), (1.5, 2.5)]


@pytest.mark.parametrize("classes", CLASSES)
def test_labels_of_every_type_become_json(tmp_path, classes):
    predictor = Predictor(write_bundle(tmp_path / "bundle", [1, -1], 0, classes=classes)[1])
    rows = json.loads('[{"f0": 1, "f1": 2.5}, {"f1": 1, "f0": 2.5}]')
    for answer in (
        predictor.predict(rows),
        predictor.label(predictor.probability(rows)),
        predictor.classes_,
    ):
        assert json.loads(json.dumps(answer.tolist())) == list(classes)
        assert list(map(type, answer.tolist())) == list(map(type, classes))
    one = {"label": predictor.predict(rows)[1].item(), "p": predictor.probability(rows)[1].item()}
    assert json.loads(json.dumps(one))["label"] == classes[1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('[{"x1": 1, "x2": "two"}]', "got the text 'two' in row 0, feature 'x2'"),
        ('[{"x1": "2.5", "x2": 1.5}, {"x1": 1, "x2": 2}]', "the text '2.5' in row 0, feature 'x1'"),
        ('[[1, 2], [1.5, "7"]]', "got the text '7' in row 1, feature 'x2'"),
        ('[[1, 2], [3, [4]]]', "got a list in row 1, feature 'x2'"),
        ('[{"x1": {"value": 1}, "x2": 2}]', "got a dict in row 0, feature 'x1'"),
        ('[{"x1": 1, "x2": 2}, {"x1": null, "x2": 2}]', "row 1, feature 'x1' is missing"),
        ('[{"x1": 1, "x2": NaN}]', "row 0, feature 'x2' is missing"),
        ('[{"x1": 1, "x2": 1e39}]', "row 0, feature 'x2' is inf"),
        ('[{"x1": 1, "x2": 2}, {"x1": 1}]', "row 1: .* missing: 'x2'"),
        ('{"x1": 1, "x2": "two"}', "got the text 'two' in row 0, feature 'x2'"),
        ('{"rows": [[1, 2]]}', r"missing: 'x1', 'x2' \(got: 'rows'\)"),
        ("[1, 2]", r"for a single row pass \[row\]"),
        ("null", "got a NoneType"),
    ],
)  # fmt: skip
def test_bad_json_is_told_by_its_cell(body, message):
    with pytest.raises(InputError, match=message):
        Predictor(TINY).probability(json.loads(body))


@pytest.mark.parametrize("body", ['{"x1": 1, "x2": true}', '{"x2": [true], "x1": [1]}', "[[1, 1]]"])
def test_json_of_every_shape_is_scored(body):
    expected = Predictor(TINY).probability([[1, 1]])
    assert Predictor(TINY).probability(json.loads(body)).tolist() == pytest.approx(expected)
