"""Other exporters' graphs in the harness that ours pass: the reason for ours."""

import numpy as np
import pytest

from benchmarks.peers import exports
from export.parity.figures import Measured
from export.parity.measure import measure
from export.parity.proof_rows import proof_batches
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import number_columns

AFFINE = Affine(np.array([4.0, -2.0, 0.5], np.float32), -3.0)
CARD = ModelCard(number_columns("abc", (-2.0,) * 3, (2.0,) * 3), (0, 1), AFFINE.sha256())


@pytest.fixture(scope="module")
def found() -> dict[str, Measured]:
    sample = np.empty((0, 3), np.float32)
    parity = measure(exports.scorers(AFFINE), proof_batches(CARD, AFFINE, sample), AFFINE)
    return dict(parity.scorers)


@pytest.mark.parametrize("name", ["torch.onnx.export", "skl2onnx"])
def test_their_logits_keep_the_bound_probabilities_do_not(
    found: dict[str, Measured], name: str
) -> None:
    measured = found[name]
    assert 0 < measured.overall.logit.share <= 1
    assert measured.outside > 1000
    assert measured.buckets["[-87, -18)"].kernel_ulp > 1e6
    assert measured.problem is not None
    assert measured.problem.startswith(f"{name}, random rows, row ")


def test_scikit_learn_in_float64_keeps_every_bound(found: dict[str, Measured]) -> None:
    measured = found["scikit-learn, no export"]
    assert (measured.problem, measured.outside) == (None, 0)
    assert measured.overall.logit.share < 1e-6
