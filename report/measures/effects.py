"""What each column of a run does to the logit, and to the odds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from report.source import Source
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION
from serve_runtime.features.column import Column
from serve_runtime.features.curve import single_values
from train.bends.basis import Segments
from train.statistics.estimates import Z_95
from train.trained import Trained


@dataclass(frozen=True)
class NumberEffect:
    """Of a number with one weight."""

    column: Column
    weight: float
    """Per unit of the table."""
    per_deviation: float
    deviation: float
    """The standard deviation in the training rows; NaN where it is not known."""
    error: float | None = None
    """The standard error of `weight`, where training knows it."""
    gap: float | None = None
    """What a missing value adds besides what stands for it, where that has a weight."""

    def interval(self, step: float) -> tuple[float, float] | None:
        """The ends of the interval of 95 % of the weight of `step` units."""
        if self.error is None:
            return None
        half = Z_95 * self.error * abs(step)
        return self.weight * step - half, self.weight * step + half


@dataclass(frozen=True)
class Level:
    """Of a level of a category."""

    name: str
    weight: float
    """Beside the average training row; NaN where it is refused."""
    rows: int
    text: bool = True
    """Whether `name` is a level, and not what a gap or a rare level is called."""


@dataclass(frozen=True)
class LevelEffect:
    """Of a category."""

    column: Column
    levels: Sequence[Level]
    """By weight, the highest first."""
    unknown: float
    """The weight of a level that training did not see; NaN where it is refused."""

    @property
    def extreme(self) -> Sequence[Level]:
        """Those of known weight, the farthest from 0 first."""
        return sorted(self.levels, key=lambda level: -abs(level.weight))


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class CurveEffect:
    """Of a bent number: its curve in the unit of the table, over a range of it."""

    column: Column
    line: Sequence[tuple[float, float]]
    """Where the curve bends: a value and what it adds to the logit, beside the average row."""
    single: Sequence[tuple[float, float]]
    """Values with a weight of their own, besides the line."""
    gap: float | None = None
    """What a missing value adds besides what stands for it, where that has a weight."""

    @property
    def lowest(self) -> tuple[float, float]:
        """The value that adds least, and what it adds."""
        return min((*self.line, *self.single), key=lambda point: point[1])

    @property
    def highest(self) -> tuple[float, float]:
        """The value that adds most, and what it adds."""
        return max((*self.line, *self.single), key=lambda point: point[1])


Effect = NumberEffect | LevelEffect | CurveEffect


def importance(source: Source) -> dict[str, float]:
    """By column the mean size of what it adds to the logit of the training rows; of a run that
    does not tell it, the size of its weight per standard deviation."""
    found: Mapping[str, Any] = source.metrics.get("importance") or {}
    weights: Mapping[str, Any] = source.metrics.get(WEIGHTS_PER_DEVIATION) or {}
    result = {}
    for name in source.card.feature_names:
        value = found.get(name, weights.get(name))
        known = value is not None and math.isfinite(value)
        result[name] = abs(float(value)) if known else 0.0
    return result


def effects(source: Source) -> list[Effect]:
    """Those of all columns, the most important first; of equals in the order of the card."""
    trained, by_name = source.trained, dict[str, Effect]()
    errors, curves = _errors(source), iter(trained.curves)
    per_deviation = source.metrics.get(WEIGHTS_PER_DEVIATION) or {}
    weight, gaps = trained.raw_weight.tolist(), trained.missing_weight.tolist()
    numbers = source.card.columns if trained.design is None else trained.design.numbers
    scale = trained.scaling.scale.tolist()
    for i, column in enumerate(numbers):
        gap = gaps[i] if column.missing == "indicator" else None
        if column.knots:
            center = float(trained.precise_center[i])
            low, high = _shown_range(source, column)
            by_name[column.name] = _curve(column, next(curves), center, low, high, gap)
            continue
        moved = per_deviation.get(column.name)
        moved = weight[i] * scale[i] if moved is None and weight[i] else float(moved or 0.0)
        deviation = moved / weight[i] if weight[i] and moved else scale[i]
        by_name[column.name] = NumberEffect(column, weight[i], moved, deviation, errors.get(i), gap)
    for effect in _categories(trained):
        by_name[effect.column.name] = effect
    ranks = importance(source)
    names = sorted(source.card.feature_names, key=lambda name: -ranks[name])
    return [by_name[name] for name in names]


def _errors(source: Source) -> dict[int, float]:
    """The standard errors of the numbers, by position, where training knows them."""
    statistics = source.metrics.get("statistics") or {}
    numbers = sum(column.low is not None for column in source.card.columns)
    # The first is the intercept; bent columns have none.
    found = (statistics.get("coefficients") or [])[1 : numbers + 1]
    errors = ((i, estimate["standard_error"]) for i, estimate in enumerate(found))
    return {i: float(error) for i, error in errors if error is not None and math.isfinite(error)}


def _categories(trained: Trained) -> Iterator[LevelEffect]:
    if trained.design is None:
        return
    columns = trained.design.categories
    for column, table in zip(columns, trained.tables, strict=True):
        weights = table.tolist()
        levels = [
            Level(text, weights[code], rows)
            for code, (text, rows) in enumerate(zip(column.levels, column.counts, strict=True), 1)
        ]
        if column.missing == "level" or column.gaps:
            levels.append(Level("missing", weights[column.missing_code], column.gaps, text=False))
        if column.rare:
            name = f"{len(column.rare):,} rare levels"
            levels.append(Level(name, weights[column.rare_code], column.rare_count, text=False))
        known = [level for level in levels if not math.isnan(level.weight)]
        known.sort(key=lambda level: -level.weight)
        yield LevelEffect(column, known, weights[0])


def _shown_range(source: Source, column: Column) -> tuple[float, float]:
    """From where to where a curve is looked at: where nearly all rows lie."""
    edges: Sequence[float] = source.column_profiles.get(column.name, {}).get("edges") or ()
    low, high = column.low or 0.0, column.high or 0.0
    if len(edges) > 1 and edges[0] < edges[-1]:  # else nearly all rows have one value
        low, high = edges[0], edges[-1]
    return float(low), float(high)


def _curve(
    column: Column, curve: Segments, center: float, low: float, high: float, gap: float | None
) -> CurveEffect:
    """The curve between two values in the unit of the table, `center` above those it takes."""
    first, last = low - center, high - center
    single = np.isin(curve.knots, single_values(column.knots).astype(np.float64))
    starts, ends = np.append(-np.inf, curve.knots), np.append(curve.knots, np.inf)
    line, alone = list[tuple[float, float]](), list[tuple[float, float]]()
    for j, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if j and single[j - 1]:
            if first <= start <= last:
                alone.append((start + center, float(curve.value[j])))
            continue
        if end <= first or start > last:
            continue
        for x in (max(start, first), min(end, last)):
            y = float(curve.value[j] + curve.slope[j] * (x - curve.origin[j]))
            if not line or line[-1] != (x + center, y):
                line.append((x + center, y))
    return CurveEffect(column, line, alone, gap)
