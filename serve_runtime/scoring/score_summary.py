"""Count, while tables are scored, the positive labels and the rows unlike the training rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.codes import LevelCodes
from serve_runtime.features.column import CATEGORY, PRECISE, Column, categories_of
from serve_runtime.scoring.batches import names_that_may_miss


@dataclass(frozen=True)
class OutsideValue:
    """A value below the smallest or above the largest one that its feature had in training."""

    source: str
    """The table that holds it."""
    row: int
    """Its data row in that table, from 0."""
    feature: str
    value: np.floating[Any]
    """The value as the model sees it, float64 in a precise column."""
    low: np.floating[Any]
    """The smallest value of the feature in the training rows."""
    high: np.floating[Any]
    """The largest one."""


class ScoreSummary:
    """Counts of the rows that were scored; `add` each batch."""

    def __init__(self, card: ModelCard) -> None:
        self.positives = 0
        """Rows that got the positive label."""
        self.rows_outside = 0
        """Rows with at least one value outside the training range of its feature."""
        self.first_outside: OutsideValue | None = None
        """The first such value: of the first such row, the first feature in the model's order."""
        self.gaps = 0
        """Values that were missing, where the model takes that."""
        self.unknown_levels = dict[str, int]()
        """By category, values that training did not see, where there are any."""
        self._levels = list(map(LevelCodes, categories_of(card.columns)))
        with np.errstate(over="ignore"):  # a range that float32 cannot hold has no end
            self._ranges = {
                column.name: _range(column) for column in card.columns if column.kind != CATEGORY
            }
        self._may_miss = set(names_that_may_miss(card))

    def add(
        self,
        source: str,
        first_row: int,
        features: Mapping[str, npt.NDArray[Any]],
        positive: npt.NDArray[np.int8],
    ) -> None:
        """Count a batch of the table `source` that begins with the data row `first_row`, from 0.

        `features` are finite numbers by name, (n,) each, or NaN where a column may miss a value,
        which lies nowhere, and the categories as they are scored. `positive` is 1 for each row with
        the positive label and 0 for the others, (n,).
        """
        self.positives += int(np.count_nonzero(positive))
        if not len(positive):
            return
        self._count_levels(features)
        outside = np.zeros(len(positive), bool)
        for name, (low, high) in self._ranges.items():
            values = features[name]
            kind = type(low)
            least, most = (np.fmin, np.fmax) if name in self._may_miss else (np.minimum, np.maximum)
            # Rounding to float32 keeps the order of numbers, so it is enough to round the extremes.
            if kind(least.reduce(values)) < low or kind(most.reduce(values)) > high:
                values = values.astype(kind, copy=False)
                outside |= (values < low) | (values > high)
                if outside.all():
                    break
        count = int(np.count_nonzero(outside))
        if count and self.first_outside is None:
            row = int(outside.argmax())
            self.first_outside = next(
                OutsideValue(source, first_row + row, name, value, low, high)
                for name, (low, high) in self._ranges.items()
                if (value := type(low)(features[name][row])) < low or value > high
            )
        self.rows_outside += count

    def _count_levels(self, features: Mapping[str, Any]) -> None:
        """Count what is missing, and levels that training did not see."""
        for name in self._may_miss & self._ranges.keys():
            self.gaps += int(np.count_nonzero(np.isnan(features[name])))
        for codes in self._levels:
            coded = codes.of_column(features[codes.column.name])
            self.gaps += coded.count(codes.column.missing_code)
            if unknown := coded.count(0):
                name = codes.column.name
                self.unknown_levels[name] = self.unknown_levels.get(name, 0) + unknown


def _range(column: Column) -> tuple[np.floating[Any], np.floating[Any]]:
    """The smallest and the largest training value of a column of numbers, as the model sees it."""
    kind = np.float64 if column.kind == PRECISE else np.float32
    return kind(column.low), kind(column.high)
