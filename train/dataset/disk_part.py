"""One part of the rows on disk (those to train on, or those held out) while it is read."""

import operator
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np

from serve_runtime.arrays import Float32, Float64, Floats
from serve_runtime.features.raw_rows import RawRows
from train.dataset.block_file import BlockFile, Raw, rows_in_chunk
from train.dataset.layer import Layer, further_moments
from train.gradients.numba_kernels import chunk_slices
from train.gradients.processes import ProcessGroup
from train.persistence.run_folder import raw_rows, sample_positions
from train.profile.columns import histogram_positions
from train.standardize import Moments
from train.tables.columns.reading import Reading
from train.tables.columns.vocabulary import Int32, texts_at
from train.tables.row_digest import RowDigest
from train.tables.weights import positive_share


class DiskPart:
    """The rows to train on, or the rows held out: their file, digest, moments and sample.

    `labels` (n,) and `weights` (n,), if there are any, are those of the rows of all processes, of
    which `count` is the number; this one keeps `mine`, whole chunks. Rows are added in order, then
    `finish` is called; from then on `sample`, `histogram_rows` (k, m), `digest`, `moments` (of the
    numbers) and `further` (of the further columns of bent ones) are those of the rows of all
    processes. `positive_share` is that of all of them, each counting by its weight.
    """

    def __init__(
        self,
        where: Path,
        layer: Layer,
        reading: Reading,
        group: ProcessGroup,
        labels: Float32,
        weights: Float32 | None,
    ) -> None:
        count = len(labels)
        self._labels, self._weights = labels, weights
        self.positive_share = positive_share(labels, weights)
        self._design, self._reading = layer.design, reading
        columns = len(self._design.columns)
        step = rows_in_chunk(self._design.dense, columns)
        mine = group.share(-(-count // step))
        self.count, self.mine = count, range(mine.start * step, min(count, mine.stop * step))
        self.file = BlockFile(where, layer, reading.number_type, weighted=weights is not None)
        self._positions = sample_positions(count, columns)
        self._sample: list[RawRows] = []
        self._looked_at = histogram_positions(count, columns)
        self._numbers: list[Float64] = []
        self._digest, self._moments = RowDigest(), list[tuple[Moments, Moments]]()
        self._seen = 0

    @property
    def _vocabularies(self) -> tuple[tuple[str, ...], ...]:
        return tuple(vocabulary.texts for vocabulary in self._reading.vocabularies)

    def add(self, numbers: Floats, places: Sequence[Int32]) -> None:
        """Add the next of all rows, as `Raw` has them. This process keeps its share."""
        first, self._seen = self._seen, self._seen + numbers.shape[1]
        weights = None if self._weights is None else self._weights[first : self._seen]
        rows = Raw(numbers, self._labels[first : self._seen], places, weights)
        here = slice(max(0, self.mine.start - first), max(0, self.mine.stop - first))
        if len(rows.labels[here]):
            self.file.append(rows.take(here), self._vocabularies, self._see)

    def skip(self, rows: int) -> None:
        """Pass over the next `rows` rows, of which this process keeps none."""
        self._seen += rows

    def finish(self, group: ProcessGroup) -> None:
        """Write what is left, and exchange what the processes have found in their rows."""
        self.file.finish(self._vocabularies, self._see)
        self._labels, self._weights = self._labels[:0], None
        own = (self._sample, self._numbers, self._digest.chunks, self._moments)
        samples, numbers, digests, moments = zip(*group.gather(own), strict=True)
        self.sample = RawRows.joined([rows for each in samples for rows in each])
        self.histogram_rows = np.concatenate([some for each in numbers for some in each], axis=1)
        self._numbers = []
        self.digest = RowDigest()
        self.digest.chunks = [chunk for each in digests for chunk in each]
        chunks = [chunk for each in moments for chunk in each]
        self.moments, self.further = (
            reduce(operator.add, parts) for parts in zip(*chunks, strict=True)
        )

    def _see(self, rows: Raw) -> None:
        vocabularies, count = self._vocabularies, len(rows.labels)
        first = self.mine.start + self.file.count
        here, looked_at = (
            places[(first <= places) & (places < first + count)]
            for places in (self._positions, self._looked_at)
        )
        self._numbers.append(rows.numbers[:, looked_at - first].astype(np.float64))
        texts = tuple(
            texts_at(words, places[here - first])
            for words, places in zip(vocabularies, rows.places, strict=True)
        )
        self._sample.append(raw_rows(self._design, rows.numbers[:, here - first], texts))
        for chunk in chunk_slices(len(self._design.columns), count):
            some = rows.take(chunk)
            self._digest.add(some.numbers, some.labels, some.places, vocabularies, some.weights)
            further = further_moments(self._design, some.numbers)
            self._moments.append((Moments.of(some.numbers), further))
