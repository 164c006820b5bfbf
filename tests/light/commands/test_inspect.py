from dataclasses import replace

from light.commands.running import invoke
from light.helpers import TINY, write_model


def test_inspect_tells_what_the_card_says(card):
    result = invoke("inspect", TINY)
    assert result.exit_code == 0
    shown = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert shown["model"] == f"{TINY} (model.onnx: rows, model.columnar.onnx: columns)"
    assert shown["labels"] == "0 (negative), 1 (positive)"
    assert shown["threshold"] == "positive where probability >= 0.5"
    assert shown["rows"] == "6"
    assert shown["data_sha256"] == card.training["data_sha256"]
    assert "accuracy 1" in shown["training"].split(", ")
    assert (
        shown["golden"]
        == f"rows  {len(card.golden)} test rows with their exact scores, for selftest"
    )
    assert shown["features"] == "2, each with its range in the training rows"
    assert shown["missing"] == "error: a row with a missing or infinite value is refused"
    assert (shown["x1"], shown["x2"]) == ("[1, 6]", "[1, 3]")


def test_inspect_prints_the_card_itself(card):
    result = invoke("inspect", TINY / "model.onnx", "--json")
    assert (result.exit_code, result.output) == (0, card.to_json() + "\n")


def test_inspect_shows_a_card_without_training_facts(card, tmp_path):
    path = write_model(tmp_path / "model.onnx", replace(card, training={}))
    result = invoke("inspect", path)
    assert result.exit_code == 0
    assert f"model        {path} (model.onnx: rows)\n" in result.output
