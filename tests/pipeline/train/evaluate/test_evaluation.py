"""`serve-runtime evaluate` gives scikit-learn's figures, and those that training gave."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn import metrics

from export.publish import export_bundle
from serve_runtime import Predictor
from serve_runtime.cli import main
from serve_runtime.evaluation.evaluate_tables import evaluate_tables
from serve_runtime.evaluation.metrics import Tally


@pytest.mark.parametrize("threshold", [0.5, 0.2])
@pytest.mark.parametrize("digits", [1, 6])
def test_figures_are_those_of_scikit_learn(threshold: float, digits: int) -> None:
    rng = np.random.default_rng(digits)
    logit = rng.normal(0, 3, 5_000).round(digits).astype(np.float32)  # one digit: many ties
    probability = 1 / (1 + np.exp(-logit.astype(np.float64)))
    label = (rng.random(5_000) < probability).astype(np.int8)
    predicted = (probability >= threshold).astype(np.int8)
    tally = Tally()
    for start in range(0, 5_000, 777):
        some = slice(start, start + 777)
        tally.add(logit[some], probability[some].astype(np.float32), predicted[some], label[some])
    found = tally.result()
    assert found.auc == pytest.approx(metrics.roc_auc_score(label, logit), rel=1e-14)
    assert found.log_loss == pytest.approx(metrics.log_loss(label, probability), rel=1e-12)
    assert found.brier == pytest.approx(metrics.brier_score_loss(label, probability), rel=1e-6)
    assert found.accuracy == metrics.accuracy_score(label, predicted)
    assert found.balanced_accuracy == metrics.balanced_accuracy_score(label, predicted)
    assert found.precision == metrics.precision_score(label, predicted)
    assert found.recall == metrics.recall_score(label, predicted)
    confusion = metrics.confusion_matrix(label, predicted).ravel().tolist()
    assert confusion == [
        found.true_negatives, found.false_positives, found.false_negatives, found.true_positives
    ]  # fmt: skip


@pytest.fixture
def trained(command, workplace: Path) -> Path:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))
    ill = frame.sum(axis=1) + rng.normal(size=300) > 0
    frame["outcome"] = np.where(ill, "ill", "well")
    for part, rows in (("train.csv", frame[:200]), ("new.csv", frame[200:])):
        rows.to_csv(workplace / part, index=False)
    options = ("--target", "outcome", "--positive", "ill", "--holdout", "new.csv")
    assert command("train.csv", *options, "--out", "run").exit_code == 0
    export_bundle(workplace / "run", workplace / "bundle", threshold=0.3)
    return workplace


@pytest.mark.parametrize(("part", "name"), [("training", "train.csv"), ("holdout", "new.csv")])
def test_figures_are_those_of_training(trained: Path, part: str, name: str) -> None:
    told = json.loads((trained / "run" / "metrics.json").read_text())["metrics"][part]
    found = evaluate_tables(Predictor(trained / "bundle"), name, "outcome")
    assert found.rows == told["rows"]
    assert found.auc == told["auc"]
    assert found.log_loss == pytest.approx(told["log_loss"], rel=1e-6)
    assert found.accuracy != told["accuracy"], "at another threshold"


def test_a_frame_that_was_scored_gives_the_same_as_the_command(trained: Path) -> None:
    frame = pd.read_csv("new.csv")
    predictor = Predictor("bundle")
    result = CliRunner().invoke(main, ["evaluate", "bundle", "new.csv", "--target", "outcome",
                                       "--json"])  # fmt: skip
    found = json.loads(result.output)
    labels, predicted = frame["outcome"], predictor.predict(frame)
    assert found["accuracy"] == metrics.accuracy_score(labels, predicted)
    assert found["recall"] == metrics.recall_score(labels, predicted, pos_label="ill")
    assert found["auc"] == pytest.approx(
        metrics.roc_auc_score(labels == "ill", predictor.decision_function(frame)), rel=1e-14
    )
