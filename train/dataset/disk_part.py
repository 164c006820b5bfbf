"""The rows of one part of a data set on disk: to train on, or held out."""

import operator
from functools import reduce
from pathlib import Path

import numpy as np

from serve_runtime.arrays import Float32
from train.dataset.block_file import Cache
from train.gradients.numba_kernels import part_rows, part_slices
from train.gradients.processes import Group
from train.run_folder import sample_positions
from train.standardize import Moments
from train.tables.row_digest import Digest


class _Part:
    """Rows to train on, or to hold out: those of this process, `mine` of `count`."""

    def __init__(self, where: Path, width: int, count: int, group: Group) -> None:
        step = part_rows(width)
        mine = group.share(-(-count // step))
        self.count, self.mine = count, range(mine.start * step, min(count, mine.stop * step))
        self.cache = Cache(where, width)
        self._positions = sample_positions(count, width)
        self._sample: list[Float32] = []
        self._digests, self._moments = Digest(), list[Moments]()
        self._positives, self._seen = 0.0, 0

    def add(self, features: Float32, labels: Float32) -> None:
        """Take in the next of all `count` rows, and keep those of this process."""
        first, self._seen = self._seen, self._seen + len(labels)
        here = slice(max(0, self.mine.start - first), max(0, self.mine.stop - first))
        if len(labels[here]):
            self.cache.append(features[:, here], labels[here], self._see)

    def skip(self, rows: int) -> None:
        """The next `rows` rows are none of this process."""
        self._seen += rows

    def finish(self, group: Group) -> None:
        """Make known to each process what all have found."""
        self.cache.finish(self._see)
        found = group.gather((self._sample, self._digests.parts, self._moments, self._positives))
        samples, digests, moments, positives = zip(*found, strict=True)
        self.sample = np.concatenate([rows for part in samples for rows in part])
        self.digest = Digest()
        self.digest.parts = [part for parts in digests for part in parts]
        self.moments = reduce(operator.add, (part for parts in moments for part in parts))
        self.positives = sum(positives)

    def _see(self, features: Float32, labels: Float32) -> None:
        first = self.mine.start + self.cache.count
        here = self._positions[(first <= self._positions) & (self._positions < first + len(labels))]
        self._sample.append(features[:, here - first].T.copy())
        self._positives += float(labels.sum(dtype=np.float64))
        for part in part_slices(*features.shape):
            self._digests.add(features[:, part], labels[part])
            self._moments.append(Moments.of(features[:, part]))
