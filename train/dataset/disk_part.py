"""One part of the rows on disk (those to train on, or those held out) while it is read."""

import operator
from functools import reduce
from pathlib import Path

import numpy as np

from serve_runtime.arrays import Float32, Floats
from train.dataset.block_file import BlockFile
from train.gradients.numba_kernels import chunk_rows, chunk_slices
from train.gradients.processes import ProcessGroup
from train.run_folder import sample_positions
from train.standardize import Moments
from train.tables.row_digest import RowDigest


class DiskPart:
    """The rows to train on, or the rows held out: their file, digest, moments and sample.

    `count` is the number of rows of all processes; this one keeps `mine`, whole chunks. Rows are
    added in order, then `finish` is called; from then on `sample`, `digest`, `moments` and
    `positives` are those of the rows of all processes.
    """

    def __init__(
        self,
        where: Path,
        width: int,
        number_type: type[np.floating],
        group: ProcessGroup,
        count: int,
    ) -> None:
        step = chunk_rows(width)
        mine = group.share(-(-count // step))
        self.count, self.mine = count, range(mine.start * step, min(count, mine.stop * step))
        self.file = BlockFile(where, width, number_type)
        self._positions = sample_positions(count, width)
        self._sample: list[Float32] = []
        self._digest, self._moments = RowDigest(), list[Moments]()
        self._positives, self._seen = 0.0, 0

    def add(self, features: Floats, labels: Float32) -> None:
        """Add the next of all rows: features (d, m), labels (m,). This process keeps its share."""
        first, self._seen = self._seen, self._seen + len(labels)
        here = slice(max(0, self.mine.start - first), max(0, self.mine.stop - first))
        if len(labels[here]):
            self.file.append(features[:, here], labels[here], self._see)

    def skip(self, rows: int) -> None:
        """Pass over the next `rows` rows, of which this process keeps none."""
        self._seen += rows

    def finish(self, group: ProcessGroup) -> None:
        """Write what is left, and exchange what the processes have found in their rows."""
        self.file.finish(self._see)
        found = group.gather((self._sample, self._digest.chunks, self._moments, self._positives))
        samples, digests, moments, positives = zip(*found, strict=True)
        self.sample = np.concatenate([rows for each in samples for rows in each])
        self.digest = RowDigest()
        self.digest.chunks = [chunk for each in digests for chunk in each]
        self.moments = reduce(operator.add, (chunk for each in moments for chunk in each))
        self.positives = sum(positives)

    def _see(self, features: Floats, labels: Floats) -> None:
        first = self.mine.start + self.file.count
        here = self._positions[(first <= self._positions) & (self._positions < first + len(labels))]
        self._sample.append(features[:, here - first].T.astype(np.float32))
        self._positives += float(labels.sum(dtype=np.float64))
        for chunk in chunk_slices(*features.shape):
            self._digest.add(features[:, chunk], labels[chunk])
            self._moments.append(Moments.of(features[:, chunk]))
