"""Thresholds and calibration of whole trainings."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, precision_score, recall_score

from serve_runtime.error_budgets import sigmoid
from serve_runtime.errors import ServeError
from train.dataset import choose
from train.persistence import run_folder
from train.recipe.recipe import Recipe
from train.run import train


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 1,500 rows, a tenth of them positive, and what they truly are."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1500, 3))
    y = rng.random(1500) < sigmoid(1.5 * x[:, 0] - x[:, 1] - 3)
    table = pd.DataFrame(x, columns=list("abc")).assign(y=np.where(y, "yes", "no"))
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    table.to_parquet(path)
    return path, table


def fitted(rows, out, **sections):
    data = {"file": str(rows[0]), "target": "y", "memory": "64GB"}
    said = []
    result = train(Recipe.from_dict({"data": data, **sections}), out, say=said.append)
    return result, run_folder.read(out), run_folder.read_metrics(out), said


@pytest.fixture(params=["memory", "disk"])
def where(request, monkeypatch):
    if request.param == "disk":
        monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)


def test_a_threshold_is_chosen_out_of_fold_and_carried(rows, where, tmp_path):
    result, run, metrics, said = fitted(rows, tmp_path / "run", threshold={"recall": 0.9})
    found = metrics["threshold"]
    assert not result.missed
    assert run.card.threshold == found["value"] < 0.2
    assert found["out_of_fold"]["recall"] >= 0.9
    assert any(f"threshold {found['value']:.4g}: on rows left out" in line for line in said)
    assert metrics["metrics"]["holdout"]["rows"] == 300
    assert 0.7 < found["holdout"]["recall"] <= 1
    assert any(f"recall {found['holdout']['recall']:.4f}" in line for line in said)


def test_figures_of_the_hold_out_are_those_of_scikit_learn(rows, tmp_path):
    data = {"file": str(rows[0]), "target": "y", "memory": "64GB", "holdout": str(rows[0])}
    recipe = Recipe.from_dict({"data": data, "threshold": "f1", "penalty": {"l2": 0.001},
                               "columns": {"bend": "none"}})  # fmt: skip
    train(recipe, tmp_path / "run")
    run, metrics = run_folder.read(tmp_path / "run"), run_folder.read_metrics(tmp_path / "run")
    table = rows[1]
    affine = run.trained.affine()
    probability = sigmoid(table[list("abc")].to_numpy(np.float32) @ affine.weight + affine.bias)
    truth = table.y == "yes"
    labelled = probability >= run.card.threshold
    found = metrics["threshold"]["holdout"]
    assert found["precision"] == pytest.approx(precision_score(truth, labelled))
    assert found["recall"] == pytest.approx(recall_score(truth, labelled))
    brier = brier_score_loss(truth, probability)
    assert metrics["calibration"]["holdout"]["brier"] == pytest.approx(brier)


def test_what_cannot_be_met_is_written_and_ends_with_1(rows, command, tmp_path):
    wanted = ["--threshold", "precision=1", "--drop", "a,b", "--out", str(tmp_path / "run")]
    result = command(str(rows[0]), "--target", "y", *wanted)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "is written, but no threshold has a precision of 1: the best that can be had" in said
    assert "--or-best" in said
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["threshold"]["missed"]


def test_the_best_that_there_is_will_do_where_told(rows, command, tmp_path):
    wanted = ["--threshold", "precision=1", "--or-best", "--drop", "a,b"]
    result = command(str(rows[0]), "--target", "y", *wanted, "--out", str(tmp_path / "run"))
    assert result.exit_code == 0
    assert "warning: no threshold has a precision of 1" in " ".join(result.output.split())
    assert "--or-best goes with" in command(str(rows[0]), "--or-best").output


def test_a_step_is_folded_into_the_weights(rows, where, tmp_path):
    sections = {"penalty": {"l2": 0.1, "folds": 4}}
    _, plain, before, _ = fitted(rows, tmp_path / "plain", **sections)
    model = {"calibrate": "platt"}
    _, run, after, said = fitted(rows, tmp_path / "run", model=model, **sections)
    step = after["calibration"]["step"]
    assert step["slope"] > 1.5  # the penalty is far too strong
    assert after["calibration"]["gain"] > 0
    np.testing.assert_allclose(run.trained.weight, step["slope"] * plain.trained.weight, rtol=1e-6)
    assert run.trained.bias == pytest.approx(
        step["slope"] * plain.trained.bias + step["intercept"], rel=1e-6
    )
    assert before["calibration"]["holdout"] == after["calibration"]["holdout_before"]
    slopes = [each["calibration"]["holdout"]["slope"] for each in (before, after)]
    assert abs(slopes[1] - 1) < abs(slopes[0] - 1)
    assert before["calibration"]["step"] is None
    assert any("logits are not sure enough" in line for line in said)
    assert after["metrics"]["holdout"]["auc"] == pytest.approx(before["metrics"]["holdout"]["auc"])


def test_what_is_told_of_columns_is_of_the_model_with_the_step(rows, tmp_path):
    """Of bent columns too; standard errors are those of no step."""
    told = {}
    for calibrate in ("none", "platt"):
        sections = {"penalty": {"l2": 0.0, "folds": 5}, "columns": {"bend": ["a"]}}
        out = tmp_path / calibrate
        told[calibrate] = fitted(rows, out, model={"calibrate": calibrate}, **sections)[2]
    slope = told["platt"]["calibration"]["step"]["slope"]
    assert abs(slope - 1) > 1e-3
    for key in ("importance", "weights_per_standard_deviation"):
        assert told["platt"][key] == {
            name: pytest.approx(slope * value, rel=1e-5)
            for name, value in told["none"][key].items()
        }
    model, straight = {"calibrate": "platt"}, {"bend": "none"}
    sections = {"penalty": {"l2": 0.0, "folds": 5}, "columns": straight}
    found = fitted(rows, tmp_path / "straight", model=model, **sections)[2]
    assert "calibration moves the weights" in found["statistics"]["none"]


def test_class_weights_leave_the_thresholds_of_the_data(rows, tmp_path):
    sections = {"penalty": {"l2": 0.001}, "threshold": {"recall": 0.9}}
    plain = fitted(rows, tmp_path / "plain", **sections)[2]["threshold"]["value"]
    model = {"class_weight": "balanced"}
    found = fitted(rows, tmp_path / "run", model=model, **sections)[2]["threshold"]
    assert found["value"] == pytest.approx(plain, rel=0.2)
    assert found["holdout"]["recall"] == pytest.approx(0.9, abs=0.1)


def test_without_folds_there_is_no_threshold_to_choose(tmp_path):
    points = {"x": [[float(i)] for i in range(9)], "y": [0] * 8 + [1]}
    data = {"points": points, "holdout": 0.0}
    recipe = Recipe.from_dict({"data": data, "threshold": "f1", "penalty": {"l2": 0.1}})
    result = train(recipe, tmp_path / "run")
    assert "too few rows" in result.missed
    assert "or a number" in result.missed
    assert "or-best" not in result.missed
    metrics = run_folder.read_metrics(tmp_path / "run")
    assert metrics["threshold"]["value"] == 0.5
    assert metrics["calibration"]["holdout"] is None


def test_a_number_needs_no_folds(rows, tmp_path):
    asked = {"penalty": {"l2": 0.01}, "columns": {"bend": "none"}}
    _, run, metrics, _ = fitted(rows, tmp_path / "run", threshold=0.2, **asked)
    assert run.card.threshold == 0.2
    assert "selection" not in metrics


def test_isotonic_regression_is_refused_with_the_reason():
    with pytest.raises(ServeError, match=r"isotonic.*no sum any more"):
        Recipe.from_dict({"model": {"calibrate": "isotonic"}})


def test_without_folds_what_is_told_to_do_will_do(tmp_path):
    points = {"x": [[float(i)] for i in range(9)], "y": [0] * 8 + [1]}
    sections = {"threshold": {"precision": 0.9, "or_best": True}, "model": {"calibrate": "platt"}}
    recipe = Recipe.from_dict({"data": {"points": points, "holdout": 0.0}, **sections})
    said = []
    assert not train(recipe, tmp_path / "run", say=said.append).missed
    for what in ("probabilities are not mended", "no threshold can be chosen, and it is 0.5"):
        assert any(f"warning: {what}" in line for line in said)
