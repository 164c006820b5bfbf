"""What each column of a model can add to the logit, within what training saw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION, ModelCard
from serve_runtime.bundle.model_file import ModelFile
from serve_runtime.explanation.contributions import known_means, reference_values
from serve_runtime.features.column import Column, categories_of, is_finite, numbers_of
from serve_runtime.features.curve import Curve

Point = tuple[float, float]


class LevelPart(NamedTuple):
    """What a level adds."""

    level: str
    rows: int | None
    """Training rows; None where they are not known."""
    weight: float
    is_text: bool = True
    """Whether `level` is a text of the table, not a description of ours."""


@dataclass(frozen=True)
class ColumnPart:
    """What one column adds, beside the average training row."""

    column: Column
    low: float
    """The least that it adds, to a value that training saw."""
    high: float
    """The most."""
    weight: float | None = None
    """Of a straight number, for a unit of the table."""
    mean: float | None = None
    """In the training rows, of a number; None where it is not known."""
    per_deviation: float | None = None
    """By how much the logit rises with one standard deviation; None where it is not known."""
    levels: Sequence[LevelPart] = ()
    """Of a category, the largest weights first."""
    pieces: Sequence[tuple[Point, Point]] = field(default=())
    """Of a bent number, its curve in the training range, straight piece by straight piece."""

    @property
    def span(self) -> float:
        """By how much the logit differs between the least and the most."""
        return self.high - self.low


def column_parts(model: ModelFile) -> list[ColumnPart]:
    """The parts of all columns, in the order of the model."""
    card, encoding = model.card, model.encoding
    weights, curves = _weights(model), dict[str, tuple[Curve, float]]()
    tables = {}
    if encoding is not None:
        for number, curve in zip(encoding.bent, encoding.curves, strict=True):
            center = float(encoding.number_centers[number])
            curves[encoding.numbers[number].name] = curve, center
        names = [column.name for column in categories_of(card.columns)]
        tables = dict(zip(names, encoding.tables, strict=True))
    means = known_means(card) or [None] * len(card.columns)
    deviations: Sequence[float | None] = per_deviation(card) or [None] * len(card.columns)
    found = []
    for column, reference, mean, deviation in zip(
        card.columns, reference_values(card).tolist(), means, deviations, strict=True
    ):
        if column.name in tables:
            levels = _levels(column, tables[column.name])
            sizes = [level.weight for level in levels] or [0.0]
            part = ColumnPart(column, min(sizes), max(sizes), None, None, deviation, levels)
        elif column.name in curves:
            pieces = tuple(_pieces(column, *curves[column.name]))
            heights = [y for piece in pieces for _, y in piece]
            part = ColumnPart(column, min(heights), max(heights), None, mean, deviation, (), pieces)
        else:
            weight = weights[column.name]
            ends = sorted(weight * (_end(end) - reference) for end in (column.low, column.high))
            part = ColumnPart(column, ends[0], ends[1], weight, mean, deviation)
        found.append(part)
    return found


def per_deviation(card: ModelCard) -> list[float] | None:
    """The weight per standard deviation of each column; None where the card does not tell."""
    found = card.training.get(WEIGHTS_PER_DEVIATION)
    if not isinstance(found, list) or len(found) != len(card.columns):
        return None
    return found if all(map(is_finite, found)) else None


def _weights(model: ModelFile) -> Mapping[str, float]:
    numbers = numbers_of(model.card.columns)
    return dict(zip([c.name for c in numbers], model.affine.weight.tolist(), strict=True))


def _end(end: float | None) -> float:
    return 0.0 if end is None else end


def _levels(column: Column, table: np.ndarray) -> list[LevelPart]:
    known = zip(column.levels, column.counts, table[1:].tolist(), strict=False)
    found = [LevelPart(*level) for level in known]
    if column.missing == "level":
        found.append(LevelPart("missing", column.gaps, float(table[column.missing_code]), False))
    if column.rare:
        told = f"{len(column.rare):,} rare ones together"
        found.append(LevelPart(told, column.rare_count, float(table[column.rare_code]), False))
    return sorted(found, key=lambda level: -level.weight)


def _pieces(column: Column, curve: Curve, center: float) -> Iterator[tuple[Point, Point]]:
    low, high = (_end(end) - center for end in (column.low, column.high))
    edges = [-np.inf, *curve.knots.tolist(), np.inf]
    for j, (start, stop) in enumerate(pairwise(edges)):
        ends = max(start, low), min(stop, high)
        if ends[0] > ends[1] or ends[0] == stop:
            continue
        value, slope, origin = (
            float(values[j]) for values in (curve.value, curve.slope, curve.origin)
        )
        first, last = ((x + center, value + slope * (x - origin)) for x in ends)
        yield first, last
