"""Golden rows as batches that the self-test scores: of plain numbers in a layout, or raw values."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Array, Float32, Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import LARGEST, Segments, flushed
from serve_runtime.inference.engine import Engine
from serve_runtime.inputs.blocks import BatchInput, ColumnInput, RowInput

if TYPE_CHECKING:  # loaded for a model that encodes its rows
    from serve_runtime.features.encoding import Encoding
    from serve_runtime.inputs.encoded import EncodedInput, Encoder
    from serve_runtime.inputs.encoded_row import RowEncoder

T = TypeVar("T")

_OTHER: Final = "no level"


class TrialRows(ABC):
    """Some rows of a model, each of which can be scored."""

    layout: str
    count: int
    width: int
    value_cost: int
    """How many float32 values that are copied take as long as one value of these rows."""

    @abstractmethod
    def batch(self, positions: Array, at: int = 0, bad: Any = None) -> BatchInput:
        """The rows at `positions` as a batch, with `bad` in the place of the row `at`, if given."""

    @abstractmethod
    def bad(self) -> list[tuple[str, Any]]:
        """What is wrong with each of some rows that no machine may score, and the row."""

    @abstractmethod
    def called(self, engine: Engine, batch: BatchInput, kind: int) -> Float32 | None:
        """The scores of a batch by the way of the usual call, which looks for bad rows by itself;
        None where there is one, or no such way."""

    @abstractmethod
    def lost(self) -> Float64:
        """How far the logit of each row may move where the host flushes subnormals to zero."""


class NumberRows(TrialRows):
    """Rows (n, d) of plain numbers, for a model `affine`, as rows or as columns."""

    value_cost = 1

    def __init__(self, rows: Float32, affine: Affine, names: Sequence[str], layout: str) -> None:
        self.layout = layout
        self.count, self.width = rows.shape
        self._rows, self._affine, self._names = rows, affine, names

    def batch(self, positions: Array, at: int = 0, bad: Any = None) -> BatchInput:
        """See TrialRows."""
        rows = self._rows[positions]
        if bad is not None:
            rows[at] = bad
        if self.layout == ROWS:
            return RowInput(rows, self._names)
        return ColumnInput(np.ascontiguousarray(rows.T), self._names)

    def bad(self) -> list[tuple[str, Any]]:
        """See TrialRows."""
        affine, row = self._affine, self._rows[-1]
        weighty, found = int(np.abs(affine.weight).argmax()), list[tuple[str, Any]]()
        for feature, value in ((0, np.nan), (-1, np.nan), (weighty, np.inf), (weighty, -np.inf)):
            changed = row.copy()
            changed[feature] = value
            found.append((str(value), changed))
        return found + [("terms that overflow", row) for row in _overflowing(affine)]

    def called(self, engine: Engine, batch: BatchInput, kind: int) -> Float32 | None:
        """See TrialRows."""
        return engine.score_array(batch.values, kind) if isinstance(batch, RowInput) else None

    def lost(self) -> Float64:
        """See TrialRows."""
        return flushed(self._rows, self._affine.weight, self._affine.center)


class EncodedRows(TrialRows):
    """Raw rows, for a model `affine` of what `encoder` makes of them."""

    layout = COLUMNS
    value_cost = 16

    def __init__(
        self,
        rows: Sequence[Sequence[Any]],
        affine: Affine,
        encoder: "Encoder",
        row_encoder: "RowEncoder",
    ) -> None:
        self.count, self.width = len(rows), len(rows[0])
        self._rows, self._affine = rows, affine
        self._encoder, self._row_encoder = encoder, row_encoder

    def batch(self, positions: Array, at: int = 0, bad: Any = None) -> BatchInput:
        """See TrialRows."""
        rows = [self._rows[position] for position in positions.tolist()]
        if bad is not None:
            rows[at] = bad
        return self._encoder.encoded_rows(rows)

    def bad(self) -> list[tuple[str, Any]]:
        """See TrialRows."""
        encoder, encoding = self._encoder, self._encoder.encoding
        gaps = [place for place, fill in zip(encoder.number_places, encoding.fill, strict=True)
                if np.isnan(fill)]  # fmt: skip
        refused: list[tuple[int, str, Any]] = [
            (place, "a missing number", None) for place in _ends(gaps)
        ]
        if encoder.number_places:
            place = encoder.number_places[int(np.abs(self._affine.weight).argmax())]
            refused += [(place, str(value), value) for value in (np.inf, -np.inf)]
        categories = list(zip(encoder.category_places, encoder.codes, encoding.tables, strict=True))
        for place, codes, _ in _ends([one for one in categories if np.isnan(one[2][0])]):
            other = _OTHER
            while codes[other]:
                other += "_"
            refused.append((place, "an unknown level", other))
        gaps = [place for place, codes, table in categories
                if np.isnan(table[codes.column.missing_code])]  # fmt: skip
        refused += [(place, "a missing level", None) for place in _ends(gaps)]
        found = []
        for place, what, value in refused:
            row = list(self._rows[-1])
            row[place] = value
            found.append((what, row))
        for numbers in _overflowing(self._affine):
            row = list(self._rows[-1])
            for place, value in zip(encoder.number_places, numbers.tolist(), strict=True):
                row[place] = value
            found.append(("terms that overflow", row))
        return found

    def called(self, engine: Engine, batch: BatchInput, kind: int) -> Float32 | None:
        """See TrialRows."""
        if batch.rows != 1:
            return None
        row = cast("EncodedInput", batch).raw_row(0)
        return engine.score_row(row, self._row_encoder, kind)

    def lost(self) -> Float64:
        """See TrialRows."""
        numbers, _, _ = self._encoder.encoded_rows(self._rows).filled(np.arange(self.count))
        segments = _segments(self._encoder.encoding, numbers)
        return flushed(numbers.T, self._affine.weight, self._affine.center, segments)


def _segments(encoding: "Encoding", numbers: Float32) -> Segments | None:
    """The segments of the bent ones of filled `numbers` (k, n); None where there are none."""
    found = []
    for number, curve in zip(encoding.bent, encoding.curves, strict=True):
        at = curve.knots.searchsorted(numbers[number], side="right")
        distance = numbers[number].astype(np.float64) - curve.origin[at]
        found.append((curve.value[at], curve.slope[at], distance))
    return Segments(*map(np.array, zip(*found, strict=True))) if found else None


def _ends(columns: Sequence[T]) -> Sequence[T]:
    """The first and the last one of columns that are refused alike: each costs as much time as all
    other checks of a batch."""
    return columns if len(columns) < 3 else (columns[0], columns[-1])


def _overflowing(affine: Affine) -> list[Float32]:
    """Numbers (d,) of which the terms overflow float32."""
    weight, found = affine.weight.astype(np.float64), []
    for sign in (1, -1):
        numbers = np.copysign(np.float32(LARGEST), sign * affine.weight)
        terms = weight * (numbers - (0.0 if affine.center is None else affine.center.astype(float)))
        # Terms of one sign overflow in every order of summation.
        if (sign * terms >= 0).all() and sign * terms.sum() > 4 * LARGEST:
            found.append(numbers)
    return found
