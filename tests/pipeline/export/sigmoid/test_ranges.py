"""The ranges are scored whole, without torch and onnx, and a broken promise shows."""

import json
import subprocess
import sys

import numpy as np
import pytest

from export.formats.artifact import Score, Scores
from export.sigmoid import ranges
from export.sigmoid.ranges import RANGES, examine_ranges
from serve_runtime.arrays import Float32
from serve_runtime.error_budgets import LOWEST_LOGIT, sigmoid

SHORT = ((-90.0, -89.99), (-17.0, -16.999), (0.5, 0.5001))


def test_ranges_are_tried_without_torch_and_onnx() -> None:
    code = (
        "import json, sys; sys.modules.update(torch=None, onnx=None)\n"
        "from dataclasses import asdict\n"
        "from export.sigmoid.ranges import examine_ranges\n"
        f"print(json.dumps(asdict(examine_ranges({SHORT}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["falls"], found["outside"]) == (0, 0)
    assert 0 < found["ulp"] < 3
    assert found["logits"] > 3000


def test_the_ranges_leave_out_only_what_cannot_go_wrong() -> None:
    assert RANGES[0] == (-104.0, LOWEST_LOGIT)
    assert RANGES[1] == (LOWEST_LOGIT, -(2.0**-25))
    assert RANGES[2] == (2.0**-25, 20.0)
    assert sigmoid(np.array([-(2.0**-25), 2.0**-25])).astype(np.float32).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("add", "field"),
    [(2.0**-22, "ulp"), (-1.0, "outside"), (2.0**-24, "falls")],
)
def test_a_fault_at_one_logit_is_found(
    monkeypatch: pytest.MonkeyPatch, add: float, field: str
) -> None:
    at = np.nextafter(np.float32(0.5), np.float32(1))

    def kernel(*_: object) -> Score:
        def score(rows: Float32) -> Scores:
            logit = rows.reshape(-1)
            probability = sigmoid(logit).astype(np.float32)
            probability[logit == at] += np.float32(add)
            return logit, probability

        return score

    assert examine_ranges(SHORT).proven
    monkeypatch.setattr(ranges, "onnx_score", kernel)
    found = examine_ranges(SHORT)
    assert not found.proven
    assert getattr(found, field) > (4 if field == "ulp" else 0)
