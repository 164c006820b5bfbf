"""What each column adds to the logit of a row, beside the average training row.

A number adds w·(x - r), r its mean in the training rows; a category the weight of its level, a bent
number its curve, both of which training leaves with a mean of 0. (w·(x - mean) is what a linear
model's Shapley values are where columns count as independent: E. Štrumbelj, I. Kononenko,
"Explaining prediction models and individual predictions with feature contributions", Knowl. Inf.
Syst. 41, 2014.) What is left is the bias, the logit of the average row.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np

from serve_runtime.arrays import ROWS, Array, Float32, Float64
from serve_runtime.bundle.card import MEANS, ModelCard
from serve_runtime.features.column import is_finite, numbers_of
from serve_runtime.inputs.blocks import BatchInput

if TYPE_CHECKING:
    from serve_runtime.bundle.model_file import ModelFile
    from serve_runtime.features.encoding import Encoding
    from serve_runtime.inputs.encoded import EncodedInput

_VALUES: Final = 1 << 18
"""Values of a block, 3 MiB with those in float64. Where numbers are bent, blocks of a quarter take
40 % more time, since each looks at every knot."""


class Contributions(NamedTuple):
    """What each column adds to the logit of n rows.

    In float64, a row of `values` and `bias` add up to the exact logit of the row within
    `error_budgets.contributions_bound`, and so to the served one within that and its own budget.
    """

    values: Float32
    """(n, d), each rounded once; infinite where float32 does not hold it."""
    bias: float
    """The logit of the row that all rows are compared with: every number at its mean in the
    training rows, everything else at 0."""
    columns: tuple[str, ...]
    """(d,) their names, in the order of the model's features."""


class LogitParts:
    """What the columns of a model add to its logit. Any number of threads may share it."""

    def __init__(self, model: "ModelFile") -> None:
        self._affine, self._encoding, self._card = model.affine, model.encoding, model.card

    @cached_property
    def bias(self) -> float:
        """The logit of the row that all rows are compared with, rounded to float64 once."""
        moved = [self._affine.bias, *(self._weight * self._reference).tolist()]
        if self._affine.center is not None:
            moved += (-self._weight * self._affine.center).tolist()
        return math.fsum(moved)

    @cached_property
    def _weight(self) -> Float64:
        """(k,) of the numbers."""
        return self._affine.weight.astype(np.float64)

    @cached_property
    def _reference(self) -> Float64:
        """(k,) what each number is compared with, a float32 value as the numbers themselves, so
        that its product with the weight is exact."""
        means = dict(zip(self._card.feature_names, reference_values(self._card), strict=True))
        found = np.array([means[column.name] for column in numbers_of(self._card.columns)])
        if self._encoding is not None:
            found -= self._encoding.number_centers
        return found.astype(np.float32).astype(np.float64)

    def write(self, batch: BatchInput, values: Float32) -> None:
        """Write what the columns add to rows that have a score to `values` (n, d)."""
        step = max(1, _VALUES // max(1, values.shape[1]))
        for start in range(0, batch.rows, step):
            stop = min(start + step, batch.rows)
            # What float32 does not hold becomes infinite, whatever the host program has set.
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                if self._encoding is None:
                    self._write_numbers(batch, start, stop, values[start:stop])
                else:
                    self._write_encoded(batch, start, stop, values[start:stop], self._encoding)

    def _write_numbers(self, batch: BatchInput, start: int, stop: int, values: Float32) -> None:
        reference, weight = self._reference, self._weight
        if batch.layout != ROWS:
            values, reference, weight = values.T, reference[:, None], weight[:, None]
        numbers = np.empty(values.shape, np.float32)
        batch.copy(start, stop, numbers)
        wide = numbers.astype(np.float64)  # at once: with short rows, to convert in each is slow
        wide -= reference
        wide *= weight
        values[...] = wide

    def _write_encoded(
        self, batch: BatchInput, start: int, stop: int, values: Float32, encoding: "Encoding"
    ) -> None:
        encoded = cast("EncodedInput", batch)
        numbers = np.empty((len(encoding.fill), stop - start), np.float32)
        encoded.copy(start, stop, numbers)
        curves = dict(zip(encoding.bent, encoding.curves, strict=True))
        for number, x in enumerate(numbers):
            missing = np.isnan(x)
            x[missing] = encoding.fill[number]
            if number in curves:
                added = curves[number].exact(x)
            else:
                added = (x - self._reference[number]) * self._weight[number]
            if encoding.gap[number]:
                added[missing] += encoding.gap[number]
            values[:, encoded.number_places[number]] = added
        for place, weights in encoded.level_weights(start, stop):
            values[:, place] = weights


def reference_values(card: ModelCard) -> Array:
    """(d,) what each column that is a number is compared with, in the unit of the table, NaN of a
    category: its mean in the training rows, or, where the card does not tell that, the value of
    the training range that is nearest to 0."""
    means = known_means(card) or [None] * len(card.columns)
    return np.array([
        np.nan if c.low is None else np.clip(0.0, c.low, c.high) if mean is None else mean
        for c, mean in zip(card.columns, means, strict=True)
    ], np.float64)  # fmt: skip


def known_means(card: ModelCard) -> Sequence[float | None] | None:
    """The mean of each column in the training rows, None of a category; None where the card does
    not tell them."""
    found: Any = card.training.get(MEANS)
    if not isinstance(found, list) or len(found) != len(card.columns):
        return None
    known = all(mean is None or is_finite(mean) for mean in found)
    return found if known else None
