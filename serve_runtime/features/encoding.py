"""The constants with which raw columns become numbers and an offset.

A row of raw columns becomes k float32 numbers and one float32 offset:
    offset = ((bias + s₀) + s₁) + …, + the gap terms, + the curves,
    s = (tᵢ + tᵢ₊₁) + … of each group of categories (see `Encoding.groups`),
where tᵢ is the weight of the level that category i has in this row, and a curve is what a bent
number adds (see features.curve), whose weight among the others is 0; then
    logit = Gemm(W, numbers, C = offset).
Each sum is rounded to float32, in this order, so that every runtime gives the same bits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.error_budgets import MOST_OFFSET
from serve_runtime.features.column import Column, categories_of, numbers_of
from serve_runtime.features.curve import Curve
from serve_runtime.shown import listed

MOST_COMBINATIONS: Final = 1 << 14
"""Of the codes of a group of categories: the sum of each fits into a table of 64 KiB, in which rows
are looked up faster than in the tables of the categories (see level_sums)."""


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Encoding:
    """How a model that takes more than plain numbers encodes its columns.

    The k numbers are those of the NUMBER columns, then those of the PRECISE ones, each in the order
    of the columns.
    """

    columns: tuple[Column, ...]
    """All columns that the model takes, in the order of the card."""
    fill: Float32
    """(k,) what stands for a missing number, behind `center`; NaN where it is refused."""
    gap: Float32
    """(k,) what a missing number adds to the offset besides; 0 nearly everywhere."""
    center: Float64
    """(p,) what is subtracted from each PRECISE number."""
    tables: tuple[Float32, ...]
    """Of each CATEGORY the weight of every code, (column.codes,); NaN where it is refused."""
    curves: tuple[Curve, ...] = ()
    """Of each bent number, in the order of the numbers."""

    @property
    def numbers(self) -> tuple[Column, ...]:
        """The k columns that are numbers, in the order of the numbers."""
        return numbers_of(self.columns)

    @property
    def categories(self) -> tuple[Column, ...]:
        """The columns that are categories, in order."""
        return categories_of(self.columns)

    @property
    def bent(self) -> tuple[int, ...]:
        """Which of the k numbers have a curve."""
        return tuple(i for i, column in enumerate(self.numbers) if column.knots)

    @property
    def groups(self) -> list[range]:
        """The categories whose weights are added up before they are added to the bias, group after
        group: as many that follow each other as have MOST_COMBINATIONS at most, at least one."""
        found, size = list[range](), 0
        for category, table in enumerate(self.tables):
            size *= len(table)
            if 0 < size <= MOST_COMBINATIONS:
                found[-1] = range(found[-1].start, category + 1)
            else:
                found.append(range(category, category + 1))
                size = len(table)
        return found

    @property
    def number_centers(self) -> Float64:
        """(k,) what is subtracted from each number: 0 but for the PRECISE ones."""
        return np.append(np.zeros(len(self.fill) - len(self.center)), self.center)

    @property
    def terms(self) -> int:
        """The most terms that are added to the bias in the offset of a row."""
        return len(self.tables) + int(np.count_nonzero(self.gap)) + len(self.curves)

    def largest_offset(self, bias: float) -> float:
        """What no offset of a row that is scored is larger than, in size, but for the rounding of
        its sums."""
        return MOST_OFFSET if self.curves else self.largest_unbent(bias)

    def largest_unbent(self, bias: float) -> float:
        """What no offset is larger than, in size, before curves are added."""
        largest = [float(np.nanmax(np.abs(table), initial=0)) for table in self.tables]
        return math.fsum([abs(bias), *largest, *np.abs(self.gap).tolist()])

    def weights(self, affine: Affine) -> Float32:
        """The weights (d,) in the order of the columns.

        Raises AttributeError, as of an attribute that is not there, where a column is a category or
        a bent number.
        """
        self._require_numbers()
        weight = dict(zip((column.name for column in self.numbers), affine.weight, strict=True))
        return np.array([weight[column.name] for column in self.columns], np.float32)

    def moved(self, affine: Affine) -> float:
        """By how much the logit falls since `center` is subtracted. Raises as `weights` does."""
        self._require_numbers()
        precise = affine.weight[len(affine.weight) - len(self.center) :].astype(np.float64)
        return math.fsum((precise * self.center).tolist())

    def _require_numbers(self) -> None:
        if names := [column.name for column in self.categories]:
            raise AttributeError(
                f"a model with categories ({listed(names, 3)}) has no coef_ and no intercept_: "
                "each level has a weight of its own"
            )
        if names := [column.name for column in self.numbers if column.knots]:
            raise AttributeError(
                f"a model with bent numbers ({listed(names, 3)}) has no coef_ and no intercept_: "
                "what each adds to the logit is a curve"
            )

    def values(self) -> bytes:
        """All constants, little-endian, in one order: what `sha256_of` hashes."""
        arrays: tuple[Array, ...] = (self.fill, self.gap, self.center, *self.tables)
        for curve in self.curves:  # the card holds the knots
            arrays += (curve.value, curve.slope)
        return b"".join(
            array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in arrays
        )

    def filled(self, numbers: Float32) -> Float32:
        """A copy of `numbers` (k, n) with `fill` where they are missing."""
        return np.where(np.isnan(numbers), self.fill[:, None], numbers)

    def offset(self, bias: float, codes: Sequence[Array], numbers: Float32) -> Float32:
        """The offsets (n,): from the codes of each category, (n,) each, and from the `numbers`
        (k, n), NaN where one is missing."""
        found = np.full(numbers.shape[1], bias, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # such a row is refused by its logit
            for group in self.groups:
                weights = [self.tables[category].take(codes[category]) for category in group]
                found += reduce(np.add, weights)
            for number in np.flatnonzero(self.gap).tolist():
                found[np.isnan(numbers[number])] += self.gap[number]
            for number, curve in zip(self.bent, self.curves, strict=True):
                values = numbers[number]
                found += curve.at(np.where(np.isnan(values), self.fill[number], values))
        return found


def sha256_of(affine: Affine, encoding: Encoding | None) -> str:
    """SHA-256 of all constants of a model: the card's weights_sha256."""
    if encoding is None:
        return affine.sha256()
    return sha256(affine.values.astype("<f4").tobytes() + encoding.values()).hexdigest()
