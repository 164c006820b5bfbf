"""What the model is: how much each column does, and what one unit of it does to the odds."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from report.figures.bars import Bar, bars
from report.figures.curves import curve
from report.measures.effects import (
    CurveEffect,
    Effect,
    Level,
    LevelEffect,
    NumberEffect,
    effects,
    importance,
)
from report.page import render
from report.section import Section
from report.source import Source
from report.wording import NONE, count, number, ratio, short, signed, step_of, value_of

MOST_BARS: Final = 50
MOST_FIGURES: Final = 10
"""Curves, and as many tables of levels, that are drawn; of further columns the ends are told."""
MOST_LEVELS: Final = 20
"""Levels of a category that are drawn, the farthest from the average ones."""
MOST_LISTED: Final = 200
"""Levels of a category in its table."""
_MOST_TABLE: Final = 300_000
"""Characters of the table of columns that are not drawn."""
_MOST_NAME: Final = 60
_FAR_APART: Final = 50.0
"""Weights whose sizes differ by more are drawn by their orders of magnitude."""


class Shape(NamedTuple):
    """A column that has a figure of its own."""

    name: str
    words: Sequence[str]
    figure: Markup
    table: Sequence[tuple[str, str, str, str]]
    """Of a category the levels that are not drawn: level, rows, weight, odds."""
    more: str
    """What the table leaves out."""


class Line(NamedTuple):
    """A number in the table of odds."""

    name: str
    step: str
    odds: str
    interval: str
    weight: str
    per_deviation: str


def section(source: Source) -> Section:
    """The section."""
    found, ranks = effects(source), importance(source)
    numbers = [e for e in found if isinstance(e, NumberEffect)]
    drawn = [e for e in numbers[:MOST_BARS] if e.weight]
    shapes: list[CurveEffect | LevelEffect] = [
        *[e for e in found if isinstance(e, CurveEffect)][:MOST_FIGURES],
        *[e for e in found if isinstance(e, LevelEffect)][:MOST_FIGURES],
    ]
    told = {e.column.name for e in (*numbers[:MOST_BARS], *shapes)}
    rest, left = _rest([e for e in found if e.column.name not in told], ranks)
    lines = [line for e in numbers[:MOST_BARS] for line in _lines(e)]
    body = render(
        "model.html.j2",
        positive=short(str(source.card.classes[1]), 24),
        drivers=_drivers(found, ranks),
        columns=len(found),
        flat=not any(e.weight for e in numbers) and len(numbers) == len(found),
        standardised=_standardised(drawn),
        original=_original(drawn),
        lines=lines,
        intervals=any(line.interval != NONE for line in lines),
        unknown=(source.metrics.get("statistics") or {}).get("none"),
        shapes=[_shape(source, e, f"model-shape{k}") for k, e in enumerate(shapes, 1)],
        rest=rest,
        left=left,
    )
    return Section("model", "What drives the score", body)


def _drivers(found: Sequence[Effect], ranks: dict[str, float]) -> Markup | None:
    """The columns by importance; None where no column does anything."""
    names = [e.column.name for e in found[:MOST_BARS] if ranks[e.column.name] > 0]
    if not names:
        return None
    return bars(
        [Bar(name, ranks[name], _size(ranks[name])) for name in names],
        "model-importance", "Columns by importance", "mean size of what it adds to the logit",
        signed=False,
    )  # fmt: skip


def _size(value: float) -> str:
    return f"{value:.2f}" if value >= 0.005 else number(value, 1)


def _standardised(drawn: Sequence[NumberEffect]) -> Markup | None:
    ranked = sorted(drawn, key=lambda e: -e.per_deviation)
    found = []
    for e in ranked:
        ends = e.interval(e.deviation) or (None, None)
        found.append(Bar(e.column.name, e.per_deviation, signed(e.per_deviation), *ends))
    if not found:
        return None
    return bars(found, "model-standardised", "Weights per standard deviation",
                "one standard deviation more adds to the logit")  # fmt: skip


def _original(drawn: Sequence[NumberEffect]) -> Markup | None:
    ranked = sorted(drawn, key=lambda e: -e.weight)
    sizes = [abs(e.weight) for e in ranked]
    if not sizes:
        return None
    far = max(sizes) > _FAR_APART * min(sizes)
    found = [
        Bar(e.column.name, e.weight, number(e.weight), *(e.interval(1) or (None, None)))
        for e in ranked
    ]
    axis = "one unit more adds to the logit"
    return bars(found, "model-original", "Weights per unit",
                f"{axis} (lengths: orders of magnitude)" if far else axis,
                logarithmic=far)  # fmt: skip


def _lines(e: NumberEffect) -> Iterator[Line]:
    """Of a number what a step does to the odds, and what a gap does."""
    name = short(e.column.name, _MOST_NAME)
    if not e.weight:
        yield Line(name, "any", "1", NONE, "0", "0")
    else:
        step, text = step_of(e.column, e.deviation)
        ends = e.interval(step)
        interval = NONE if ends is None else f"{ratio(ends[0])} to {ratio(ends[1])}"
        yield Line(name, f"+{text}", ratio(e.weight * step), interval, number(e.weight),
                   signed(e.per_deviation))  # fmt: skip
    if e.gap is not None:
        yield Line(
            f"{name}: missing", "a gap, not the median", ratio(e.gap), NONE, number(e.gap), NONE
        )


def _shape(source: Source, e: CurveEffect | LevelEffect, key: str) -> Shape:
    name = short(e.column.name, _MOST_NAME)
    if isinstance(e, CurveEffect):
        figure = curve(e, source.column_profiles.get(e.column.name), key)
        return Shape(name, _curve_words(e), figure, (), "")
    drawn = sorted(e.extreme[:MOST_LEVELS], key=lambda level: -level.weight)
    shown = [
        Bar(
            f"{_level_name(e, level)} ({level.rows:,})",
            level.weight,
            f"×{ratio(level.weight)}",
        )
        for level in drawn
    ]
    rest = e.extreme[MOST_LEVELS:]
    table = [
        (_level_name(e, level), count(level.rows), signed(level.weight), ratio(level.weight))
        for level in rest[:MOST_LISTED]
    ]
    left, more = rest[MOST_LISTED:], ""
    if left:
        low, high = (f(level.weight for level in left) for f in (min, max))
        more = f"{len(left):,} more levels multiply the odds by {ratio(low)} to {ratio(high)}."
    figure = (
        bars(shown, key, f"Levels of {name}", "adds to the logit; × the odds of the average row")
        if shown else Markup()
    )  # fmt: skip
    return Shape(name, _level_words(e), figure, table, more)


def _level_name(e: LevelEffect, level: Level) -> str:
    return value_of(e.column, level.name) if level.text else level.name


def _curve_words(e: CurveEffect) -> list[str]:
    (low, least), (high, most) = e.lowest, e.highest
    alone = {x for x, _ in e.single}
    words = [
        f"Lowest at {_at(e, low, alone)}: odds × {ratio(least)} against the average row. Highest "
        f"at {_at(e, high, alone)}: odds × {ratio(most)}."
    ]
    if e.single:
        words.append("Points are single values with a weight of their own.")
    if e.gap is not None:
        seen = f"; training saw {e.column.gaps:,}" if e.column.gaps else ""
        words.append(
            f"A missing value multiplies the odds by {ratio(e.gap)}, beside the median{seen}."
        )
    return words


def _at(e: CurveEffect, value: float, alone: Iterable[float]) -> str:
    return ("exactly " if value in alone else "") + value_of(e.column, value)


def _level_words(e: LevelEffect) -> list[str]:
    words = []
    if e.levels:
        high, low = e.levels[0], e.levels[-1]
        words.append(
            f"From {_level_name(e, low)} (odds × {ratio(low.weight)} against the average row) to "
            f"{_level_name(e, high)} (odds × {ratio(high.weight)})."
        )
    if len(e.levels) > MOST_LEVELS:
        words.append(f"Drawn are the {MOST_LEVELS} of {len(e.levels):,} levels that are farthest "
                     "from the average row.")  # fmt: skip
    if math.isnan(e.unknown):
        words.append("A level that training did not see is refused.")
    elif e.unknown == 0:
        words.append("A level that training did not see counts as the average row.")
    else:
        words.append(f"A level that training did not see counts as a rare one: odds × "
                     f"{ratio(e.unknown)}.")  # fmt: skip
    return words


def _rest(
    found: Sequence[Effect], ranks: dict[str, float]
) -> tuple[list[tuple[str, str, str]], int]:
    """Of columns that are not drawn: name, importance and what it does, as many as have room, and
    how many are left out."""
    rows, room = list[tuple[str, str, str]](), _MOST_TABLE
    for e in found:
        row = short(e.column.name, _MOST_NAME), number(ranks[e.column.name]), _in_brief(e)
        room -= sum(map(len, row)) + len("<tr><th><td><td>\n")
        if room < 0:
            break
        rows.append(row)
    return rows, len(found) - len(rows)


def _in_brief(e: Effect) -> str:
    if isinstance(e, NumberEffect):
        if not e.weight:
            return "nothing"
        step, text = step_of(e.column, e.deviation)
        return f"+{text}: × {ratio(e.weight * step)}"
    if isinstance(e, CurveEffect):
        (low, least), (high, most) = e.lowest, e.highest
        ends = value_of(e.column, low), value_of(e.column, high)
    else:
        if not e.levels:
            return "nothing"
        ends = _level_name(e, e.levels[-1]), _level_name(e, e.levels[0])
        least, most = e.levels[-1].weight, e.levels[0].weight
    return f"{ends[0]}: × {ratio(least)}; {ends[1]}: × {ratio(most)}"
