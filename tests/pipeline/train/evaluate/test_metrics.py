"""The closing figures are scikit-learn's, on the float32 scores that will be served."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from train.evaluate.metrics import evaluate, report
from train.model import build
from train.tables.labels import Classes
from train.tables.table import Table


def make_table(features, labels) -> Table:
    names = tuple(f"c{i}" for i in range(len(features)))
    return Table(
        np.array(features, np.float32), np.array(labels, np.float32), names, Classes((0, 1))
    )


def make_model(weight, bias):
    return build(len(weight), {"weight": [weight], "bias": [bias]}, 0)


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_figures_are_those_of_scikit_learn(loss):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3, 200))
    labels = (features.sum(0) + rng.normal(size=200) > 0).astype(int)
    table, model = make_table(features, labels), make_model([0.5, 1.5, -0.25], 0.1)
    found = evaluate(model, table, loss)
    with torch.no_grad():
        p = model(torch.from_numpy(table.features.T.copy()))[:, 0].double().numpy()
    assert (found["rows"], found["features"]) == (200, 3)
    assert found["accuracy"] == accuracy_score(labels, p >= 0.5)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, p), abs=1e-9)
    assert found["log_loss"] == pytest.approx(log_loss(labels, p), rel=1e-6)
    cost = {"bce": log_loss(labels, p), "mse": ((p - labels) ** 2).mean()}[loss]
    assert found["cost"] == pytest.approx(cost, rel=1e-6)


def test_a_probability_of_one_half_is_the_positive_class():
    table = make_table([[0.0, 0.0, -1.0]], [1, 1, 0])
    assert evaluate(make_model([1.0], 0.0), table, "bce")["accuracy"] == 1


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label):
    found = evaluate(make_model([1.0], 0.0), make_table([[1.0, 2.0]], [label, label]), "bce")
    assert found["auc"] is None
    assert found["accuracy"] == label


def test_sure_and_wrong_costs_much_but_stays_finite():
    found = evaluate(make_model([1e4], 0.0), make_table([[1.0, -1.0]], [0, 1]), "bce")
    assert found["cost"] == 1e4
    assert found["accuracy"] == found["auc"] == 0
    assert np.isfinite(found["log_loss"])


def test_report_is_a_table():
    figures = {
        "rows": 1234567.0,
        "features": 30.0,
        "cost": 0.123456789,
        "accuracy": 0.98765,
        "auc": 0.99999,
        "log_loss": 12.5,
    }
    text = report({"training": figures, "holdout": {**figures, "rows": 2.0, "auc": None}})
    assert text.splitlines() == [
        "                rows  features      cost  accuracy       AUC  log loss",
        "training   1,234,567        30  0.123457    98.77%    1.0000 12.500000",
        "holdout            2        30  0.123457    98.77%         - 12.500000",
    ]
