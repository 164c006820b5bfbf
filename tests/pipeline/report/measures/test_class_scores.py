import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from pipeline.report.made_sources import drawn, profile, scores
from report.measures.class_scores import HOLDOUT, TRAINING, ClassScores


def of(logit, label) -> ClassScores:
    found = ClassScores.of(profile(training=scores(logit, label)), TRAINING)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def rows():
    logit, label = drawn(3000)
    return logit.round(2), label  # with ties


def test_areas_are_those_of_the_raw_scores(rows):
    found = of(*rows)
    assert found.auc == pytest.approx(metrics.roc_auc_score(rows[1], rows[0]), abs=1e-12)
    expected = metrics.average_precision_score(rows[1], rows[0])
    assert found.average_precision == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_labels_at_a_threshold_are_worth_what_they_are(rows, threshold):
    logit, label = rows
    given, found = expit(logit) >= threshold, of(logit, label).at(threshold)
    assert found.labelled == pytest.approx(given.mean())
    assert found.accuracy == pytest.approx(metrics.accuracy_score(label, given))
    assert found.recall == pytest.approx(metrics.recall_score(label, given))
    assert found.false_positives == pytest.approx(1000 * (given & (label == 0)).mean())
    assert found.false_negatives == pytest.approx(1000 * (~given & (label == 1)).mean())
    if not given.any():
        assert found.precision is None
        assert found.f1 == 0
        return
    assert found.precision == pytest.approx(metrics.precision_score(label, given))
    assert found.f1 == pytest.approx(metrics.f1_score(label, given))


def test_a_float32_score_reaches_itself_as_threshold():
    logit = np.float32([-1.3, 0.7, 2.1]).astype(float)
    found = of(logit, [0, 1, 1])
    for place, probability in enumerate(np.float32(expit(logit)).tolist()):
        assert found.at(probability).labelled == pytest.approx((3 - place) / 3)


def test_weights_count_as_rows():
    logit, label = drawn(300)
    times = np.random.default_rng(1).integers(1, 5, len(logit))
    once = scores(logit, label)
    order = np.argsort(logit)
    for name in ("negative", "positive"):
        once[name] = (np.array(once[name]) * times[order]).tolist()
    document = profile(training=once)
    document["weights"] = True
    weighted = ClassScores.of(document, TRAINING)
    repeated = of(np.repeat(logit, times), np.repeat(label, times))
    assert weighted is not None
    assert weighted.weighted
    assert weighted.auc == pytest.approx(repeated.auc)
    assert weighted.at(0.3)[1:] == pytest.approx(repeated.at(0.3)[1:])
    assert [b[:3] for b in weighted.bins()] == [pytest.approx(b[:3]) for b in repeated.bins()]
    assert all(b.low == b.observed == b.high for b in weighted.bins())


def test_gain_counts_the_positives_among_the_highest():
    found, taken = of([1, 2, 3, 4, 5], [0, 1, 0, 0, 1]).gain
    np.testing.assert_allclose(taken, [0, 0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(found, [0, 0.5, 0.5, 0.5, 1, 1])


def test_bins_hold_all_rows_and_their_shares(rows):
    logit, label = rows
    bins, probability = of(logit, label).bins(), expit(logit)
    assert len(bins) == 10
    place = np.minimum((probability * 10).astype(int), 9)
    for k, found in enumerate(bins):
        assert found.rows == (place == k).sum()
        assert found.observed == pytest.approx(label[place == k].mean())
        assert found.predicted == pytest.approx(probability[place == k].mean())
        assert found.low < found.observed < found.high


def test_bins_of_rare_positives_have_equally_many_rows():
    logit, label = drawn(2000, bias=-8)
    bins = of(logit, label).bins()
    assert len(bins) == 10
    assert all(190 <= found.rows <= 210 for found in bins)


def test_one_class_has_no_curve_and_none_is_no_scores():
    found = of([0.0, 1.0], [0, 0])
    assert not found.both
    assert found.at(0.6).recall is None
    assert ClassScores.of(profile(training=scores([0.0], [1])), HOLDOUT) is None
    assert ClassScores.of(profile(training=scores([], [])), TRAINING) is None
