import json
from dataclasses import asdict, replace

import numpy as np

from light.commands.running import invoke
from light.helpers import TINY, moved, write_model
from serve_runtime import Predictor


def test_selftest_tells_the_share_of_the_budget(card):
    result = invoke("selftest", TINY)
    assert result.exit_code == 0
    assert result.output.startswith(f"{len(card.golden)} golden rows within budget: ")
    assert "test rows stored in the model" in result.output
    assert all(len(line) < 80 for line in result.output.splitlines())


def test_selftest_tells_whether_bits_differ_from_the_exports(card, tmp_path):
    golden = list(card.golden)
    logit = np.nextafter(np.float32(golden[1].logit), np.float32(np.inf))
    golden[1] = replace(golden[1], logit=float(logit))
    path = write_model(tmp_path / "model.onnx", replace(card, golden=tuple(golden)))
    assert "some differ from the export's" in invoke("selftest", path).output
    here = Predictor(TINY / "model.onnx").scores(np.array([row.features for row in golden]))
    measured = [
        replace(row, logit=float(z), probability=float(p))
        for row, z, p in zip(card.golden, *here, strict=True)
    ]
    path = write_model(tmp_path / "model.onnx", replace(card, golden=tuple(measured)))
    assert "bits           every bit is that of the export\n" in invoke("selftest", path).output


def test_selftest_tells_what_was_checked():
    lines = invoke("selftest", TINY).output.splitlines()[-3:]
    assert lines == [
        "order          probabilities never fall, over 15,360 neighbouring logits",
        "batches        of 1, 2, 5, 17, 69, 300, 303 rows give the same bits",
        "refused        84 batches with NaN, an infinity or an overflow, as they must be",
    ]


def test_a_failed_selftest_exits_with_1(card, tmp_path):
    wrong = moved(card.golden[0], 1)
    path = write_model(tmp_path / "model.onnx", replace(card, golden=(wrong,)))
    result = invoke("selftest", path)
    assert result.exit_code == 1
    assert result.output.startswith("Error: golden row 0, rows layout: ")


def test_quiet_tells_by_the_exit_code(card, tmp_path):
    assert invoke("selftest", TINY, "-q").output == ""
    path = write_model(tmp_path / "model.onnx", replace(card, golden=(moved(card.golden[0], 1),)))
    for options in (["-q"], ["--json"], ["--json", "--quiet"]):
        result = invoke("selftest", path, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: golden row 0, rows layout: ")


def test_json_has_the_figures_of_the_selftest():
    told = json.loads(invoke("selftest", TINY, "--json").stdout)
    expected = asdict(Predictor(TINY).selftest())
    assert told == {"bundle": str(TINY), "model_id": Predictor(TINY).card.model_id} | expected | {
        "batches": list(expected["batches"])
    }
