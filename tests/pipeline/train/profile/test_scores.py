"""What counts of scores say is what the rows say, within bounded memory."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.profile.scores import MOST_LOGITS, ScoreCounts


class Together(ProcessGroup):
    """The first of two processes whose counts are these."""

    def __init__(self, others: ScoreCounts) -> None:
        super().__init__(0, 2)
        self._others = others

    def gather(self, value):
        return [value, (self._others._exact, self._others._rows, self._others._weighted)]

    def sum(self, values):
        own = self._others._sums if values.ndim == 1 else self._others._counts
        return values + torch.from_numpy(own)


def rows(count, weighted=False, digits=None):
    rng = np.random.default_rng(count)
    logit = rng.normal(size=count, scale=3)
    logit = (logit if digits is None else logit.round(digits)).astype(np.float32)
    label = (logit + rng.logistic(size=count) > 1).astype(np.float32)
    weight = rng.gamma(1, size=count).astype(np.float32) if weighted else None
    return logit, label, weight


def counted(*parts, group=SINGLE_PROCESS):
    counts = ScoreCounts()
    for logit, label, weight in parts:
        counts.add(torch.from_numpy(logit), label, weight)
    return counts.finish(group)


def taken(part, index):
    return [None if values is None else values[index] for values in part]


@pytest.mark.parametrize("weighted", [False, True])
def test_few_logits_are_exact(weighted):
    logit, label, weight = part = rows(5000, weighted, digits=1)
    found = counted(part)
    own = np.ones(5000) if weight is None else weight.astype(np.float64)
    distinct = np.unique(logit)
    assert np.array_equal(np.array(found["logit"], np.float32), distinct)
    for name, of in (("negative", 0), ("positive", 1)):
        expected = [own[(logit == z) & (label == of)].sum() for z in distinct]
        assert found[name] == pytest.approx(expected, rel=1e-8)
    assert found["rows"] == [int((label == 0).sum()), int((label == 1).sum())]
    assert found["weights"] is weighted


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("count", [3000, 60_000])
def test_many_logits_are_in_bins_of_as_many_rows(count, weighted):
    logit, label, weight = part = rows(count, weighted)
    found = counted(part)
    z, negative, positive = (np.array(found[k]) for k in ("logit", "negative", "positive"))
    assert MOST_LOGITS / 2 < len(z) <= MOST_LOGITS
    assert (np.diff(z) > 0).all()
    total = negative + positive
    own = np.ones(count) if weight is None else weight
    assert total.sum() == pytest.approx(own.sum(), rel=1e-6)
    assert total.max() < 3 * own.sum() / MOST_LOGITS + own.max()
    assert (total @ z) / total.sum() == pytest.approx(np.average(logit, weights=own), abs=1e-5)
    area = roc_auc_score(
        np.repeat([0, 1], len(z)), np.tile(z, 2), sample_weight=np.r_[negative, positive]
    )
    assert area == pytest.approx(roc_auc_score(label, logit, sample_weight=weight), abs=2e-4)


@pytest.mark.parametrize("digits", [1, None])
def test_parts_and_processes_give_what_all_rows_give(digits):
    part = rows(20_000, digits=digits)
    whole = counted(part)
    pieces = [taken(part, slice(i, i + 3000)) for i in range(0, 20_000, 3000)]
    assert counted(*pieces) == whole
    others = ScoreCounts()
    for logit, label, weight in pieces[3:]:
        others.add(torch.from_numpy(logit), label, weight)
    assert counted(*pieces[:3], group=Together(others)) == whole


def test_logits_of_one_narrow_range_are_in_few_bins():
    logit = np.linspace(1, 1.001, 5000, dtype=np.float32)  # few bins, and many logits
    label = np.ones(5000, np.float32)
    found = counted((logit, label, None))
    assert 1 <= len(found["logit"]) <= 5
    assert sum(found["positive"]) == 5000
    assert sum(found["negative"]) == 0


def test_zeros_of_both_signs_and_far_logits():
    logit = np.array([-0.0, 0.0, 3e38, -3e38, 1e-40], np.float32)
    found = counted((logit, np.array([0, 1, 1, 0, 1], np.float32), None))
    assert found["logit"] == pytest.approx([-3e38, 0, 1e-40, 3e38])
    assert (found["negative"], found["positive"]) == ([1, 1, 0, 0], [0, 1, 1, 1])
