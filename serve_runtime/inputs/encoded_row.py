"""One row as a dict, the usual call of a web service, encoded with the least overhead."""

import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add, getitem, itemgetter
from typing import Any, Final, NamedTuple

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.features.column import PRECISE
from serve_runtime.features.curve import Curve
from serve_runtime.inputs.encoded import Encoder

_EXACT: Final = {float, bool, np.float64, np.float32, np.float16, np.bool_}
"""Types of numbers that a float holds exactly, so that float32 is rounded once."""
_EXACT_INTEGER: Final = 2**53
_SMALL: Final = 2.0**100
"""Terms below it can be added, thousands of them, without overflow."""


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
        self._terms = struct.Struct(f"{len(self._curves)}f")

    def encode(
        self, row: Mapping[str, Any], missing: Sequence[str] = ()
    ) -> tuple[Float32, np.float32] | None:
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

    def encode_filled(self, row: Mapping[str, Any]) -> tuple[Float32, np.float32] | None:
        """`encode` of a row of which numbers may be missing, None or NaN."""
        missing = [
            name
            for name in self._numbers
            if (value := row.get(name)) is None or (type(value) is float and value != value)
        ]
        if not all(name in row for name in missing):
            return None
        return self.encode({**row, **dict.fromkeys(missing, 0.0)}, missing)

    def _bent(self, numbers: Float32, offset: np.float32) -> tuple[Float32, np.float32] | None:
        """`numbers` (k,), and `offset` with what the curves add; None where that is not finite, or
        so large that `encoder` may refuse it."""
        values, round_all = numbers.tolist(), self._float32s
        x = [values[curve.number] for curve in self._curves]
        found = [
            curve.segments[bisect_right(curve.knots, at)]
            for curve, at in zip(self._curves, x, strict=True)
        ]
        # Python's floats are rounded to float32 after each step: to float64 first changes nothing,
        # since that has more than twice the digits (S. Figueroa, "When is double rounding
        # innocuous?", 1995). They neither warn nor raise.
        distances = round_all([at - s.origin for at, s in zip(x, found, strict=True)])
        rises = round_all([d * s.slope for d, s in zip(distances, found, strict=True)])
        terms = round_all([rise + s.value for rise, s in zip(rises, found, strict=True)])
        if not (max(terms) < _SMALL and min(terms) > -_SMALL):
            return None
        for term in np.array(terms, np.float32):
            offset = offset + term
        return (numbers, offset) if abs(offset) < _SMALL else None

    def _float32s(self, values: Sequence[float]) -> Sequence[float]:
        """`values`, one for each curve, rounded to float32."""
        return self._terms.unpack(self._terms.pack(*values))


class _Segment(NamedTuple):
    """Of a curve, see Curve."""

    value: float
    slope: float
    origin: float


class _Curve(NamedTuple):
    """A Curve, for one value at a time."""

    number: int
    """Which of the numbers it takes."""
    knots: list[float]
    segments: list[_Segment]


def _curve_of(number: int, curve: Curve) -> _Curve:
    parts = (values.tolist() for values in (curve.value, curve.slope, curve.origin))
    segments = [_Segment(*part) for part in zip(*parts, strict=True)]
    return _Curve(number, curve.knots.tolist(), segments)


def _leave_to_encoder(row: Mapping[str, Any]) -> Any:
    raise LookupError


def _are_exact(numbers: Any) -> bool:
    return all(
        type(value) in _EXACT or (type(value) is int and -_EXACT_INTEGER <= value <= _EXACT_INTEGER)
        for value in numbers
    )
