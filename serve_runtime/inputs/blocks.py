"""Batches in memory, read block by block as float32: where they lie, or copied and converted."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Array, Float32
from serve_runtime.inputs.batch_limits import LIMITS, Limits

_FLOAT32: Final = np.dtype(np.float32)


class RowInput:
    """A batch as rows (n, d) of any real dtype, in any memory order."""

    layout = ROWS
    strided = False
    """A block of rows has no gaps in it, so it is converted at full speed."""

    def __init__(self, values: Array, names: Sequence[str]) -> None:
        self.values, self.names, self.rows = values, names, len(values)
        self.readable = _readable(values)
        """Whether onnxruntime can read any block of rows where it lies."""

    def block(self, start: int, stop: int) -> Float32:
        """The rows (stop - start, d) where they lie; only of a `readable` batch."""
        return self.values[start:stop]

    def copy(self, start: int, stop: int, buffer: Float32) -> None:
        """Copy the rows to the beginning of `buffer` (at least stop - start, d)."""
        convert(self.values[start:stop], buffer[: stop - start])

    def row(self, row: int) -> Float32:
        """A copy of one row (d,)."""
        found = np.empty(self.values.shape[1], np.float32)
        convert(self.values[row], found)
        return found


class ColumnInput:
    """A batch as columns of n values: one array (d, n), or d arrays (n,), of any real dtype.

    Long arrays that lie one behind the other in memory, as a frame's columns often do, are read as
    one array.
    """

    layout = COLUMNS

    def __init__(
        self, values: Array | Sequence[Array], names: Sequence[str], limits: Limits = LIMITS
    ) -> None:
        self.names, self.rows = names, len(values[0])
        self._owner = values  # keeps the memory alive that a joined array only points to
        joined = values if isinstance(values, np.ndarray) else _joined(values, limits)
        self.values = values if joined is None else joined
        self.readable = joined is not None and _readable(joined)
        """Whether onnxruntime can read all rows in one block where they lie."""
        self.strided = joined is not None and not self.readable
        """Whether a block has gaps in it, over which converting is slow: it should be large."""

    def block(self, start: int, stop: int) -> Float32:
        """All columns (d, n) where they lie; only of a `readable` batch, and only as a whole:
        onnxruntime takes columns without gaps between them."""
        assert (start, stop) == (0, self.rows)
        return self.values  # type: ignore[return-value]  # one array, as it is readable

    def copy(self, start: int, stop: int, buffer: Float32) -> None:
        """Copy the rows to the beginning of the columns of `buffer` (d, at least stop - start)."""
        count = stop - start
        if isinstance(self.values, np.ndarray):
            convert(self.values[:, start:stop], buffer[:, :count])
        else:
            for column, target in zip(self.values, buffer, strict=True):
                convert(column[start:stop], target[:count])

    def row(self, row: int) -> Float32:
        """A copy of one row (d,)."""
        found = np.empty(len(self.values), np.float32)
        convert(np.array([column[row] for column in self.values]), found)
        return found


class BatchInput(Protocol):
    """A batch of rows, in one of the two layouts."""

    layout: str
    rows: int
    names: Sequence[str]
    readable: bool
    """Whether onnxruntime can read the rows where they lie."""
    strided: bool
    """Whether a block has gaps in it, over which converting is slow: it should be large."""

    def block(self, start: int, stop: int) -> Float32:
        """The rows where they lie; only of a `readable` batch."""

    def copy(self, start: int, stop: int, buffer: Float32) -> None:
        """Copy the rows to the beginning of `buffer`."""


def by_memory(x: Array, names: Sequence[str], limits: Limits = LIMITS) -> BatchInput:
    """An array (n, d) in the layout in which it lies: Fortran order and its like are columns.

    Judged by the strides, which a slice keeps, so that a row of a Fortran-ordered array has the
    same bits in any slice of it, unless the step of the slice leaves only that row.
    """
    step, across = map(abs, x.strides)
    if x.shape[1] > 1 and 0 < step < across:
        return ColumnInput(x.T, names, limits)
    return RowInput(x, names)


def _joined(columns: Sequence[Array], limits: Limits) -> Array | None:
    """Columns (n,) that lie one behind the other in memory, as one array (d, n).

    None where they do not, or are so short that copying takes less time than looking.
    """
    first = columns[0]
    if len(first) < limits.adjacent_rows or not all(
        column.dtype == first.dtype and column.flags.c_contiguous for column in columns
    ):
        return None
    starts = [column.__array_interface__["data"][0] for column in columns]
    if starts != list(range(starts[0], starts[0] + len(columns) * first.nbytes, first.nbytes)):
        return None
    shape, strides = (len(columns), len(first)), (first.nbytes, first.itemsize)
    return np.lib.stride_tricks.as_strided(first, shape, strides, writeable=False)


def _readable(values: Array) -> bool:
    """Whether onnxruntime can read `values` as they are."""
    flags = values.flags
    return values.dtype == _FLOAT32 and flags.c_contiguous and flags.aligned


def convert(values: Array, buffer: Float32) -> None:
    """Copy `values` into `buffer`, of the same shape, as float32."""
    if values.dtype == _FLOAT32:
        buffer[...] = values
    else:
        # What overflows float32 is found as a logit that is not finite, whatever the host program
        # has set for floating-point errors; "invalid" is reported of a signaling NaN.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            buffer[...] = values
