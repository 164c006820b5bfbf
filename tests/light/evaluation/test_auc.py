"""The area under the ROC curve, against the counting of all pairs that defines it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.evaluation.auc import StreamedAuc, auc, auc_of_counts

scores = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.lists(st.tuples(st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0]), scores),
                          st.integers(0, 1)), min_size=1, max_size=40)  # fmt: skip


def by_pairs(score, label):
    """The share of pairs that are in order, as the definition says."""
    pairs = [(p, n) for p in score[label == 1].tolist() for n in score[label == 0].tolist()]
    if not pairs:
        return None
    return float(sum(Fraction((p > n) + (p >= n), 2) for p, n in pairs) / len(pairs))


def arrays(pairs):
    score, label = zip(*pairs, strict=True)
    return np.array(score, np.float32), np.array(label, np.int8)


@given(rows)
def test_the_area_is_the_share_of_pairs_in_order(pairs):
    score, label = arrays(pairs)
    assert auc(score, label) == by_pairs(score, label)
    streamed = StreamedAuc()
    for start in range(0, len(score), 7):
        streamed.add(score[start : start + 7], label[start : start + 7])
    assert streamed.result() == (by_pairs(score, label), 0.0)


@given(rows)
def test_the_area_of_bins_is_as_near_as_it_says(pairs):
    score, label = arrays(pairs)
    streamed = StreamedAuc(exact_rows=3)
    for start in range(0, len(score), 2):
        streamed.add(score[start : start + 2], label[start : start + 2])
    found, within = streamed.result()
    exact = by_pairs(score, label)
    assert (found is None) == (exact is None)
    if exact is not None:
        assert abs(found - exact) <= within * (1 + 1e-12)


def test_more_rows_than_are_kept_are_counted_in_bins():
    rng = np.random.default_rng(0)
    score = rng.normal(size=30_000).astype(np.float32)
    label = (rng.random(30_000) < 1 / (1 + np.exp(-score))).astype(np.int8)
    streamed = StreamedAuc(exact_rows=9_999)
    for start in range(0, 30_000, 5_000):
        streamed.add(score[start : start + 5_000], label[start : start + 5_000])
    found, within = streamed.result()
    assert 0 < abs(found - auc(score, label)) <= within < 1e-5


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_area(label):
    labels = np.full(4, label, np.int8)
    assert auc(np.arange(4.0), labels) is None
    for exact_rows in (1, 9):
        streamed = StreamedAuc(exact_rows)
        streamed.add(np.arange(4, dtype=np.float32), labels)
        assert streamed.result() == (None, 0.0)
    assert StreamedAuc().result() == (None, 0.0)


def test_counts_of_billions_of_rows_do_not_overflow():
    many = np.array([3 << 40, 1 << 40])
    assert auc_of_counts(many, many[::-1]) == (0.75, pytest.approx(0.1875))
