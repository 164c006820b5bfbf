"""What a Predictor tells of its model: coefficients in scikit-learn's shapes, and its short id."""

import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from light.bundle.random_models import random_affine
from light.helpers import TINY, parameters, write_model
from serve_runtime import ClosedError, Predictor
from serve_runtime.error_budgets import logit_reference


def test_coefficients_have_the_shapes_of_scikit_learn(predictor):
    weight, bias = parameters(predictor)
    assert (predictor.coef_.shape, predictor.coef_.dtype) == ((1, 2), np.float64)
    assert (predictor.intercept_.shape, predictor.intercept_.dtype) == ((1,), np.float64)
    assert predictor.coef_[0].tolist() == weight.tolist()
    assert predictor.intercept_.tolist() == [bias]


def test_coefficients_give_the_logits_of_raw_rows(predictor):
    rows = np.random.default_rng(1).normal(0, 5, (200, 2)).astype(np.float32)
    linear = rows @ predictor.coef_.T + predictor.intercept_
    _, bound = logit_reference(rows, *parameters(predictor))
    assert (np.abs(linear[:, 0] - predictor.decision_function(rows)) <= bound).all()


def test_an_intercept_undoes_the_centre():
    affine = replace(random_affine(3, centered=True), center=np.float32([1.7e9, -3, 1e-30]))
    products = (
        Fraction(w) * Fraction(c)
        for w, c in zip(affine.weight.tolist(), affine.center.tolist(), strict=True)
    )
    assert affine.intercept == float(Fraction(affine.bias) - sum(products))
    assert float(np.float32(affine.intercept)) != affine.intercept, "float32 loses digits"
    assert replace(affine, center=None).intercept == affine.bias


def test_what_is_given_is_a_copy(predictor):
    predictor.coef_[:] = predictor.intercept_[:] = 0
    assert (predictor.coef_ != 0).all()
    assert (predictor.intercept_ != 0).all()


def test_the_id_is_that_of_the_model_however_it_is_opened(predictor, card):
    ids = {
        Predictor(TINY / "model.onnx").model_id,
        Predictor(TINY / "model.columnar.onnx").model_id,
        pickle.loads(pickle.dumps(predictor)).model_id,
        predictor.snapshot().model_id,
        predictor.card.model_id,
    }
    assert ids == {predictor.model_id}
    assert f'"sha256":"{predictor.model_id}' in card.to_json()
    assert len(predictor.model_id) == 12


def test_another_threshold_or_label_is_another_model(card, tmp_path):
    changed = [card, replace(card, threshold=0.25), replace(card, classes=("no", "yes"))]
    ids = {Predictor(write_model(tmp_path / "m.onnx", each)).model_id for each in changed}
    assert len(ids) == 3
    other = replace(card, weights_sha256="0" * 64)
    assert other.model_id not in ids


def test_a_closed_predictor_tells_nothing():
    predictor = Predictor(TINY)
    predictor.close()
    for name in ("coef_", "intercept_", "model_id"):
        with pytest.raises(ClosedError, match="this Predictor is closed"):
            getattr(predictor, name)
