"""How the scores of all rows lie, by class: exact where few logits differ, else in bins; collected
from rows that come some at a time, in memory that has a limit."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from serve_runtime.arrays import Float32, Float64
from serve_runtime.evaluation.auc import ordered
from train.gradients.processes import ProcessGroup
from train.profile.digits import rounded, shortest

MOST_LOGITS: Final = 2000
"""Logits of a part, each with the rows at it or near it."""

_DROPPED: Final = 12
"""Bits of a float32 logit that its narrow bin leaves out, so that 11 binary digits tell it."""
_BINS: Final = 1 << (32 - _DROPPED)


class Counts(NamedTuple):
    """Rows by logit and class."""

    logit: Float64
    """(u,) ascending."""
    rows: Float64
    """(2, u) of the negative and of the positive class, each counting by its weight."""


class ScoreCounts:
    """Counts rows by logit and class, in 24 MB however many rows there are."""

    def __init__(self) -> None:
        self._weighted, self._rows = False, np.zeros(2)
        self._counts, self._sums = np.zeros((2, _BINS)), np.zeros(_BINS)
        """In narrow bins of rising logits, the rows of each class, each counting by its weight, and
        the sums of the logits of both."""
        self._exact: Counts | None = Counts(np.empty(0), np.empty((2, 0)))
        """By logit, while few differ."""

    def add(self, logit: torch.Tensor, labels: Float32, weights: Float32 | None) -> None:
        """Add rows: finite float32 logits (m,), labels (m,), 0 or 1, and weights (m,), if any."""
        values, positive = logit.numpy(), labels.astype(np.intp)
        wide, place = values.astype(np.float64), (ordered(values) >> _DROPPED).astype(np.intp)
        own = None if weights is None else weights.astype(np.float64)
        self._weighted |= own is not None
        self._rows += np.bincount(positive, minlength=2)
        self._sums += np.bincount(place, wide if own is None else own * wide, _BINS)
        place += positive * _BINS
        self._counts += np.bincount(place, own, 2 * _BINS).reshape(2, _BINS)
        if self._exact is None:
            return
        if np.count_nonzero(self._counts.any(0)) > MOST_LOGITS:
            self._exact = None
            return
        here = np.ones(len(wide)) if own is None else own
        rows = np.stack([here * (1 - positive), here * positive])
        self._exact = _by_logit([self._exact, Counts(wide, rows)])

    def finish(self, group: ProcessGroup) -> dict[str, Any]:
        """The scores of the rows of all processes: `rows` of both classes, whether they have
        `weights`, and ascending logits with the rows, or the sums of their weights, of the
        `negative` and the `positive` class."""
        exact, rows, weighted = zip(
            *group.gather((self._exact, self._rows, self._weighted)), strict=True
        )
        known = [found for found in exact if found is not None]
        counts = _by_logit(known) if len(known) == len(exact) else None
        if counts is None:
            parts = (self._sums, self._counts)
            counts = _quantile_bins(*(group.sum(torch.from_numpy(p)).numpy() for p in parts))
        digits = 9 if any(weighted) else 0
        return {
            "rows": [int(count) for count in sum(rows)],
            "weights": any(weighted),
            "logit": shortest(counts.logit),
            "negative": rounded(counts.rows[0], digits),
            "positive": rounded(counts.rows[1], digits),
        }


def _by_logit(parts: Sequence[Counts]) -> Counts | None:
    """The rows of all parts by logit; None where more than MOST_LOGITS differ."""
    logit, place = np.unique(np.concatenate([p.logit for p in parts]), return_inverse=True)
    if len(logit) > MOST_LOGITS:
        return None
    rows = np.concatenate([part.rows for part in parts], axis=1)
    return Counts(logit, np.stack([np.bincount(place, of, len(logit)) for of in rows]))


def _quantile_bins(sums: Float64, counts: Float64) -> Counts:
    """At most MOST_LOGITS bins of about as many rows each, at their mean logits, made of narrow
    ones."""
    total = counts.sum(0)
    there = np.flatnonzero(total)
    rows = total[there]
    middle = np.cumsum(rows) - rows / 2
    wide = np.floor(middle / rows.sum() * MOST_LOGITS)
    starts = np.flatnonzero(np.diff(wide, prepend=-1))
    mean = np.add.reduceat(sums[there], starts) / np.add.reduceat(rows, starts)
    return Counts(mean, np.add.reduceat(counts[:, there], starts, axis=1))
