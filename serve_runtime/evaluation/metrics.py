"""What the scores of rows with known labels are worth: the usual metrics of a classifier."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.evaluation.auc import StreamedAuc


@dataclass(frozen=True)
class Evaluation:
    """The metrics of all rows. None stands for one that does not exist: a share of no rows."""

    rows: int
    base_rate: float
    """The share of positive rows."""
    auc: float | None
    """The area under the ROC curve; None where all rows are of one class."""
    auc_within: float
    """How far at most `auc` is from the exact one: 0 up to 2²³ rows."""
    log_loss: float
    """The mean of -log P(the row's class), from the logits."""
    brier: float
    """The mean of (P(positive) - label)²."""
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int

    @property
    def accuracy(self) -> float:
        """The share of rows that get their own label."""
        return (self.true_negatives + self.true_positives) / self.rows

    @property
    def precision(self) -> float | None:
        """The share of positive rows among those labelled positive."""
        return _share(self.true_positives, self.false_positives)

    @property
    def recall(self) -> float | None:
        """The share of the positive rows that are labelled positive."""
        return _share(self.true_positives, self.false_negatives)

    @property
    def specificity(self) -> float | None:
        """The share of the negative rows that are labelled negative."""
        return _share(self.true_negatives, self.false_positives)

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean of recall and specificity."""
        if self.recall is None or self.specificity is None:
            return None
        return (self.recall + self.specificity) / 2


def _share(count: int, others: int) -> float | None:
    return count / (count + others) if count + others else None


def log_losses(logit: Array, label: Array) -> Float64:
    """-log P(the row's class) of each row (n,), in float64, from logits (n,) and labels, 0 or 1.

    log(1 + exp(∓logit)): finite however sure and wrong a score is.
    """
    wide = logit.astype(np.float64)
    losses: Float64 = np.logaddexp(0, np.where(label > 0, -wide, wide))
    return losses


class Tally:
    """Sums and counts over rows that are added some at a time."""

    def __init__(self) -> None:
        self._auc, self._rows = StreamedAuc(), 0
        self._log_loss = self._squares = 0.0
        self._confusion = np.zeros(4, np.int64)

    def add(
        self,
        logit: Float32,
        probability: Float32,
        predicted: npt.NDArray[np.int8],
        label: npt.NDArray[np.int8],
    ) -> None:
        """Add rows: logit, P(positive), the label that they get and the one that they have, each
        (n,); labels are 0 or 1."""
        self._rows += len(label)
        self._auc.add(logit, label)
        self._log_loss += float(log_losses(logit, label).sum())
        self._squares += float(((probability.astype(np.float64) - label) ** 2).sum())
        self._confusion += np.bincount(2 * label + predicted, minlength=4)

    def result(self) -> Evaluation:
        """The metrics; there must be rows."""
        area, within = self._auc.result()
        counts = self._confusion.tolist()
        share = (counts[2] + counts[3]) / self._rows
        log_loss, brier = self._log_loss / self._rows, self._squares / self._rows
        return Evaluation(self._rows, share, area, within, log_loss, brier, *counts)
