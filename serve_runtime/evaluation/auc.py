"""The area under the ROC curve: the share of pairs of a positive and a negative row in which the
positive one has the higher score; a tie counts one half (the Mann-Whitney statistic)."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Array, Float32

EXACT_ROWS: Final = 1 << 23
"""Most rows whose scores are all kept, which takes 5 bytes each and 17 for the final sort."""

_BIN_BITS: Final = 22
"""Of more rows, scores count as ties that agree in so many of their leading bits: sign, exponent
and 13 binary digits. The counts of all 2²² take 64 MB."""


def auc(score: Array, label: Array) -> float | None:
    """The exact area for scores (n,) and labels (n,), 0 or 1; None where only one class is there.

    Counted in whole numbers, and divided once.
    """
    positive = label.astype(bool)
    negatives = np.sort(score[~positive])
    positives = np.sort(score[positive])  # neighbours are looked up in neighbouring memory
    pairs = len(positives) * len(negatives)
    if not pairs:
        return None
    below = np.searchsorted(negatives, positives, "left").sum(dtype=np.int64)
    not_above = np.searchsorted(negatives, positives, "right").sum(dtype=np.int64)
    return (int(below) + int(not_above)) / (2 * pairs)


def auc_of_counts(negatives: Array, positives: Array) -> tuple[float | None, float]:
    """The area where `negatives` (k,) and `positives` (k,) count the rows in k bins of rising
    scores, and how far at most that is from the area without bins; rows in one bin are ties."""
    negative, positive = negatives.astype(np.float64), positives.astype(np.float64)
    pairs = negative.sum() * positive.sum()
    if not pairs:
        return None, 0.0
    ties = (negative * positive).sum()
    below = ((np.cumsum(negative) - negative) * positive).sum()
    return float((below + ties / 2) / pairs), float(ties / 2 / pairs)


class StreamedAuc:
    """The area over rows that are added some at a time, in memory that has a limit.

    Exact up to `exact_rows` rows; of more, scores are counted in bins.
    """

    def __init__(self, exact_rows: int = EXACT_ROWS) -> None:
        self._exact_rows, self._rows = exact_rows, 0
        self._kept: list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]] = []
        self._counts: npt.NDArray[np.int64] | None = None
        """(2, 2²²), by class and bin, once there are more rows."""

    def add(self, score: Float32, label: npt.NDArray[np.int8]) -> None:
        """Add scores (n,), finite, and labels (n,), 0 or 1."""
        self._kept.append((ordered(score), label.astype(bool)))
        self._rows += len(score)
        if self._rows > self._exact_rows:
            self._count()

    def result(self) -> tuple[float | None, float]:
        """The area, None where only one class is there, and how far at most it is from the exact
        one: 0 where it is exact."""
        if self._counts is not None:
            return auc_of_counts(*self._counts)
        keys, labels = (self._all(part) for part in (0, 1))
        return auc(keys, labels), 0.0

    def _all(self, part: int) -> Any:
        return np.concatenate([kept[part] for kept in self._kept]) if self._kept else np.empty(0)

    def _count(self) -> None:
        """Move what is kept into the counts."""
        if self._counts is None:
            self._counts = np.zeros((2, 1 << _BIN_BITS), np.int64)
        for keys, labels in self._kept:
            for of_class, mask in zip(self._counts, (~labels, labels), strict=True):
                bins, count = np.unique(keys[mask] >> (32 - _BIN_BITS), return_counts=True)
                of_class[bins] += count
        self._kept = []


def ordered(score: Float32) -> npt.NDArray[np.uint32]:
    """Integers in the order of the float32 scores, -0 equal to 0."""
    bits = (score + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
