"""How the scores of labelled rows lie, by class, and what scikit-learn measures on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import entr, expit
from scipy.stats import binomtest
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix_at_thresholds,
    precision_recall_curve,
    roc_auc_score,
)

from serve_runtime.arrays import Array, Float64

HOLDOUT: Final = "holdout"
TRAINING: Final = "training"
_NEAR: Final = 2.0**-21
"""Scores are float32 and the sigmoid is off by some units in its last place: one that is so near to
a threshold, relative to it, counts as reaching it."""
_LEAST_BINS: Final = 4


class Decision(NamedTuple):
    """What labels are worth at a threshold; a share of no rows is None."""

    threshold: float
    labelled: float
    """The share of rows that are labelled positive."""
    precision: float | None
    recall: float | None
    f1: float | None
    accuracy: float
    false_positives: float
    """Per 1,000 rows."""
    false_negatives: float
    """Per 1,000 rows."""


class Bin(NamedTuple):
    """Rows whose probabilities are alike."""

    predicted: float
    """Their mean probability."""
    observed: float
    """The share of them that is positive."""
    rows: float
    low: float
    """The ends of Wilson's interval of 95 % of the share; of weighted rows the share itself."""
    high: float


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class ClassScores:
    """Logits (n,), ascending, and how many rows of each class have them, (n,) each."""

    logit: Float64
    negative: Float64
    positive: Float64
    weighted: bool = False
    """Whether rows count by their weights."""

    @classmethod
    def of(cls, profile: Mapping[str, Any], part: str) -> "ClassScores | None":
        """Those of a part of the rows, HOLDOUT or TRAINING; None where there are none."""
        found = (profile.get("scores") or {}).get(part)
        if not found or not found["logit"]:
            return None
        logit, negative, positive = (
            np.array(found[k], np.float64) for k in ("logit", "negative", "positive")
        )
        weighted = bool(profile.get("weights", False))
        return cls(logit, negative, positive, weighted)

    @property
    def negatives(self) -> float:
        """Rows of the negative class."""
        return float(self.negative.sum())

    @property
    def positives(self) -> float:
        """Rows of the positive class."""
        return float(self.positive.sum())

    @property
    def rows(self) -> float:
        """Rows of both classes."""
        return self.negatives + self.positives

    @property
    def share(self) -> float:
        """The share of rows that is positive."""
        return self.positives / self.rows

    @property
    def entropy(self) -> float:
        """The log loss of giving every row the share of positive rows as its probability."""
        return float(entr([self.share, 1 - self.share]).sum())

    @property
    def both(self) -> bool:
        """Whether there are rows of both classes."""
        return self.negatives > 0 and self.positives > 0

    @cached_property
    def probability(self) -> Float64:
        """(n,)"""
        result: Float64 = expit(self.logit)
        return result

    @cached_property
    def _rows(self) -> tuple[Array, Float64, Float64]:
        """Labels, logits and weights as scikit-learn takes them: one of each class and logit."""
        label = np.repeat([0, 1], len(self.logit))
        weight = np.concatenate([self.negative, self.positive])
        kept = weight > 0
        return label[kept], np.tile(self.logit, 2)[kept], weight[kept]

    @cached_property
    def auc(self) -> float:
        """The area under the ROC curve."""
        label, score, weight = self._rows
        return float(roc_auc_score(label, score, sample_weight=weight))

    @cached_property
    def average_precision(self) -> float:
        """The mean of the precision over the recall."""
        label, score, weight = self._rows
        return float(average_precision_score(label, score, sample_weight=weight))

    @cached_property
    def precision_recall(self) -> tuple[Float64, Float64]:
        """Precision and recall at each logit, and the end at recall 0, (m + 1,) each."""
        label, score, weight = self._rows
        precision, recall, _ = precision_recall_curve(label, score, sample_weight=weight)
        return precision, recall

    @cached_property
    def cuts(self) -> "Cuts":
        """Rows labelled positive at each cut between two logits, from none of them to all."""
        label, score, weight = self._rows
        _, wrong, _, right, threshold = confusion_matrix_at_thresholds(
            label, score, sample_weight=weight
        )
        return Cuts(expit(threshold), np.append(0.0, right), np.append(0.0, wrong))

    @property
    def gain(self) -> tuple[Float64, Float64]:
        """The share of the positive rows that are found where a share of all rows is taken, those
        of the highest scores first, (m + 1,) each, from 0 to 1."""
        cuts = self.cuts
        return cuts.right / self.positives, (cuts.right + cuts.wrong) / self.rows

    def at(self, threshold: float) -> Decision:
        """What labels are worth where rows that reach `threshold` are labelled positive."""
        cuts = self.cuts
        reached = int(np.count_nonzero(cuts.probability >= threshold * (1 - _NEAR)))
        right, wrong = float(cuts.right[reached]), float(cuts.wrong[reached])
        labelled, missed = right + wrong, self.positives - right
        every = 2 * right + wrong + missed
        return Decision(
            threshold=threshold,
            labelled=labelled / self.rows,
            precision=right / labelled if labelled else None,
            recall=right / self.positives if self.positives else None,
            f1=2 * right / every if every else None,
            accuracy=(right + self.negatives - wrong) / self.rows,
            false_positives=1000 * wrong / self.rows,
            false_negatives=1000 * missed / self.rows,
        )

    def quantile(self, share: float) -> float:
        """The probability that `share` of the rows do not reach."""
        total = np.cumsum(self.negative + self.positive)
        place = min(int(total.searchsorted(share * total[-1])), len(self.logit) - 1)
        return float(self.probability[place])

    def bins(self, most: int = 10) -> list[Bin]:
        """Rows by probability: `most` bins of equal width, or, where nearly all rows would be in a
        few of them, of equally many rows."""
        edges = np.linspace(0, 1, most + 1)[1:-1]
        found = self._bins(np.unique(edges))
        if len(found) < _LEAST_BINS:
            edges = np.array([self.quantile(k / most) for k in range(1, most)])
            found = max(found, self._bins(np.unique(edges)), key=len)
        return found

    def _bins(self, edges: Float64) -> list[Bin]:
        place, found = edges.searchsorted(self.probability, side="right"), []
        for k in range(len(edges) + 1):
            inside = place == k
            positive, negative = self.positive[inside].sum(), self.negative[inside].sum()
            rows = float(positive + negative)
            if not rows:
                continue
            weight = self.negative[inside] + self.positive[inside]
            predicted = float(np.average(self.probability[inside], weights=weight))
            observed = low = high = float(positive) / rows
            if not self.weighted:
                test = binomtest(round(positive), round(rows))
                low, high = test.proportion_ci(method="wilson")
            found.append(Bin(predicted, observed, rows, float(low), float(high)))
        return found


class Cuts(NamedTuple):
    """Rows that are labelled positive at each of m distinct probabilities, highest first."""

    probability: Float64
    """(m,)"""
    right: Float64
    """(m + 1,) the positive ones: of none labelled, and then at each probability."""
    wrong: Float64
    """(m + 1,) the negative ones."""
