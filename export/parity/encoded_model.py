"""A model that encodes its columns: the exact logits of raw rows, and what encoding makes of them.

Encoding is written out here once more, value by value, so that what serves is held to the
definition in serve_runtime.features and not to itself.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import Segments, logit_reference
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows

Rows = Float32 | RawRows
"""Rows (n, d) of plain numbers, or raw rows of a model that encodes them."""


class Encoded(NamedTuple):
    """What n raw rows become."""

    numbers: Float32
    """(k, n), not filled: NaN where missing."""
    codes: tuple[npt.NDArray[np.int64], ...]
    """Of each category (n,)."""

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """(k, n) where numbers are missing."""
        return np.isnan(self.numbers)


def encode(encoding: Encoding, rows: RawRows) -> Encoded:
    """Numbers rounded to float32 once, behind the float64 centre where there is one; codes."""
    with np.errstate(over="ignore"):
        served = (rows.numbers - encoding.number_centers[:, None]).astype(np.float32)
    codes = []
    for column, texts in zip(encoding.categories, rows.texts, strict=True):
        known = {"": column.missing_code, **column.code_by_text()}
        missing = column.missing_code
        found = (missing if text is None else known.get(text, 0) for text in texts)
        codes.append(np.fromiter(found, np.int64, len(texts)))
    return Encoded(served, tuple(codes))


class Terms(NamedTuple):
    """What the logits of n rows are the sums of, beside the bias."""

    numbers: Float32
    """(k, n) that are multiplied with the weights."""
    added: Float64
    """(c, n): the weight of the level of each category, and of the gap of each number that has one,
    0 where it is not missing."""
    segments: Segments | None
    """Of the bent numbers; None where there are none."""


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class EncodedModel:
    """The float32 values of a model that encodes its columns."""

    affine: Affine
    encoding: Encoding

    def reference(self, rows: RawRows) -> tuple[Float64, Float64]:
        """Exact logits of raw rows and their float32 error bounds, both (n,) float64; NaN for a
        row that is refused."""
        found, affine = self.terms(rows), self.affine
        return logit_reference(
            found.numbers.T, affine.weight, affine.bias, affine.center, found.added, found.segments
        )

    def terms(self, rows: RawRows) -> Terms:
        """What the logits of raw rows are the sums of."""
        encoding, found = self.encoding, encode(self.encoding, rows)
        terms: list[Array] = [
            table.take(code) for table, code in zip(encoding.tables, found.codes, strict=True)
        ]
        terms += [
            np.where(found.missing[number], encoding.gap[number], 0)
            for number in np.flatnonzero(encoding.gap)
        ]
        added = np.array(terms, np.float64).reshape(len(terms), len(rows))
        filled = encoding.filled(found.numbers)
        return Terms(filled, added, _segments(encoding, filled))

    def offsets(self, rows: RawRows) -> Float32:
        """The offsets (n,) of raw rows: float32 sums in the stated order."""
        encoding, found = self.encoding, encode(self.encoding, rows)
        offset = np.full(len(rows), self.affine.bias, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for group in encoding.groups:
                offset += reduce(np.add, [encoding.tables[i].take(found.codes[i]) for i in group])
            for number in np.flatnonzero(encoding.gap):
                offset[found.missing[number]] += encoding.gap[number]
            for curve in self.curves(rows):
                offset += curve
        return offset

    def curves(self, rows: RawRows) -> Float32:
        """What the curve of each bent number adds to the offset of raw rows, (b, n)."""
        encoding = self.encoding
        found = _segments(encoding, encoding.filled(encode(encoding, rows).numbers))
        if found is None:
            return np.empty((0, len(rows)), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            # float64 keeps so much of the difference of two float32 values that to round it again
            # gives what one rounding to float32 gives (Figueroa, "When is double rounding
            # innocuous?", SIGNUM Newsletter 30, 1995).
            moved = found.distance.astype(np.float32) * found.slope.astype(np.float32)
            result: Float32 = found.value.astype(np.float32) + moved
        return result


def _segments(encoding: Encoding, numbers: Float32) -> Segments | None:
    """The segments in which the bent ones of `numbers` (k, n) are, found one by one."""
    if not encoding.curves:
        return None
    found = []
    for number, curve in zip(encoding.bent, encoding.curves, strict=True):
        knots, values = curve.knots.tolist(), numbers[number].tolist()
        segment = np.array([bisect_right(knots, value) for value in values], np.intp)
        origin = np.array([knots[max(j - 1, 0)] for j in segment.tolist()], np.float64)
        distance = numbers[number].astype(np.float64) - origin
        found.append((curve.value[segment], curve.slope[segment], distance))
    value, slope, distance = (np.array(part, np.float64) for part in zip(*found, strict=True))
    return Segments(value, slope, distance)


Model = Affine | EncodedModel
"""The values of a model, as its files hold them."""


def model_of(affine: Affine, encoding: Encoding | None) -> Model:
    """The model of what a file holds."""
    return affine if encoding is None else EncodedModel(affine, encoding)


def affine_of(model: Model) -> Affine:
    """The weights, the bias and the centre of a model."""
    return model.affine if isinstance(model, EncodedModel) else model


def encoding_of(model: Model) -> Encoding | None:
    """How the model encodes its columns; None where it takes plain numbers."""
    return model.encoding if isinstance(model, EncodedModel) else None


def served_ranges(encoding: Encoding) -> tuple[Float64, Float64]:
    """The smallest and the largest value of each number in training, as it is served: (k,) each."""
    ends = np.array([[c.low, c.high] for c in encoding.numbers], np.float64).reshape(-1, 2).T
    return ends[0] - encoding.number_centers, ends[1] - encoding.number_centers


def reference(model: Model, rows: Rows) -> tuple[Float64, Float64]:
    """Exact logits of rows and their float32 error bounds, both (n,) float64."""
    if isinstance(model, EncodedModel):
        return model.reference(cast("RawRows", rows))
    return model.reference(cast("Float32", rows))


def taken(rows: Rows, which: Array | slice | Sequence[int]) -> Rows:
    """Some of the rows: those at the positions, or where a mask is True."""
    if isinstance(rows, RawRows):
        return rows.take(np.arange(len(rows))[which])
    return rows[which]


def without_overflow(rows: Rows, model: Model) -> Any:
    """The rows that have a logit and whose terms cannot overflow float32; a Predictor may refuse
    the others."""
    return taken(rows, np.isfinite(reference(model, rows)[1]))
