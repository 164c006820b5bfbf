"""Models with odd weights pass with everything that scores in a proof, and the contracts too."""

from pathlib import Path

import numpy as np
import pytest

from export.parity.measure import measure
from export.parity.scorers import reference_scorers, serving_scorers
from pipeline.export.bundle_files import write_graphs
from pipeline.export.parity.contracts.all_contracts import REFUSED, check
from serve_runtime.bundle.affine import Affine


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize(
    "weight", [[0.0], [-0.0], [-3.0], [1e-45], [-1e30], [0.0, 0.0], [0.0, -2.0], [-1e-45, 0.0, 1e9]]
)
def test_zero_and_negative_weights_are_no_fault(
    weight: list[float], center: bool, tmp_path: Path
) -> None:
    width = len(weight)
    middle = np.full(width, 0.25, np.float32) if center else None
    affine = Affine(np.array(weight, np.float32), 0.25, middle)
    model = write_graphs(tmp_path, affine, -np.ones(width), np.ones(width))
    scorers = [*serving_scorers(tmp_path), *reference_scorers(tmp_path, affine)]
    assert len({scorer.name for scorer in scorers}) == 15
    measure(scorers, model.batches.values(), affine).require()
    assert check(model)[REFUSED] > 0
