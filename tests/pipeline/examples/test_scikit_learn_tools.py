"""examples/scikit_learn_tools.py: what scikit-learn's tools do with a served model."""

import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn import base, inspection, metrics
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from pipeline.docs.documented import ROOT, run
from serve_runtime import Predictor

SPEC = importlib.util.spec_from_file_location(
    "scikit_learn_tools", ROOT / "examples" / "scikit_learn_tools.py"
)
assert SPEC is not None
assert SPEC.loader is not None
EXAMPLE = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = EXAMPLE  # pickle looks the class up there
SPEC.loader.exec_module(EXAMPLE)

TRAIN = ["python", "-m", "train", "patients.csv", "--target", "diagnosis", "--drop", "id",
         "--epochs", "30", "--positive"]  # fmt: skip


@pytest.fixture(scope="module")
def frame(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "patients.csv")


@pytest.fixture(scope="module", params=["malignant", "benign"])
def model(folder: Path, request: pytest.FixtureRequest) -> Any:
    """A served model whose positive label is the last in the alphabet, and one where it is not."""
    positive, name = request.param, f"positive-{request.param}"
    run([*TRAIN, positive, "--out", f"runs/{name}"], folder)
    run(["python", "-m", "export", "bundle", f"runs/{name}", f"bundles/{name}"], folder)
    predictor = Predictor(folder / "bundles" / name)
    assert predictor.classes_[1] == positive
    return EXAMPLE.ServedClassifier(predictor)


@pytest.fixture(scope="module")
def rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["id", "diagnosis"])


@pytest.fixture(scope="module")
def labels(frame: pd.DataFrame) -> Any:
    return frame["diagnosis"].to_numpy(str)


def malignant(model: Any, rows: pd.DataFrame) -> Any:
    """P(malignant) from the Predictor itself."""
    position = model.predictor.classes_.tolist().index("malignant")
    return model.predictor.predict_proba(rows)[:, position]


def test_it_is_a_fitted_binary_classifier(model: Any) -> None:
    check_is_fitted(model)
    assert base.is_classifier(model)
    tags = get_tags(model)
    assert tags.estimator_type == "classifier"
    assert model.classes_.tolist() == ["benign", "malignant"]
    assert model.n_features_in_ == len(model.feature_names_in_) == 30
    assert base.clone(model) is model
    assert model.get_params() == {"predictor": model.predictor}


def test_it_travels_to_other_processes(model: Any, rows: pd.DataFrame) -> None:
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.predict_proba(rows) == model.predict_proba(rows)).all()


def test_columns_and_signs_are_those_of_the_sorted_labels(model: Any, rows: pd.DataFrame) -> None:
    chance = model.predict_proba(rows)
    assert (chance[:, 1] == malignant(model, rows)).all()
    logit = model.decision_function(rows)
    assert ((logit > 0) == (chance[:, 1] > 0.5)).all()
    linear = rows.to_numpy(np.float64) @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(linear[:, 0], logit, atol=1e-3)
    assert (model.predict(rows) == model.classes_[(logit > 0).astype(int)]).all()


@pytest.mark.parametrize("name", ["roc_auc", "neg_log_loss", "accuracy", "f1_macro"])
def test_scorers_score_the_served_probabilities(
    model: Any, rows: pd.DataFrame, labels: Any, name: str
) -> None:
    y, chance = (labels == "malignant").astype(int), malignant(model, rows)
    expected = {
        "roc_auc": metrics.roc_auc_score(y, chance),
        "neg_log_loss": -metrics.log_loss(y, chance),
        "accuracy": metrics.accuracy_score(y, chance > 0.5),
        "f1_macro": metrics.f1_score(y, chance > 0.5, average="macro"),
    }[name]
    assert metrics.get_scorer(name)(model, rows, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", [metrics.average_precision_score, metrics.brier_score_loss])
@pytest.mark.parametrize("positive", ["benign", "malignant"])
def test_scorers_made_for_either_label(
    model: Any, rows: pd.DataFrame, labels: Any, score: Callable[..., float], positive: str
) -> None:
    scorer = metrics.make_scorer(score, response_method="predict_proba", pos_label=positive)
    chance = malignant(model, rows) if positive == "malignant" else 1 - malignant(model, rows)
    expected = score((labels == positive).astype(int), chance)
    assert scorer(model, rows, labels) == pytest.approx(expected, abs=1e-5)


def test_permutation_importance_shuffles_the_right_column(
    model: Any, rows: pd.DataFrame, labels: Any
) -> None:
    settings = {"scoring": "roc_auc", "n_repeats": 2, "random_state": 0}
    named = inspection.permutation_importance(model, rows, labels, **settings)
    array = inspection.permutation_importance(model, rows.to_numpy(), labels, **settings)
    np.testing.assert_allclose(named.importances, array.importances, atol=1e-3)
    effect = np.abs(model.coef_[0] * rows.std().to_numpy())
    assert named.importances_mean[effect.argmax()] > named.importances_mean[effect.argmin()]


def test_displays_draw_it(model: Any, rows: pd.DataFrame, labels: Any) -> None:
    mpl.use("agg")
    calibration = CalibrationDisplay.from_estimator(model, rows, labels, n_bins=4)
    assert (calibration.y_prob == malignant(model, rows)).all()
    roc = metrics.RocCurveDisplay.from_estimator(model, rows, labels)
    assert roc.roc_auc == pytest.approx(metrics.roc_auc_score(labels, malignant(model, rows)))
    confusion = metrics.ConfusionMatrixDisplay.from_estimator(model, rows, labels)
    assert confusion.confusion_matrix.sum() == len(rows)
    dependence = inspection.partial_dependence(model, rows, ["mean radius"], kind="average")
    assert np.ptp(dependence["average"]) > 0
    mpl.pyplot.close("all")


def frozen_calibration(model: Any) -> Any:
    return CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid")


def voting(model: Any) -> Any:
    return VotingClassifier([("served", model), ("again", FrozenEstimator(model))], voting="soft")


def stacking(model: Any) -> Any:
    return StackingClassifier([("served", model)], LogisticRegression(), cv="prefit")


def tuned(model: Any) -> Any:
    return TunedThresholdClassifierCV(model, cv="prefit", refit=False, scoring="balanced_accuracy")


def fixed(model: Any) -> Any:
    return FixedThresholdClassifier(FrozenEstimator(model), threshold=0.5, pos_label="malignant")


@pytest.mark.parametrize("wrap", [FrozenEstimator, frozen_calibration, voting, stacking, tuned,
                                  fixed, make_pipeline])  # fmt: skip
def test_meta_estimators_take_it(
    model: Any, rows: pd.DataFrame, labels: Any, wrap: Callable[[Any], Any]
) -> None:
    before = model.predict_proba(rows)
    found = wrap(model).fit(rows, labels)
    assert found.classes_.tolist() == ["benign", "malignant"]
    auc = metrics.roc_auc_score(labels, found.predict_proba(rows)[:, 1])
    assert auc == pytest.approx(metrics.roc_auc_score(labels, before[:, 1]), abs=1e-3)
    assert metrics.accuracy_score(labels, found.predict(rows)) > 0.9
    assert (model.predict_proba(rows) == before).all(), "it is as it was"


def test_cross_validation_scores_this_very_model(
    model: Any, rows: pd.DataFrame, labels: Any
) -> None:
    found = cross_validate(
        model, rows, labels, scoring=["roc_auc", "accuracy"], cv=3, return_estimator=True
    )
    assert all(estimator is model for estimator in found["estimator"])
    assert (found["test_roc_auc"] > 0.95).all()
    assert (found["test_accuracy"] > 0.9).all()


def test_features_are_selected_by_its_coefficients(model: Any, rows: pd.DataFrame) -> None:
    chosen = SelectFromModel(model, prefit=True, max_features=3, threshold=-np.inf)
    kept = chosen.transform(rows.to_numpy())
    assert kept.shape == (len(rows), 3)
