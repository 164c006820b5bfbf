"""The metrics, against their definitions on few rows."""

import math

import numpy as np
import pytest

from serve_runtime.evaluation.metrics import Tally, log_losses

LOGIT = np.array([-3, 2, 0.5, -0.5, 4, -1], np.float32)
LABEL = np.array([0, 1, 0, 1, 1, 0], np.int8)


def evaluation(logit=LOGIT, label=LABEL, step=6, threshold=0.5):
    tally = Tally()
    probability = (1 / (1 + np.exp(-logit.astype(float)))).astype(np.float32)
    for start in range(0, len(logit), step):
        some = slice(start, start + step)
        predicted = (probability[some] >= threshold).astype(np.int8)
        tally.add(logit[some], probability[some], predicted, label[some])
    return tally.result()


@pytest.mark.parametrize("step", [1, 4, 6])
def test_the_figures_are_what_their_names_say(step):
    found = evaluation(step=step)
    chance = [1 / (1 + math.exp(-z)) for z in LOGIT.tolist()]
    own = [p if y else 1 - p for p, y in zip(chance, LABEL, strict=True)]
    assert (found.rows, found.base_rate) == (6, 0.5)
    assert (found.true_negatives, found.false_positives) == (2, 1)
    assert (found.false_negatives, found.true_positives) == (1, 2)
    assert (found.auc, found.auc_within) == (8 / 9, 0)
    assert found.log_loss == pytest.approx(-sum(map(math.log, own)) / 6, rel=1e-12)
    assert found.brier == pytest.approx(sum((1 - p) ** 2 for p in own) / 6, rel=1e-6)
    for name in ("accuracy", "precision", "recall", "specificity", "balanced_accuracy"):
        assert getattr(found, name) == 2 / 3


def test_the_threshold_moves_the_confusion_alone():
    usual, low = evaluation(), evaluation(threshold=0)
    assert (low.true_positives, low.false_positives) == (3, 3)
    assert (low.specificity, low.recall, low.precision) == (0, 1, 0.5)
    for name in ("auc", "log_loss", "brier", "base_rate"):
        assert getattr(low, name) == getattr(usual, name)


@pytest.mark.parametrize("label", [0, 1])
def test_figures_of_one_class_that_do_not_exist_are_none(label):
    found = evaluation(label=np.full(6, label, np.int8))
    assert (found.auc, found.balanced_accuracy) == (None, None)
    assert (found.recall is None, found.specificity is None) == (label == 0, label == 1)
    assert evaluation(threshold=2).precision is None


def test_sure_and_wrong_costs_much_but_stays_finite():
    logit, label = np.float32([1e30, -1e30, 800, 0]), np.int8([0, 1, 1, 1])
    expected = [np.float32(1e30), np.float32(1e30), 0, math.log(2)]
    assert log_losses(logit, label).tolist() == pytest.approx(expected, rel=1e-15)
