"""A Predictor with other bits than its file, and a graph that mixes rows, are caught."""

import numpy as np
import pytest

from export.errors import ParityError
from export.formats.artifact import Score, Scores
from export.parity.contracts import check as check_module
from pipeline.export.bundle_files import Model
from pipeline.export.parity.contracts.all_contracts import check
from pipeline.export.parity.contracts.broken import alike, broken


def test_bits_that_are_always_others_than_the_files_are_caught(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(alike(lambda z, p: np.minimum(np.nextafter(p, np.float32(2)), 1)), monkeypatch)
    with pytest.raises(
        ParityError, match=r"^model\.onnx: a Predictor has other bits than the file"
    ):
        check(model)


def test_a_neighbour_that_changes_a_score_is_caught(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = check_module.onnx_score

    def onnx_score(content: bytes, layout: str) -> Score:
        score = true(content, layout)

        def leaking(rows: np.ndarray) -> Scores:
            z, p = score(rows)
            with np.errstate(all="ignore"):
                return z + 0 * z.sum(), p

        return leaking

    check(model)
    monkeypatch.setattr(check_module, "onnx_score", onnx_score)
    with pytest.raises(
        ParityError,
        match=r"^model\.onnx: NaN or infinity in a row changes the scores of its neighbours",
    ):
        check(model)
