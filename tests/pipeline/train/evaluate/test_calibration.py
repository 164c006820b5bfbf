import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from serve_runtime.error_budgets import sigmoid
from train.evaluate.calibration import BINS, calibration, fit_step, helpful_step

RNG = np.random.default_rng(0)
LOGIT = RNG.normal(size=2000) * 2 - 1
TOO_SURE = (3 * LOGIT + 0.5).astype(np.float32)
LABEL = (RNG.random(2000) < sigmoid(LOGIT)).astype(np.float32)
WEIGHT = RNG.integers(0, 4, 2000).astype(np.float64)


def test_the_step_is_that_of_maximum_likelihood():
    peer = LogisticRegression(C=np.inf, tol=1e-6, solver="newton-cholesky").fit(
        TOO_SURE[:, None], LABEL, sample_weight=WEIGHT
    )
    found = fit_step(TOO_SURE, LABEL, WEIGHT)
    assert found.slope == pytest.approx(peer.coef_[0, 0], rel=1e-5)
    assert found.intercept == pytest.approx(peer.intercept_[0], rel=1e-4)
    repeated = WEIGHT.astype(int)
    again = fit_step(TOO_SURE.repeat(repeated), LABEL.repeat(repeated))
    assert again.slope == pytest.approx(found.slope, rel=1e-9)


def test_figures_agree_with_those_of_scikit_learn():
    found, probability = calibration(TOO_SURE, LABEL), sigmoid(TOO_SURE)
    assert found.brier == pytest.approx(brier_score_loss(LABEL, probability))
    truth, mean = calibration_curve(LABEL, probability, n_bins=BINS, strategy="quantile")
    assert found.expected_calibration_error == pytest.approx(np.abs(truth - mean).mean(), rel=1e-6)
    assert found.slope == pytest.approx(1 / 3, abs=0.05)


def test_a_step_is_taken_where_it_helps_and_only_there():
    fold = np.arange(2000) % 5
    step, gain = helpful_step(TOO_SURE, LABEL, fold)
    assert step.slope == pytest.approx(1 / 3, abs=0.05)
    assert gain > 0.1
    assert calibration(step.of(TOO_SURE), LABEL).slope == pytest.approx(1)
    right = step.of(TOO_SURE)
    assert helpful_step(right, LABEL, fold)[0] is None
    assert helpful_step(-TOO_SURE, LABEL, fold)[0] is None  # it would turn the order of rows


@pytest.mark.parametrize(
    ("logit", "label"),
    [([1, 2, 3, 4], [1, 1, 1, 1]), ([1, 2, 3, 4], [0, 0, 1, 1]), ([2, 2, 2, 2], [0, 1, 0, 1]),
     ([1e30, 0, -1e30, 2], [1, 0, 0, 1])],
)  # fmt: skip
def test_where_there_is_no_best_step_none_is_found(logit, label):
    logit, label = np.array(logit, np.float32), np.array(label, np.float32)
    assert fit_step(logit, label) is None
    assert helpful_step(logit, label, np.array([0, 1, 0, 1])) == (None, 0.0)
    found = calibration(logit, label)
    assert found.slope is None
    assert 0 <= found.expected_calibration_error <= 1
