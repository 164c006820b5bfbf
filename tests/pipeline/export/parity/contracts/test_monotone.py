"""A probability that leaves its range, falls or is wrong, and a logit that turns, are caught."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from export.errors import ParityError
from export.formats.artifact import Scores
from pipeline.export.bundle_files import Model
from pipeline.export.parity.contracts.all_contracts import check
from pipeline.export.parity.contracts.broken import Change, alike, broken, true
from serve_runtime import Predictor
from serve_runtime.error_budgets import sigmoid

OUTSIDE = r"the probability .* is outside \[0, 1]"
RISING_BROKEN: dict[str, tuple[Change, str]] = {
    "above 1": (
        alike(lambda z, p: p * np.float32(1.0000001)),
        OUTSIDE,
    ),
    "below 0": (alike(lambda z, p: p - np.float32(1e-7)), OUTSIDE),
    "NaN": (
        alike(lambda z, p: np.where(z > 90, np.nan, p)),
        OUTSIDE,
    ),
    "falling": (
        alike(lambda z, p: np.where(z > 3, p * np.float32(0.9), p)),
        r"the probability falls from 0\.95\d+ at logit 2\.9\d+ to "
        r"0\.85\d+ at 3\.0\d+",
    ),
    "one step back": (
        alike(lambda z, p: np.where((z > -18) & (z < -17.9), np.float32(1e-9), p)),
        r"the probability falls from .* at logit -18\.\d+ to .* at -17\.\d+",
    ),
    "P(negative)": (alike(lambda z, p: 1 - p), "the probability falls from"),
    "off": (
        alike(lambda z, p: np.where(z > 3, p, p * np.float32(1 - 1e-6))),
        r"the probability .* is off the exact sigmoid by \d+\.?\d* ULP, allowed 4",
    ),
}


@pytest.mark.parametrize("what", RISING_BROKEN)
def test_a_probability_that_leaves_its_range_or_falls_is_caught(
    model: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = RISING_BROKEN[what]
    broken(change, monkeypatch)
    with pytest.raises(ParityError, match=rf"^model\.onnx: {message}"):
        check(model)


NEGATIVE_BROKEN = {
    "1 - P(positive)": (
        lambda z, p: 1 - 1 / (1 + np.exp(-z.astype(np.float64))).astype(np.float32),
        r"P\(negative\), by the negated logit, .* is off the exact sigmoid by",
    ),
    "falling": (
        lambda z, p: np.where(z < -3, p * np.float32(0.9), p),
        r"P\(negative\), by the negated logit, falls from 0\.9\d+ at logit [23]\.\d+",
    ),
    "above 1": (
        lambda z, p: p * np.float32(1.0000002),
        r"P\(negative\), by the negated logit, .* is outside \[0, 1]",
    ),
}


@pytest.mark.parametrize("what", NEGATIVE_BROKEN)
def test_p_negative_that_is_wrong_is_caught(
    model: Model, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, message = NEGATIVE_BROKEN[what]
    broken(true, monkeypatch, lambda x, z, p: change(z, p).astype(np.float32))
    with np.errstate(all="ignore"), pytest.raises(ParityError, match=rf"^model\.onnx: {message}"):
        check(model)


@pytest.mark.parametrize("feature", range(3))
def test_a_logit_that_moves_against_its_weight_is_caught(model: Model, feature: int) -> None:
    """The model itself is sound; the weights that it is held against have one sign turned."""
    weight = model.affine.weight.copy()
    weight[feature] *= -1
    with pytest.raises(
        ParityError,
        match=rf"^model\.onnx: the logit moves against .* of feature {feature} as it rises",
    ):
        check(replace(model, affine=replace(model.affine, weight=weight)))


@pytest.mark.parametrize("feature", range(3))
def test_a_logit_that_moves_without_a_weight_is_caught(model: Model, feature: int) -> None:
    weight = model.affine.weight.copy()
    weight[feature] = 0
    with pytest.raises(ParityError, match=rf"the logit moves .* of feature {feature} as it rises"):
        check(replace(model, affine=replace(model.affine, weight=weight)))


def test_a_logit_that_falls_back_one_step_is_caught(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel with a step at 0 in one feature, against the sign of its weight."""

    def dented(predictor: Predictor, x: Any, z: np.ndarray, p: np.ndarray) -> Scores:
        values = np.asarray(x, np.float32)[:, 0]
        against = -np.sign(model.affine.weight[0])
        stepped = z + np.float32(0.25) * against * (values > 0)
        return stepped, sigmoid(stepped).astype(np.float32)

    broken(dented, monkeypatch, lambda x, z, p: sigmoid(-z).astype(np.float32))
    with pytest.raises(ParityError, match=r"moves against the sign .* of feature 0 as it rises"):
        check(model)
