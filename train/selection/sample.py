"""The rows by which a penalty is chosen: some of those that are trained on, as they were read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from serve_runtime.arrays import Float32, Float64, Floats
from train.dataset.layer import Layer, further_moments, layer_moments, scaling_of
from train.design import Design
from train.gradients.source import Rows
from train.standardize import Moments
from train.tables.columns.profile import Indices, Mask
from train.tables.columns.reading import Reading
from train.tables.columns.vocabulary import Int32
from train.tables.weights import positive_share, scaled

MOST_ROWS = 50_000
_MOST_VALUES = 1 << 23
"""Numbers and codes of a sample: 64 MiB of float64."""
_LEAST_ROWS = 2_000
"""Rows of a sample however many columns there are."""


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Sample:
    """Some of the rows to train on, raw."""

    numbers: Float64
    """(k, m), in the order of the design's numbers; NaN where missing."""
    codes: tuple[Int32, ...]
    """(m,) of each category: places in its vocabulary, -1 where missing."""
    vocabularies: tuple[tuple[str, ...], ...]
    """The texts of each category."""
    labels: Float32
    """(m,) 0 or 1."""
    total: int
    """The number of rows to train on, of which these are some."""
    weights: Float32 | None = None
    """(m,) their own weights, 1 on average over all rows to train on; None where all are 1."""
    share: float = np.nan
    """The share of positive rows among all rows to train on, each counting by its weight; needed
    where classes have weights."""

    def layer(self, design: Design, *, standardize: bool) -> Layer:
        """The layer of `design` over these rows."""
        further = further_moments(design, self.numbers)
        raw = Moments.of(self.numbers)
        moments = layer_moments(raw, design, len(self.labels), further)
        return Layer(design, scaling_of(design, moments, standardize=standardize))

    def rows(self, design: Design, weights: Float32 | None, *, standardize: bool) -> Rows:
        """These rows as the layer of `design` takes them, with `weights` (m,) in the cost."""
        layer = self.layer(design, standardize=standardize)
        codes = layer.codes(self.codes, self.vocabularies)
        return Rows(
            torch.from_numpy(layer.features(self.numbers)),
            torch.from_numpy(self.labels),
            tuple(map(torch.from_numpy, codes)),
            layer.categories,
            None if weights is None else torch.from_numpy(weights),
        )


class Sampler:
    """Collects a sample of the rows that are trained on, while a table is read."""

    def __init__(
        self, labels: Float32, training: Mask, columns: int, own: Float64 | None = None
    ) -> None:
        """`labels` (n,) are those of all rows of the table, which has so many `columns`; `training`
        (n,) says which are trained on; `own` (n,) are their weights, if they have any."""
        rows = np.flatnonzero(training)
        most = min(MOST_ROWS, max(_LEAST_ROWS, _MOST_VALUES // columns))
        self._total, self._wanted = len(rows), rows
        if len(rows) > most:
            parts = [rows[labels[rows] == label] for label in (0, 1)]
            shares = [_evenly(part, max(1, most * len(part) // len(rows))) for part in parts]
            self._wanted = np.sort(np.concatenate(shares))
        self._labels, self._weights = labels[self._wanted], None
        weights = None if own is None else scaled(own[rows])
        if weights is not None:
            self._weights = weights[np.searchsorted(rows, self._wanted)]
        self._share = positive_share(labels[rows], weights)
        self._numbers: Float64 | None = None
        self._codes: list[Int32] = []

    def add(self, features: Floats, codes: Sequence[Int32], rows: Indices) -> None:
        """Add rows: numbers (k, m), codes (m,) of each category, and which (m,) of the table they
        are, rising; m >= 1."""
        if self._numbers is None:
            count = len(self._wanted)
            self._numbers = np.empty((len(features), count))
            self._codes = [np.empty(count, np.int32) for _ in codes]
        first, last = np.searchsorted(self._wanted, (rows[0], rows[-1] + 1))
        wanted = self._wanted[first:last]
        here = np.searchsorted(rows, wanted)
        there = rows[here] == wanted
        places, here = first + np.flatnonzero(there), here[there]
        self._numbers[:, places] = features[:, here]
        for kept, found in zip(self._codes, codes, strict=True):
            kept[places] = found[here]

    def sample(self, reading: Reading, design: Design) -> Sample:
        """The rows that were collected, as `reading` has read them."""
        assert self._numbers is not None
        order = [reading.numbers.index(column.name) for column in design.numbers]
        return Sample(
            self._numbers[order],
            tuple(self._codes),
            tuple(vocabulary.texts for vocabulary in reading.vocabularies),
            self._labels,
            self._total,
            self._weights,
            self._share,
        )


def _evenly(rows: Indices, count: int) -> Indices:
    """`count` of the `rows`, at even distances."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), count)).astype(np.intp)]
