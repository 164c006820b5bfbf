"""What there is to say of the score of one row: each column's value and what it adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from serve_runtime.bundle.card import Label, ModelCard
from serve_runtime.explanation.contributions import known_means, reference_values
from serve_runtime.features.codes import LevelCodes
from serve_runtime.features.column import CATEGORY, PRECISE, Column
from serve_runtime.features.dictionaries import value_at
from serve_runtime.features.level_text import level_text
from serve_runtime.predictor import Predictor

_FILLED: Final = {
    "mean": "missing: counts as the mean",
    "median": "missing: counts as the median",
    "indicator": "missing: has a weight of its own",
    "level": "missing: a level of its own",
    "unknown": "missing: counts as an unknown level",
}
"""By what happens to a missing value."""
_UNKNOWN: Final = {
    "average": "unknown level: counts as the average row",
    "rare": "unknown level: counts as a rare one",
}


@dataclass(frozen=True)
class Part:
    """What one column adds to the logit."""

    column: str
    value: float | str | None
    """A text of a category; None where it is missing."""
    time: bool
    """Whether the value is a time, in seconds since 1970."""
    contribution: float
    reference: float | None
    """What a number is compared with: its mean in the training rows, or what takes its place; None
    of a category and of a bent number, whose parts are compared with their own mean."""
    note: str
    """What is unusual about the value; mostly empty."""


@dataclass(frozen=True)
class ExplainedRow:
    """A row's score, and what it is made of."""

    probability: float
    label: Label
    logit: float
    bias: float
    """The contributions of the `parts` and this are the logit."""
    parts: tuple[Part, ...]
    """In the order of the model's columns."""


def explain_row(predictor: Predictor, row: Mapping[str, Any]) -> ExplainedRow:
    """The score of a row, columns of one value by name, and what it is made of. Raises RowError
    where it has no score."""
    logit, probability = predictor.scores(row)
    values, bias, _ = predictor.contributions(row)
    card = predictor.card
    parts = []
    for column, value, mean in zip(card.columns, values[0], reference_values(card), strict=True):
        reference = None if column.kind == CATEGORY or column.knots else float(mean)
        parts.append(_part(column, row[column.name], float(value), reference))
    label = predictor.label(probability).tolist()[0]
    return ExplainedRow(float(probability[0]), label, float(logit[0]), bias, tuple(parts))


def average_is_known(card: ModelCard) -> bool:
    """Whether rows are compared with the average training row, not with the ends of ranges."""
    return known_means(card) is not None or all(c.kind == CATEGORY or c.knots for c in card.columns)


def _part(column: Column, values: Any, contribution: float, reference: float | None) -> Part:
    found: float | str | None
    if column.kind == CATEGORY:
        found = level_text(value_at(values, 0))
        note = _note_of_level(column, values)
        if note in _FILLED.values():
            found = None
    else:
        kind = np.float64 if column.kind == PRECISE else np.float32
        with np.errstate(over="ignore"):
            number, low, high = kind(values[0]), kind(column.low), kind(column.high)
        # The shortest text that gives the number again, not what float64 would print of it.
        found = None if np.isnan(number) else float(str(number))
        note = _FILLED[column.missing] if found is None else ""
        if number < low or number > high:
            note = f"outside the training range, {column.low:.6g} to {column.high:.6g}"
    return Part(column.name, found, column.time, contribution, reference, note)


def _note_of_level(column: Column, values: Any) -> str:
    code = int(LevelCodes(column).of_column(values).all()[0])
    if code == column.missing_code:
        return _FILLED[column.missing]
    if code == column.rare_code:
        return "a rare level, which training put together with others"
    return "" if code else _UNKNOWN[column.unknown]
