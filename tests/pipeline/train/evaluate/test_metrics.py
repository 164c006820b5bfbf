"""The closing figures are scikit-learn's, on the float32 scores that will be served."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from serve_runtime.bundle.affine import Affine
from train.errors import DataError
from train.evaluate.metrics import evaluate, served_logits
from train.model import plain_model
from train.tables.weights import scaled


def metrics(features, labels, weight, bias, loss="bce", size=None, counts=None, **settings):
    """Those of weights on the rows, which are read `size` at a time and count `counts` each."""
    x, y = np.array(features, np.float32), np.array(labels, np.float32)
    step = size or len(y)

    def blocks():
        for start in range(0, len(y), step):
            here = slice(start, start + step)
            logit = served_logits(served, None, np.ascontiguousarray(x[:, here]))
            yield logit, y[here], None if counts is None else scaled(counts)[here]

    served = Affine(np.array(weight, np.float32), bias)
    return evaluate(blocks, len(y), len(weight), loss, **settings)


@pytest.fixture
def rows():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3, 200))
    return features, (features.sum(0) + rng.normal(size=200) > 0).astype(int)


WEIGHT, BIAS = [0.5, 1.5, -0.25], 0.1


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_figures_are_those_of_scikit_learn(loss, rows):
    features, labels = rows
    found = metrics(features, labels, WEIGHT, BIAS, loss)
    model = plain_model(Affine(np.array(WEIGHT, np.float32), BIAS))
    with torch.no_grad():
        p = model(torch.tensor(features.T.copy()).float())[:, 0].double().numpy()
    assert (found["rows"], found["features"]) == (200, 3)
    assert found["accuracy"] == accuracy_score(labels, p >= 0.5)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, p), abs=1e-9)
    assert found["log_loss"] == pytest.approx(log_loss(labels, p), rel=1e-6)
    cost = {"bce": log_loss(labels, p), "mse": ((p - labels) ** 2).mean()}[loss]
    assert found["cost"] == pytest.approx(cost, rel=1e-6)


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("size", [7, 200])
def test_weighted_figures_are_those_of_scikit_learn(loss, size, rows):
    features, labels = np.round(rows[0], 1), rows[1]  # so that logits tie
    counts = np.random.default_rng(3).exponential(size=200)
    found = metrics(features, labels, WEIGHT, BIAS, loss, size, counts)
    served = Affine(np.array(WEIGHT, np.float32), BIAS)
    p = served_logits(served, None, features.astype(np.float32)).double().sigmoid().numpy()
    assert found["rows"] == 200
    for key, score, values in (
        ("accuracy", accuracy_score, p >= 0.5), ("auc", roc_auc_score, p),
        ("log_loss", log_loss, p), ("cost", log_loss if loss == "bce" else brier_score_loss, p),
    ):  # fmt: skip
        expected = score(labels, values, sample_weight=counts)
        assert found[key] == pytest.approx(expected, rel=1e-6), key
    few = metrics(features, labels, WEIGHT, BIAS, loss, size, counts, most_logits=150)
    assert few["auc"] == pytest.approx(found["auc"], abs=0.01)


@pytest.mark.parametrize("size", [1, 7, 64, 200])
def test_figures_are_the_same_however_rows_are_read(size, rows):
    whole = metrics(*rows, WEIGHT, BIAS)
    assert metrics(*rows, WEIGHT, BIAS, size=size) == pytest.approx(whole, rel=1e-12)
    kept_all = metrics(*rows, WEIGHT, BIAS, size=size, most_logits=200)
    assert kept_all["auc"] == whole["auc"], "exact while all logits are kept"


def test_auc_of_few_kept_logits_is_nearly_exact(rows):
    exact = metrics(*rows, WEIGHT, BIAS)["auc"]
    near = metrics(*rows, WEIGHT, BIAS, size=30, most_logits=50)["auc"]
    assert near != exact
    assert near == pytest.approx(exact, abs=0.01)


def test_a_probability_of_one_half_is_the_positive_class():
    assert metrics([[0.0, 0.0, -1.0]], [1, 1, 0], [1.0], 0.0)["accuracy"] == 1


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("most_logits", [None, 1])
def test_one_class_has_no_auc(label, most_logits):
    found = metrics([[1.0, 2.0]], [label, label], [1.0], 0.0, most_logits=most_logits)
    assert found["auc"] is None
    assert found["accuracy"] == label


def test_sure_and_wrong_costs_much_but_stays_finite():
    found = metrics([[1.0, -1.0]], [0, 1], [1e4], 0.0)
    assert found["cost"] == 1e4
    assert found["accuracy"] == found["auc"] == 0
    assert np.isfinite(found["log_loss"])


def test_a_row_whose_logit_leaves_float32_is_named():
    with pytest.raises(DataError, match=r"^hold-out row 5: its logit leaves float32: check its u"):
        metrics([[1, 2, 3, 4, 3e38]], [0, 1, 0, 1, 0], [10.0], 0.0, size=2, part="hold-out")
