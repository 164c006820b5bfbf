"""One row as a dict, the usual call of a web service, encoded with the least overhead."""

import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add, getitem, itemgetter
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.error_budgets import MOST_OFFSET
from serve_runtime.features.column import PRECISE
from serve_runtime.features.curve import Curve
from serve_runtime.inputs.encoded import Encoder

_EXACT: Final = {float, bool, np.float64, np.float32, np.float16, np.bool_}
"""Types of numbers that a float holds exactly, so that float32 is rounded once."""
_EXACT_INTEGER: Final = 2**53


class _Weights(dict[Any, np.float32]):
    """The weight of each text of a category; KeyError for what is no text."""

    def __init__(self, texts: Mapping[Any, np.float32], unknown: np.float32) -> None:
        super().__init__(texts)
        self.unknown = unknown

    def __missing__(self, value: object) -> np.float32:
        if type(value) is str:
            return self.unknown
        # Whole numbers and truths are the texts that they print; others are looked at elsewhere,
        # and so are those that are no known level.
        if type(value) in (int, bool) and (found := self.get(str(value))) is not None:
            return found
        raise KeyError(value)


class RowEncoder:
    """Encodes dicts of single values, each as `encoder` would."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoding = encoding = encoder.encoding
        self._numbers = {column.name: number for number, column in enumerate(encoding.numbers)}
        columns = (*encoding.numbers, *encoding.categories)
        names = [column.name for column in columns]
        taken = itemgetter(*names)
        self._taken = taken if len(names) > 1 else lambda row: (taken(row),)
        if encoder.may_overflow:  # of which numpy would warn here
            self._taken = _leave_to_encoder
        self._k = len(encoding.fill)
        self._pack = struct.Struct(f"{self._k}f").pack
        self._precise = [column.kind == PRECISE for column in columns[: self._k]].count(True)
        self._centers = encoding.center.tolist()
        self._bias = encoder.bias[0]
        self._weights = []
        for codes, table in zip(encoder.codes, encoding.tables, strict=True):
            texts = {text: table[code] for text, code in codes.items()}
            self._weights.append(_Weights(texts, table[0]))
        self._groups = [slice(group.start, group.stop) for group in encoder.groups]
        self._curves = [_curve_of(number, curve) for number, curve in encoder.curves]

    def encode(
        self, row: Mapping[str, Any], missing: Sequence[str] = ()
    ) -> tuple[Float32, np.float32 | float] | None:
        """The numbers (k,) and the offset of a row; None where `encoder` has to look at it. Numbers
        called as in `missing`, whatever `row` has for them, are filled."""
        try:
            values = self._taken(row)
            numbers = values[: self._k]
            if not _EXACT.issuperset(map(type, numbers)) and not _are_exact(numbers):
                return None
            if self._precise:
                plain = self._k - self._precise
                if not all(type(value) in (float, int, np.float64) for value in numbers[plain:]):
                    return None
                moved = map(float.__sub__, map(float, numbers[plain:]), self._centers)
                numbers = (*numbers[:plain], *moved)
            packed = self._pack(*numbers)
            weights = list(map(getitem, self._weights, values[self._k :]))
            offset = self._bias
            for group in self._groups:
                offset = offset + reduce(add, weights[group])
        except (LookupError, TypeError, ValueError, OverflowError, struct.error):
            return None
        numbers = np.frombuffer(packed, np.float32)
        if missing:
            numbers = numbers.copy()
            for name in missing:
                number = self._numbers[name]
                numbers[number] = self._encoding.fill[number]
                if self._encoding.gap[number]:
                    offset = offset + self._encoding.gap[number]
        if self._curves:
            return self._bent(numbers, offset)
        return numbers, offset

    def encode_filled(self, row: Mapping[str, Any]) -> tuple[Float32, np.float32 | float] | None:
        """`encode` of a row of which numbers may be missing, None or NaN."""
        missing = [
            name
            for name in self._numbers
            if (value := row.get(name)) is None or (type(value) is float and value != value)
        ]
        if not all(name in row for name in missing):
            return None
        return self.encode({**row, **dict.fromkeys(missing, 0.0)}, missing)

    def _bent(self, numbers: Float32, offset: np.float32) -> tuple[Float32, float] | None:
        """`numbers` (k,), and `offset` with what the curves add; None where that is refused."""
        values, total = numbers.tolist(), offset.item()
        # Python's floats, written to this cell and read again, are rounded to float32, and neither
        # warn nor raise. That float64 has rounded them before changes nothing, since it has more
        # than twice the digits (S. Figueroa, "When is double rounding innocuous?", 1995).
        cell = memoryview(bytearray(4)).cast("f")
        for number, knots, segments in self._curves:
            x = values[number]
            value, slope, origin = segments[bisect_right(knots, x)]
            cell[0] = x - origin
            cell[0] = cell[0] * slope
            cell[0] = cell[0] + value
            cell[0] = total + cell[0]
            total = cell[0]
        return (numbers, total) if -MOST_OFFSET < total < MOST_OFFSET else None


def _curve_of(number: int, curve: Curve) -> tuple[int, list[float], list[tuple[float, ...]]]:
    """Which of the numbers it takes, its knots; value, slope and origin of each segment."""
    parts = (values.tolist() for values in (curve.value, curve.slope, curve.origin))
    return number, curve.knots.tolist(), list(zip(*parts, strict=True))


def _leave_to_encoder(row: Mapping[str, Any]) -> Any:
    raise LookupError


def _are_exact(numbers: Any) -> bool:
    return all(
        type(value) in _EXACT or (type(value) is int and -_EXACT_INTEGER <= value <= _EXACT_INTEGER)
        for value in numbers
    )
