"""What scores are worth, of rows that stand for unlike numbers of a table's rows."""

import numpy as np
import pytest

from serve_runtime.evaluation.auc import auc
from train.recipe.recipe import Recipe
from train.selection.draw import draw
from train.selection.judge import Judge
from train.selection.sample import Sample
from train.tables.weights import positive_share

ROWS, MOST = 60_000, 3_000


def scored(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of a table of which one row in a hundred is positive."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-5.3, 1.2, ROWS)
    return logits, (rng.random(ROWS) < 1 / (1 + np.exp(-logits))).astype(np.float32)


def drawn(seed: int) -> tuple[Judge, np.ndarray, Judge, np.ndarray]:
    """The judge and the logits of rows drawn, and those of the table."""
    logits, labels = scored(seed)
    found = draw(labels, None, MOST)
    some = labels[found.places]
    return Judge(some, found.weights, found.weights), logits[found.places], Judge(labels), logits


def test_figures_are_those_of_the_table():
    some, some_logits, whole, logits = drawn(0)
    error = some.standard_error(some.losses(some_logits))
    assert abs(some.log_loss(some_logits) - whole.log_loss(logits)) < 3 * error
    found = some.figures(some_logits, np.ones(len(some_logits), bool))
    assert found.auc == pytest.approx(auc(logits, whole.labels), abs=0.02)
    assert found.log_loss == pytest.approx(some.log_loss(some_logits))


def test_the_standard_error_is_that_of_tables_drawn_again():
    """All positive rows are looked at, so that tables differ by them as samples do."""
    found, errors = [], []
    for seed in range(150):
        some, logits, _, _ = drawn(seed)
        found.append(some.log_loss(logits))
        errors.append(some.standard_error(some.losses(logits)))
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.2)


def test_weights_of_classes_are_those_of_the_table():
    logits, labels = scored(1)
    found = draw(labels, None, MOST)
    share = positive_share(labels, None)
    some = Sample(
        logits[None, found.places], (), (), labels[found.places], ROWS, found.weights, share,
        found.counts,
    )  # fmt: skip
    balanced = 1 / (2 * (1 - share)), 1 / (2 * share)
    judge = Judge.of(Recipe.from_dict({}), some, balanced)
    sums = [judge.in_fits[some.labels == one].sum(dtype=float) for one in (0, 1)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)
    assert sum(sums) == pytest.approx(found.weights.sum(dtype=float), rel=1e-5)
    assert judge.weights is some.weights
    assert judge.shift == pytest.approx(np.log((1 - share) / share))
    as_trained = Recipe.from_dict({"model": {"prior_correction": False}})
    assert np.array_equal(Judge.of(as_trained, some, balanced).weights, judge.in_fits)


def test_what_rows_tell_is_no_more_than_the_rarer_class_has():
    labels = np.zeros(10_000, np.float32)
    labels[:20] = 1
    assert Judge(labels).information == pytest.approx(20, rel=1e-2)
    assert Judge(np.arange(100, dtype=np.float32) % 2).information == pytest.approx(25)
    weights = np.where(labels, 500, 1).astype(np.float32)
    assert Judge(labels, weights).information == pytest.approx(19_980 / 4, rel=1e-2)
