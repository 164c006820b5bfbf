import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from train.evaluate.threshold import choose_threshold, figures_at

HIGHEST = float(np.nextafter(np.float32(1), np.float32(0)))


@st.composite
def scored(draw):
    """Probabilities with ties, labels and weights of some rows."""
    values = draw(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6))
    rows = draw(st.integers(1, 25))
    pick = st.lists(st.sampled_from(values), min_size=rows, max_size=rows)
    probability = np.array(draw(pick), np.float32)
    label = np.array(draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows)), np.float32)
    weight = st.lists(st.integers(0, 3), min_size=rows, max_size=rows)
    weights = np.array(draw(weight), np.float64)
    if not weights.any():
        weights[0] = 1
    return probability, label, weights


def every(probability, label, weight, costs=None):
    """The figures of every threshold that labels otherwise than another."""
    scores = np.unique(probability)
    thresholds = [*scores.tolist(), 1.0]
    return [figures_at(t, probability, label, weight, costs) for t in thresholds]


@given(scored())
def test_f1_is_the_largest_that_a_threshold_gives(rows):
    found = choose_threshold("f1", *rows).figures
    assert (found.f1 or 0) == pytest.approx(max(each.f1 or 0 for each in every(*rows)))


@given(scored(), st.sampled_from([0.1, 0.5, 0.75, 0.9, 1.0]))
def test_a_precision_is_kept_with_the_most_recall(rows, wanted):
    found = choose_threshold({"precision": wanted}, *rows)
    each = [f for f in every(*rows) if f.precision is not None]
    enough = [f.recall or 0 for f in each if f.precision >= wanted - 1e-12]
    if found.missed:
        assert not enough
        assert found.figures.precision == pytest.approx(max(f.precision for f in each))
        assert f"a precision of {wanted:g}" in found.missed
    else:
        assert found.figures.precision >= wanted - 1e-12
        assert (found.figures.recall or 0) == pytest.approx(max(enough))
        same = [f.labelled for f in each if (f.recall or 0) >= max(enough) - 1e-12]
        assert found.figures.labelled == pytest.approx(min(same))  # no further false alarms


@given(scored(), st.sampled_from([0.1, 0.5, 0.75, 0.9, 1.0]))
def test_a_recall_is_kept_with_the_fewest_rows(rows, wanted):
    found = choose_threshold({"recall": wanted}, *rows).figures
    enough = [f.labelled for f in every(*rows) if (f.recall or 0) >= wanted - 1e-12]
    if found.recall is not None:
        assert found.recall >= wanted - 1e-12
        assert found.labelled == pytest.approx(min(enough))


@given(scored())
def test_a_cost_is_the_lowest_that_a_threshold_gives(rows):
    costs = [[0, 1], [10, -0.5]]
    found = choose_threshold({"cost": costs}, *rows).figures
    least = min(each.cost for each in every(*rows, np.array(costs)))
    assert found.cost == pytest.approx(least)


def test_the_threshold_lies_halfway_between_two_scores():
    probability = np.array([0.1, 0.2, 0.6, 0.9], np.float32)
    label = np.array([0, 0, 1, 1], np.float32)
    found = choose_threshold("f1", probability, label)
    assert found.figures.threshold == pytest.approx(0.4)
    assert found.figures.f1 == 1
    assert choose_threshold(0.25, probability, label).figures.threshold == 0.25
    assert choose_threshold("prior", probability, label).figures.threshold == 0.5


def test_neighbouring_scores_are_told_apart():
    probability = np.array([HIGHEST, 1.0], np.float32)
    found = choose_threshold("f1", probability, np.array([0.0, 1.0]))
    assert found.figures.f1 == 1
    assert found.figures.threshold == 1.0


@given(scored())
def test_figures_are_those_of_scikit_learn(rows):
    probability, label, weight = rows
    found = figures_at(0.5, *rows)
    labelled = probability >= 0.5
    for ours, theirs in (
        (found.precision, precision_score), (found.recall, recall_score), (found.f1, f1_score)
    ):  # fmt: skip
        expected = theirs(label, labelled, sample_weight=weight, zero_division=np.nan)
        assert np.isnan(expected) if ours is None else ours == pytest.approx(expected)


def test_rows_of_one_class_have_a_threshold_all_the_same():
    ones = np.ones(3)
    for rule in ("f1", "prior", {"precision": 0.9}, {"recall": 0.9}, {"cost": [[0, 1], [2, 0]]}):
        for label in (ones, 1 - ones):
            found = choose_threshold(rule, np.array([0.2, 0.3, 0.4], np.float32), label)
            assert 0 <= found.figures.threshold <= 1
            assert (found.figures.recall is None) == (not label.any())
