import platform
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from light import mixed
from light.bundle.graph.random_encodings import number, random_model
from light.commands.running import invoke
from light.helpers import TINY, write_model
from serve_runtime.features.column import PRECISE


def test_inspect_tells_what_the_card_says(card):
    result = invoke("inspect", TINY)
    assert result.exit_code == 0
    shown = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert shown["model"] == f"{TINY} (model.onnx: rows, model.columnar.onnx: columns)"
    assert shown["model_id"] == card.model_id
    assert shown["labels"] == "0 (negative), 1 (positive)"
    assert shown["threshold"] == "positive where probability >= 0.5"
    assert shown["rows"] == "6"
    assert shown["data_sha256"] == card.training["data_sha256"]
    assert "accuracy 1" in shown["training"].split(", ")
    assert (
        shown["golden"]
        == f"rows  {len(card.golden)} test rows with their exact scores, for selftest"
    )
    assert shown["features"].startswith("2, each with its range in the training rows, and by how")
    assert shown["missing"] == "error: a row with a missing or infinite value is refused"
    first, second = card.training["weights_per_standard_deviation"]
    assert shown["'x1'"] == f"[1, 6]  {first:+.4g}"
    assert shown["'x2'"] == f"[1, 3]  {second:+.4g}"


def test_inspect_prints_the_card_itself(card):
    result = invoke("inspect", TINY / "model.onnx", "--json")
    assert (result.exit_code, result.output) == (0, card.to_json() + "\n")


def test_inspect_shows_a_card_without_training_facts(card, tmp_path):
    path = write_model(tmp_path / "model.onnx", replace(card, training={}))
    result = invoke("inspect", path)
    assert result.exit_code == 0
    assert f"model        {path} (model.onnx: rows)\n" in result.output


def test_inspect_says_that_training_measured_at_one_half(card, tmp_path):
    output = invoke(
        "inspect", write_model(tmp_path / "m.onnx", replace(card, threshold=0.2))
    ).output
    assert "threshold    positive where probability >= 0.2\n" in output
    assert ", accuracy at 0.5 1, auc 1" in output


def with_weights(card, weights, path):
    training = {**card.training, "weights_per_standard_deviation": weights}
    return invoke("inspect", write_model(path, replace(card, training=training)))


def test_inspect_shows_the_weights_per_standard_deviation(card, tmp_path):
    lines = with_weights(card, [2.5, -0.125], tmp_path / "m.onnx").output.splitlines()
    assert lines[-3:] == [
        "features     2, each with its range in the training rows, and by how much the logit rises "
        "with one standard deviation",
        "  'x1'  [1, 6]  +2.5",
        "  'x2'  [1, 3]  -0.125",
    ]


@pytest.mark.parametrize(
    ("knots", "shown"),
    [
        ((1.0,), "bent: 1 knot"),
        ((1.0, 2.0), "bent: 2 knots"),
        ((0.0, 2.0**-126), "bent: 1 single value"),
        ((0.0, 2.0**-126, 1.0, 1 + 2.0**-23, 1 + 2.0**-22), "bent: 3 single values"),
        ((-5.0, 0.0, 2.0**-126), "bent: 1 knot, 1 single value"),
    ],
)
def test_inspect_tells_how_a_number_is_bent(tmp_path, knots, shown):
    columns = [number("a"), number("b", kind=PRECISE, knots=knots)]
    model = random_model(np.random.default_rng(0), columns)
    (tmp_path / "model.onnx").write_bytes(mixed.file_of(columns, *model))
    result = invoke("inspect", tmp_path / "model.onnx")
    assert result.output.splitlines()[-1] == f"  'b'  [0, 1] precise  {shown}"


@pytest.mark.parametrize("weights", [None, [], [1.0], ["a", "b"], {"x1": 1.0, "x2": 2.0}, 3])
def test_inspect_shows_no_weights_that_are_none(card, tmp_path, weights):
    result = with_weights(card, weights, tmp_path / "m.onnx")
    assert result.exit_code == 0
    assert result.output.splitlines()[-2:] == ["  'x1'  [1, 6]", "  'x2'  [1, 3]"]


def test_inspect_says_whether_the_machine_was_tried(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(ort, "__version__", "1.32.0")
    lines = invoke("inspect", TINY).output.splitlines()
    assert "this machine onnxruntime 1.32.0 on Linux aarch64: models were proven on such" in lines


@pytest.mark.parametrize(
    ("version", "machine", "found"),
    [
        ("1.33.0", "x86_64", "onnxruntime 1.33.0 is newer than 1.32, the newest that was tried: "),
        ("2.0.0rc1", "x86_64", "onnxruntime 2.0.0rc1 is newer than 1.32"),
        (
            "1.14.1",
            "x86_64",
            "onnxruntime 1.14.1 is older than 1.15, the oldest that is served with",
        ),
        (
            "1.24.4",
            "aarch64",
            "on Linux aarch64 only onnxruntime 1.15 and 1.32 were tried, not 1.24",
        ),
        ("1.20.0", "riscv64", "Linux riscv64 was not tried, only Linux x86_64, Linux aarch64: "),
        ("1.33.0", "riscv64", "the newest that was tried; Linux riscv64 was not tried"),
    ],
)
def test_inspect_warns_once_of_what_was_not_tried(monkeypatch, version, machine, found):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(ort, "__version__", version)
    output = invoke("inspect", TINY).output
    (line,) = (line for line in output.splitlines() if line.startswith("this machine"))
    assert found in line
    assert line.endswith(": it serves where `serve-runtime selftest` passes")


def test_inspect_shows_levels_and_what_gaps_do(tmp_path):
    (tmp_path / "model.onnx").write_bytes(mixed.file_of())
    result = invoke("inspect", tmp_path / "model.onnx")
    assert result.exit_code == 0, result.output
    assert "missing      as each feature says; a row with an infinite" in result.output
    assert result.output.splitlines()[-7:] == [
        "features     6, each with its range or levels in the training rows",
        "  'age'  [0, 99]  bent: 3 knots, 1 single value  missing: indicator",
        "  'colour'  6: ' rot', 'blau', 'gru\u0308n' and 3 more and 2 rare ones as one"
        "  missing: level  unknown: average",
        "  'visits'  [0, 9]",
        "  'born'  [1.7e+09, 1.70009e+09] precise  missing: median",
        "  'code'  4: '-1', '2.5', '3' and 1 more  unknown: average",
        "  'room'  2: 'bath', 'hall'  missing: unknown  unknown: average",
    ]
