"""A file of rows that do not fit into memory: blocks, feature by feature, mapped to be read.

The file has no name in its folder, so that the system removes it however the process ends. To map
a block costs no copy of what the system still has in its page cache; the next block is requested
while one is worked on.
"""

import mmap
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from serve_runtime.arrays import Float32, Floats
from train.errors import DataError
from train.gradients.numba_kernels import chunk_rows
from train.gradients.source import Rows

_BLOCK_VALUES = 1 << 22
"""Of float32: 16 MiB are a millisecond or more of work, and little beside any memory limit."""


def rows_in_block(width: int) -> int:
    """Rows of `width` features in a block on disk.

    A block is made of whole chunks, so that sums over rows on disk have the bits of sums over the
    same rows in memory.
    """
    chunk = chunk_rows(width)
    return chunk * max(1, _BLOCK_VALUES // (chunk * (width + 1)))


class BlockFile:
    """Features and labels (0 or 1) of rows, in a file in the folder `where`.

    First rows are appended, in `number_type`, then `finish` is called, then the features are
    standardised by `change`, then blocks are read.
    """

    def __init__(
        self, where: Path, width: int, number_type: type[np.floating] = np.float32
    ) -> None:
        self.width, self.count, self.step = width, 0, rows_in_block(width)
        self._where = where
        self._file = tempfile.TemporaryFile(dir=where)  # noqa: SIM115 - open as long as this
        weakref.finalize(self, self._file.close)
        self._filling = np.empty((width + 1, self.step), number_type)
        self._type = np.dtype(number_type)
        self._filled = 0
        self._map: mmap.mmap | None = None

    def append(
        self, features: Floats, labels: Float32, seen: Callable[[Floats, Floats], object]
    ) -> None:
        """Append rows, features (d, m) and labels (m,); each block that is full is given to `seen`
        and written."""
        start = 0
        while start < len(labels):
            count = min(len(labels) - start, self.step - self._filled)
            place = slice(self._filled, self._filled + count)
            self._filling[:-1, place] = features[:, start : start + count]
            self._filling[-1, place] = labels[start : start + count]
            self._filled, start = self._filled + count, start + count
            if self._filled == self.step:
                self._write(seen)

    def finish(self, seen: Callable[[Floats, Floats], object]) -> None:
        """Write the last block, and make the file ready to be read."""
        if self._filled:
            self._write(seen)
        self._file.flush()
        if self.count:
            self._map = mmap.mmap(self._file.fileno(), 0)

    def change(self, apply: Callable[[Floats], Float32]) -> None:
        """Replace the features (d, m) of each block, in order, by what `apply` makes of them.

        They are float32 from then on, at the beginning of the block's place in the file.
        """
        for number, block in enumerate(self._arrays(range(len(self)))):
            features, labels = apply(block[:-1]), block[-1].astype(np.float32)
            changed = self._array(number, np.dtype(np.float32))
            changed[:-1], changed[-1] = features, labels
        self._type = np.dtype(np.float32)

    def rows_of(self, number: int) -> int:
        """The number of rows in the block `number`, from 0."""
        return min(self.step, self.count - number * self.step)

    def __len__(self) -> int:
        return -(-self.count // self.step)

    def blocks(self, numbers: Iterable[int] | None = None) -> Iterator[Rows]:
        """Read all blocks in order, or the blocks `numbers`; a block may leave memory when the next
        one is asked for."""
        return map(_rows, self._arrays(range(len(self)) if numbers is None else numbers))

    def _arrays(self, numbers: Iterable[int]) -> Iterator[Floats]:
        for number in numbers:
            self._advise(number + 1, "MADV_WILLNEED")
            yield self._array(number, self._type)
            self._advise(number, "MADV_DONTNEED")

    def _array(self, number: int, number_type: np.dtype[Any]) -> Floats:
        assert self._map is not None
        count = self.rows_of(number)
        start = number * self._filling.nbytes
        found = np.frombuffer(self._map, number_type, (self.width + 1) * count, start)
        return found.reshape(self.width + 1, count)

    def _advise(self, number: int, advice: str) -> None:
        # The size of a full block is a multiple of 4096 bytes, as most systems' pages are.
        start = number * self._filling.nbytes
        whole = start % mmap.PAGESIZE == 0  # pages may be larger than 4096 bytes
        if whole and hasattr(mmap, advice) and self._map is not None and start < len(self._map):
            size = min(self._filling.size * self._type.itemsize, len(self._map) - start)
            self._map.madvise(getattr(mmap, advice), start, size)

    def _write(self, seen: Callable[[Floats, Floats], object]) -> None:
        block = self._filling[:, : self._filled]
        seen(block[:-1], block[-1])
        try:
            self._file.write(np.ascontiguousarray(block).data)
        except OSError as reason:
            raise DataError(
                f"cannot keep the rows in {self._where}: {reason.strerror}; rows that do not fit "
                "into memory need as much room on disk: name another --out, or allow more memory"
            ) from None
        self.count += self._filled
        self._filled = 0


def _rows(block: Floats) -> Rows:
    values = torch.from_numpy(block)
    return Rows(values[:-1], values[-1])
