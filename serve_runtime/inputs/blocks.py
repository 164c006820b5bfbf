"""Tables in memory as blocks of float32: read where they lie, or copied and converted in parts."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Array, Float32

COPIED_VALUES: Final = 1 << 20
"""About as many values a block has that must be copied before it is scored: 4 MiB."""

AT_ONCE: Final = 1 << 22
"""The same of columns in one array: slices of them have gaps, over which converting takes about
twice as long, so that a thread with all of them is faster than two with a half each."""

_LONG: Final = 1 << 14
"""Rows of columns, from which on it is worth to look whether they lie one behind the other."""

_FLOAT32: Final = np.dtype(np.float32)


class Rows:
    """Rows (n, d) of any real dtype, in any memory order."""

    layout = ROWS

    def __init__(self, values: Array, names: Sequence[str]) -> None:
        self.values, self.names, self.rows = values, names, len(values)
        self.in_place = _readable(values)
        """Whether every block can be read where it lies."""
        self.at_once = 0
        """As many values are better copied in one block than in several at a time."""
        self.logit: Float32 | None = None
        """(n,), where they have been computed already."""

    def block(self, start: int, stop: int) -> Float32 | None:
        """The rows (stop - start, d) where they lie, None where the graph could not read them."""
        return self.values[start:stop] if self.in_place else None

    def copy(self, start: int, stop: int, taken: Float32) -> None:
        """Copy the rows to the beginning of `taken` (at least stop - start, d)."""
        _convert(self.values[start:stop], taken[: stop - start])

    def row(self, row: int) -> Float32:
        """One row (d,)."""
        found = np.empty(self.values.shape[1], np.float32)
        _convert(self.values[row], found)
        return found


class Columns:
    """Columns of n values: one array (d, n), or d arrays (n,), of any real dtype.

    Long arrays that lie one behind the other, as those of a frame often do, are taken as one.
    """

    layout = COLUMNS

    def __init__(self, values: Array | Sequence[Array], names: Sequence[str]) -> None:
        self.names, self.rows = names, len(values[0])
        self._given = values  # which may own what `values` has
        joined = values if isinstance(values, np.ndarray) else _joined(values)
        self.values = values if joined is None else joined
        self.in_place = joined is not None and _readable(joined)
        """Whether all rows in one block can be read where they lie."""
        self.at_once = 0 if joined is None or self.in_place else AT_ONCE
        """As many values are better copied in one block than in several at a time."""
        self.logit: Float32 | None = None
        """(n,), where they have been computed already."""

    def block(self, start: int, stop: int) -> Float32 | None:
        """The columns (d, stop - start) where they lie, None where the graph could not read them:
        it takes them without gaps, so only all the rows at once."""
        whole = self.in_place and stop - start == self.rows
        return self.values if whole else None  # type: ignore[return-value]  # then one array

    def copy(self, start: int, stop: int, taken: Float32) -> None:
        """Copy the columns to the beginning of those of `taken` (d, at least stop - start)."""
        count = stop - start
        if isinstance(self.values, np.ndarray):
            _convert(self.values[:, start:stop], taken[:, :count])
        else:
            for column, target in zip(self.values, taken, strict=True):
                _convert(column[start:stop], target[:count])

    def row(self, row: int) -> Float32:
        """One row (d,)."""
        found = np.empty(len(self.values), np.float32)
        _convert(np.array([column[row] for column in self.values]), found)
        return found


Source = Rows | Columns


def by_memory(x: Array, names: Sequence[str]) -> Source:
    """An array (n, d) in the layout in which it lies: Fortran order and its like are columns.

    Judged by the strides, which a slice keeps, so that a row of a Fortran-ordered array has the
    same bits in any slice of it, unless the step of the slice leaves only that row.
    """
    step, across = map(abs, x.strides)
    if x.shape[1] > 1 and 0 < step < across:
        return Columns(x.T, names)
    return Rows(x, names)


def _joined(columns: Sequence[Array]) -> Array | None:
    """Columns (n,) that lie one behind the other in memory as one array (d, n), None where they
    do not, and where they are so short that looking costs more than copying."""
    first = columns[0]
    if len(first) < _LONG or not all(
        column.dtype == first.dtype and column.flags.c_contiguous for column in columns
    ):
        return None
    starts = [column.__array_interface__["data"][0] for column in columns]
    if starts != list(range(starts[0], starts[0] + len(columns) * first.nbytes, first.nbytes)):
        return None
    shape, strides = (len(columns), len(first)), (first.nbytes, first.itemsize)
    return np.lib.stride_tricks.as_strided(first, shape, strides, writeable=False)


def _readable(values: Array) -> bool:
    flags = values.flags
    return values.dtype == _FLOAT32 and flags.c_contiguous and flags.aligned


def _convert(values: Array, target: Float32) -> None:
    if values.dtype == _FLOAT32:
        target[...] = values
    else:
        # What overflows float32 is found as a logit that is not finite, whatever the host does
        # about floating-point errors; "invalid" is said of a signaling NaN.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            target[...] = values
