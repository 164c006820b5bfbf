"""Raw columns of any kind as the numbers and offsets of an encoded model: see features.encoding."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import COLUMNS, Array, Float32
from serve_runtime.bundle.affine import float32_of
from serve_runtime.error_budgets import LARGEST, MOST_OFFSET
from serve_runtime.errors import (
    InputError,
    LevelError,
    LogitOverflowError,
    NonFiniteError,
    RowError,
)
from serve_runtime.features.codes import LevelCodes
from serve_runtime.features.column import CATEGORY, PRECISE
from serve_runtime.features.dictionaries import value_at
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.level_sums import LevelSums, Term
from serve_runtime.features.level_text import level_text
from serve_runtime.features.precise import precise_numbers
from serve_runtime.inputs.batch_limits import Limits
from serve_runtime.inputs.blocks import ColumnInput, convert
from serve_runtime.inputs.numeric import REAL, rounded_once, to_array, to_numbers
from serve_runtime.inputs.refusals import check_lengths
from serve_runtime.shown import listed, quoted

_NOTHING: Final = nullcontext()

_CURVE_ROWS: Final = 1 << 16
"""Rows for which curves are looked up at a time."""


class Encoder:
    """Reads raw columns with the constants of `encoding`; its offsets begin with `bias`."""

    def __init__(self, encoding: Encoding, bias: float, limits: Limits) -> None:
        self.encoding, self._limits = encoding, limits
        self.bias: Final = float32_of(bias)
        # A half, since each sum is rounded.
        self.may_overflow: Final = encoding.largest_unbent(bias) > LARGEST / 2
        """Whether the offset of a row may be larger than any float32, even without curves."""
        self.curves: Final = list(zip(encoding.bent, encoding.curves, strict=True))
        """Of each bent number, which one of the numbers it is, and its curve."""
        self.groups: Final = encoding.groups
        self.names = [column.name for column in encoding.columns]
        self.codes = [LevelCodes(column) for column in encoding.categories]
        self._called = [f"feature {quoted(name)}" for name in self.names]
        place = {name: number for number, name in enumerate(self.names)}
        self.number_places = [place[column.name] for column in encoding.numbers]
        self.category_places = [place[column.name] for column in encoding.categories]

    def sums(self) -> AbstractContextManager[object]:
        """The block in which terms of offsets are added up: where they overflow, the row is refused
        by its logit, whatever the host program has set for floating-point errors."""
        if self.may_overflow or self.curves:
            return np.errstate(over="ignore", invalid="ignore")
        return _NOTHING

    def encoded(self, columns: Sequence[Any]) -> "EncodedInput":
        """The columns of the model, in its order and of any kind, as a batch.

        Raises InputError, which names the column and the row where it can, for columns of
        different lengths, and values that are no number or no level.
        """
        arrays = []
        for place, column in zip(self.number_places, self.encoding.numbers, strict=True):
            what = self._called[place]
            if column.kind == PRECISE:
                arrays.append(precise_numbers(columns[place], what, time=column.time))
            else:
                array = to_array(columns[place], what)
                if array.dtype == np.float64 and array.ndim == 1:
                    array = rounded_once(array, columns[place])
                # Of a wrong shape, it is refused below.
                is_read = array.dtype.kind in REAL or array.ndim != 1
                arrays.append(array if is_read else to_numbers(array, what))
        terms, shapes = list[Term](), [()] * len(columns)
        for place, codes, table in zip(
            self.category_places, self.codes, self.encoding.tables, strict=True
        ):
            found = codes.of_column(columns[place])
            terms.append((table.take(found.codes), found.positions))
            shapes[place] = found.positions.shape
        for place, array in zip(self.number_places, arrays, strict=True):
            shapes[place] = array.shape
        check_lengths(columns, self.names, shapes)
        return EncodedInput(self, arrays, terms, columns, self._limits)

    def encoded_rows(self, rows: Sequence[Sequence[Any]]) -> "EncodedInput":
        """Rows of values in the model's order, all of its width, as a batch."""
        return self.encoded(list(zip(*rows, strict=True)) or [()] * len(self.names))

    def encoded_array(self, rows: Array) -> "EncodedInput":
        """An array (n, d) of texts or objects, or where the model has no category of numbers."""
        if self.codes and rows.dtype.kind in REAL and len(rows):
            names = [codes.column.name for codes in self.codes]
            raise InputError(
                f"the model has categories ({listed(names, 3)}), which an array of {rows.dtype} "
                "cannot hold: pass columns with names, or a list of rows"
            )
        return self.encoded(list(rows.T))


class EncodedInput:
    """A batch of n rows: k columns of numbers, and what makes the offset of each row."""

    layout = COLUMNS
    strided = False

    def __init__(
        self,
        encoder: Encoder,
        numbers: Sequence[Array],
        terms: Sequence[Term],
        raw: Sequence[Any],
        limits: Limits,
    ) -> None:
        self._encoder, self._terms, self._raw = encoder, terms, raw
        with encoder.sums():
            self._sums = LevelSums(encoder.bias, terms, encoder.groups)
        self.names: Sequence[str] = encoder.names
        self.rows = len(numbers[0]) if numbers else len(terms[0][1])
        self._plain = len(numbers) - len(encoder.encoding.center)
        """How many of the numbers are served as they are; a centre is subtracted from the rest."""
        whole = ColumnInput(numbers, self.names, limits) if self._plain else None
        self._numbers = numbers
        self._whole = whole if whole and self._plain == len(numbers) else None
        self.readable = self._whole is not None and self._whole.readable

    def raw_row(self, row: int) -> dict[str, Any]:
        """The values of one row by name, as the caller has them."""
        found = zip(self._encoder.names, self._raw, strict=True)
        return {name: value_at(column, row) for name, column in found}

    def block(self, start: int, stop: int) -> Float32:
        """All numbers (k, n) where they lie; only of a `readable` batch, and only as a whole."""
        assert self._whole is not None
        return self._whole.block(start, stop)

    def copy(self, start: int, stop: int, buffer: Float32) -> None:
        """Copy the numbers to the beginning of the columns of `buffer` (k, at least the rows)."""
        if self._whole is not None:
            self._whole.copy(start, stop, buffer)
        else:
            self._read(slice(start, stop), buffer[:, : stop - start])

    def offset(self, start: int, stop: int, buffer: Float32) -> None:
        """Write the offsets of the rows to the beginning of `buffer`; NaN where a level is
        refused, or a bent number missing. Terms of missing numbers are not in it."""
        with self._encoder.sums():
            self._sums.write(start, stop, buffer[: stop - start])
            if self._encoder.curves:
                self._add_curves(start, stop, buffer)

    @property
    def number_places(self) -> Sequence[int]:
        """(k,) the place of each number among the columns of the model."""
        return self._encoder.number_places

    def level_weights(self, start: int, stop: int) -> Iterator[tuple[int, Float32]]:
        """Of each category its place among the columns, and the weights of its levels in the rows
        (stop - start,)."""
        for place, (table, positions) in zip(
            self._encoder.category_places, self._terms, strict=True
        ):
            yield place, table.take(positions[start:stop], mode="wrap")

    def offsets(self) -> Float32:
        """The offsets (n,) of all rows, as `offset` writes them."""
        found = np.empty(self.rows, np.float32)
        self.offset(0, self.rows, found)
        return found

    def filled(self, rows: Array) -> tuple[Float32, Float32, Array]:
        """Of some `rows` (m,): the numbers (k, m) with what stands for missing ones, the offsets
        (m,) with their terms, and whether each is refused (m,)."""
        encoding = self._encoder.encoding
        numbers = np.empty((len(self._numbers), len(rows)), np.float32)
        offset = np.empty(len(rows), np.float32)
        self._read(rows, numbers)
        missing = np.isnan(numbers)
        with self._encoder.sums():
            self._sums.write_at(rows, offset)
            for number in np.flatnonzero(missing.any(1)):
                numbers[number, missing[number]] = encoding.fill[number]
                if encoding.gap[number]:
                    offset[missing[number]] += encoding.gap[number]
            for bent, curve in self._encoder.curves:
                offset += curve.at(numbers[bent])
            if self._encoder.curves:
                _refuse_large(offset)
        return numbers, offset, ~np.isfinite(numbers).all(0) | np.isnan(offset)

    def refusal(self, row: int) -> RowError:
        """Why a row is refused that `filled` says is."""
        encoding, encoder = self._encoder.encoding, self._encoder
        numbers, _, _ = self.filled(np.array([row]))
        place = dict(zip(encoder.number_places, numbers[:, 0], strict=True))
        weights = dict(zip(encoder.category_places, self._terms, strict=True))
        for number, column in enumerate(encoding.columns):
            if column.kind != CATEGORY:
                if not np.isfinite(value := place[number]):
                    return NonFiniteError(row, column.name, float(value), may_miss=True)
            else:
                table, positions = weights[number]
                if np.isnan(table[positions[row]]):
                    text = level_text(value_at(self._raw[number], row))
                    code = column.missing_code
                    is_missing = text is None or column.code_by_text().get(text) == code
                    return LevelError(row, column.name, None if is_missing else text)
        return LogitOverflowError(row)  # of sums that overflow in both directions, or large curves

    def _add_curves(self, start: int, stop: int, buffer: Float32) -> None:
        """Add what the curves give to the offsets at the beginning of `buffer`, some rows after the
        others, so that they stay in the cache."""
        for first in range(start, stop, _CURVE_ROWS):
            rows = slice(first, min(first + _CURVE_ROWS, stop))
            total = buffer[first - start : rows.stop - start]
            for number, curve in self._encoder.curves:
                values = self._numbers[number][rows]
                if values.dtype != np.float32 or number >= self._plain:
                    values = np.empty(len(total), np.float32)
                    self._read_number(number, rows, values)
                total += curve.at(values)
            _refuse_large(total)

    def _read(self, rows: Any, buffer: Float32) -> None:
        """Write the numbers of `rows`, a slice or positions, to `buffer` (k, m)."""
        for number, target in enumerate(buffer):
            self._read_number(number, rows, target)

    def _read_number(self, number: int, rows: Any, target: Float32) -> None:
        """Write one of the numbers of `rows` to `target` (m,)."""
        values = self._numbers[number][rows]
        if number < self._plain:
            convert(values, target)
        else:
            center = self._encoder.encoding.center[number - self._plain]
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                np.subtract(values, center, out=target, casting="same_kind")


def _refuse_large(offset: Float32) -> None:
    """Make NaN of offsets (m,) of MOST_OFFSET or more, in size."""
    if not (offset.max(initial=0) < MOST_OFFSET and offset.min(initial=0) > -MOST_OFFSET):
        offset[~(np.abs(offset) < MOST_OFFSET)] = np.nan
