"""A file of rows that do not fit into memory: blocks, feature by feature, mapped to be read.

The file has no name in its folder, so that the system removes it however the process ends. To map
a block costs no copy of what the system still has in its page cache; the next block is requested
while one is worked on.
"""

import math
import mmap
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from serve_runtime.arrays import Array, Float32, Floats
from train.dataset.layer import Layer
from train.errors import DataError
from train.gradients.numba_kernels import chunk_rows
from train.gradients.source import Rows
from train.memory_budget import format_size
from train.tables.columns.profile import Mask
from train.tables.columns.vocabulary import Int32
from train.tables.weights import ByClass, weights_by_class

_BLOCK_VALUES = 1 << 22
"""Of float32: 16 MiB are a millisecond or more of work, and little beside any memory limit."""


def rows_in_chunk(width: int, columns: int) -> int:
    """Rows in a chunk of rows of `width` features that a table of `columns` columns has given.

    They are whole chunks of both, so that sums over rows on disk have the bits of sums over the
    same rows in memory.
    """
    return math.lcm(chunk_rows(width), chunk_rows(columns))


def rows_in_block(width: int, columns: int) -> int:
    """Rows in a block on disk, whole chunks."""
    chunk = rows_in_chunk(width, columns)
    return chunk * max(1, _BLOCK_VALUES // (chunk * (width + 1)))


def row_bytes(layer: Layer, *, weighted: bool) -> int:
    """The bytes of a row's features, label, codes and, if it has one, weight."""
    return 4 * (layer.design.dense + 1 + weighted) + sum(kind.itemsize for kind in layer.code_types)


def check_room(where: Path, needed: int) -> None:
    """Raise DataError unless the disk of the folder `where` has `needed` bytes free."""
    free = shutil.disk_usage(where).free
    if needed > free:
        raise DataError(
            f"rows that do not fit into memory need {format_size(needed)} on disk, and {where} has "
            f"{format_size(free)}: name another --out, or allow more memory"
        )


class Raw(NamedTuple):
    """Some rows as they are read."""

    numbers: Floats
    """(k, m), NaN where missing."""
    labels: Floats
    """(m,)"""
    places: Sequence[Int32] = ()
    """(m,) of each category: the places of its texts in the vocabulary, -1 where missing."""
    weights: Floats | None = None
    """(m,), 1 on average over all rows of their part; None where all count alike."""

    def take(self, index: slice | Mask) -> "Raw":
        """The rows at `index`."""
        return Raw(
            self.numbers[:, index],
            self.labels[index],
            tuple(found[index] for found in self.places),
            None if self.weights is None else self.weights[index],
        )


Seen = Callable[[Raw], object]


class BlockFile:
    """Features, codes, labels (0 or 1) and weights of rows, in a file in the folder `where`.

    First raw rows of `numbers` numbers, in `number_type`, are appended, then `finish` is called,
    then the numbers become the features of `layer` by `change`, then blocks are read.
    """

    def __init__(
        self,
        where: Path,
        layer: Layer,
        number_type: type[np.floating] = np.float32,
        *,
        weighted: bool = False,
    ) -> None:
        design = layer.design
        self.weighted = weighted
        self._beside = 1 + weighted  # labels, and weights
        self.width, self.count = design.dense, 0
        self.step = rows_in_block(self.width, len(design.columns))
        self._numbers, self._layer, self.categories = len(design.numbers), layer, layer.categories
        self._where = where
        self._file = tempfile.TemporaryFile(dir=where)  # noqa: SIM115 - open as long as this
        weakref.finalize(self, self._file.close)
        self._type = np.dtype(number_type)
        self._filling = np.empty((self._numbers + self._beside, self.step), number_type)
        self._places = np.empty((len(design.categories), self.step), np.int32)
        floats = self.width + self._beside
        self._rows_of_type = max(len(self._filling), -(-4 * floats // self._type.itemsize))
        self._dense_bytes = self._rows_of_type * self._type.itemsize
        self._code_bytes = sum(kind.itemsize for kind in layer.code_types)
        self._raw = True
        self._filled = 0
        self.known = True
        """Whether all codes so far are those of levels."""
        self.class_factors: ByClass | None = None
        """What the weights of rows of the two classes are multiplied by when they are read."""
        self._map: mmap.mmap | None = None

    def append(self, rows: Raw, vocabularies: Sequence[Sequence[str]], seen: Seen) -> None:
        """Append rows, whose places are those of `vocabularies`; each block that is full is given
        to `seen` and written."""
        start, total = 0, len(rows.labels)
        while start < total:
            count = min(total - start, self.step - self._filled)
            place = slice(self._filled, self._filled + count)
            some = slice(start, start + count)
            self._filling[: self._numbers, place] = rows.numbers[:, some]
            self._filling[self._numbers, place] = rows.labels[some]
            if rows.weights is not None:
                self._filling[-1, place] = rows.weights[some]
            for kept, places in zip(self._places, rows.places, strict=True):
                kept[place] = places[some]
            self._filled, start = self._filled + count, start + count
            if self._filled == self.step:
                self._write(vocabularies, seen)

    def finish(self, vocabularies: Sequence[Sequence[str]], seen: Seen) -> None:
        """Write the last block, and make the file ready to be read."""
        if self._filled:
            self._write(vocabularies, seen)
        self._file.flush()
        if self.count:
            self._map = mmap.mmap(self._file.fileno(), 0)

    def change(self, apply: Callable[[Floats], Float32]) -> None:
        """Replace the numbers (k, m) of each block, in order, by what `apply` makes of them: the
        features (k + g, m).

        They are float32 from then on, at the beginning of the block's place in the file.
        """
        for number in range(len(self)):
            self._advise(number + 1, "MADV_WILLNEED")
            block = self._array(number, self._type, len(self._filling))
            features = apply(block[: self._numbers])
            beside = block[self._numbers :].astype(np.float32)
            changed = self._array(number, np.dtype(np.float32), self.width + self._beside)
            changed[: self.width], changed[self.width :] = features, beside
            self._advise(number, "MADV_DONTNEED")
        self._raw = False

    def rows_of(self, number: int) -> int:
        """The number of rows in the block `number`, from 0."""
        return min(self.step, self.count - number * self.step)

    def __len__(self) -> int:
        return -(-self.count // self.step)

    def blocks(
        self, numbers: Iterable[int] | None = None, *, by_class: bool = True
    ) -> Iterator[Rows]:
        """Read all blocks in order, or the blocks `numbers`; a block may leave memory when the next
        one is asked for. Weights are multiplied by those of the classes, unless not `by_class`."""
        assert not self._raw
        for number in range(len(self)) if numbers is None else numbers:
            self._advise(number + 1, "MADV_WILLNEED")
            values = self._array(number, np.dtype(np.float32), self.width + self._beside)
            features, labels = values[: self.width], values[self.width]
            own = values[-1] if self.weighted else None
            weights = weights_by_class(own, labels, self.class_factors if by_class else None)
            yield Rows(
                torch.from_numpy(features),
                torch.from_numpy(labels),
                self._codes(number),
                self.categories,
                None if weights is None else torch.from_numpy(weights),
            )
            self._advise(number, "MADV_DONTNEED")

    @property
    def _block_bytes(self) -> int:
        return self.step * (self._dense_bytes + self._code_bytes)

    def _array(self, number: int, number_type: np.dtype[Any], rows: int) -> Floats:
        assert self._map is not None
        count = self.rows_of(number)
        found = np.frombuffer(self._map, number_type, rows * count, number * self._block_bytes)
        return found.reshape(rows, count)

    def _codes(self, number: int) -> tuple[torch.Tensor, ...]:
        assert self._map is not None
        count, found = self.rows_of(number), []
        start = number * self._block_bytes + self.step * self._dense_bytes
        for kind in self._layer.code_types:
            codes = np.frombuffer(self._map, kind, count, start)
            found.append(torch.from_numpy(codes))
            start += self.step * kind.itemsize
        return tuple(found)

    def _advise(self, number: int, advice: str) -> None:
        # The size of a full block is a multiple of 4096 bytes, as most systems' pages are.
        start = number * self._block_bytes
        whole = start % mmap.PAGESIZE == 0  # pages may be larger than 4096 bytes
        if whole and hasattr(mmap, advice) and self._map is not None and start < len(self._map):
            size = min(self._block_bytes, len(self._map) - start)
            self._map.madvise(getattr(mmap, advice), start, size)

    def _write(self, vocabularies: Sequence[Sequence[str]], seen: Seen) -> None:
        block, places = self._filling[:, : self._filled], self._places[:, : self._filled]
        numbers, labels = block[: self._numbers], block[self._numbers]
        seen(Raw(numbers, labels, tuple(places), block[-1] if self.weighted else None))
        start = self.count // self.step * self._block_bytes
        codes = self._layer.codes(tuple(places), vocabularies)
        for column, size in zip(codes, self.categories.sizes, strict=True):
            self.known &= bool(column.max() < size)
        try:
            self._write_at(start, block)
            start += self.step * self._dense_bytes
            for column in codes:
                self._write_at(start, column)
                start += self.step * column.itemsize
            self._file.truncate(start)
        except OSError as reason:
            raise DataError(
                f"cannot keep the rows in {self._where}: {reason.strerror}; rows that do not fit "
                "into memory need as much room on disk: name another --out, or allow more memory"
            ) from None
        self.count += self._filled
        self._filled = 0

    def _write_at(self, start: int, values: Array) -> None:
        self._file.seek(start)
        self._file.write(np.ascontiguousarray(values).data)
