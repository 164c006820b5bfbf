"""The rows by which a penalty is chosen: some of those that are trained on, as they were read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from serve_runtime.arrays import Float32, Float64, Floats
from train.dataset.layer import Layer, layer_moments, scaling_of
from train.design import Design
from train.gradients.source import Rows
from train.selection.draw import draw
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
    """(m,) how much they count: their own weights, 1 on average, or those of the rows drawn (see
    Drawn); None where all are 1."""
    share: float = np.nan
    """The share of positive rows among all rows to train on, each counting by its weight; needed
    where classes have weights."""
    counts: Float64 | None = None
    """(m,) how many rows to train on each stands for; None where these are all."""
    moments: Moments | None = None
    """Of the numbers in all rows to train on; None where these are all."""

    def layer(self, design: Design, *, standardize: bool) -> Layer:
        """The layer of `design` over these rows."""
        further = Moments.none(design.dense - design.flat)  # their means would change no fit
        raw, rows = self.moments, self.total
        if raw is None:
            raw, rows = Moments.of(self.numbers), len(self.labels)
        moments = layer_moments(raw, design, rows, further)
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
        self._weights = None if own is None else scaled(own[rows])
        self._counts: Float64 | None = None
        self._share = positive_share(labels[rows], self._weights)
        if len(rows) > most:
            drawn = draw(labels[rows], self._weights, most)
            self._wanted = rows[drawn.places]
            self._weights, self._counts = drawn.weights, drawn.counts
        self._labels = labels[self._wanted]
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

    def sample(self, reading: Reading, design: Design, moments: Moments) -> Sample:
        """The rows that were collected, as `reading` has read them; `moments` (k,) are those of
        its numbers in all rows to train on."""
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
            self._counts,
            None if self._counts is None else moments.take(order),
        )
