"""The curve of a bent number over its histogram."""

import math
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator

from report.figures.drawing import ACCENT, INK, MUTED, OTHER, drawing, svg
from report.measures.effects import CurveEffect
from report.wording import number, plain, ratio, short, signed, value_of
from serve_runtime.features.times import DAY

_YEARS: Final = 365.2425 * DAY
_CALENDAR: Final = (-1900 * _YEARS, 8000 * _YEARS)
"""Seconds since 1970 that are years of four digits or so."""


def curve(effect: CurveEffect, profile: Mapping[str, Any] | None, key: str) -> Markup:
    """What the number adds to the logit, over the histogram of its training rows."""
    column = effect.column
    points = [*effect.line, *effect.single]
    ends = min(x for x, _ in points), max(x for x, _ in points)
    dates = column.time and _CALENDAR[0] < ends[0] and ends[1] < _CALENDAR[1]
    unit = DAY if dates else 1
    name = short(column.name, 40)
    with drawing(5.2, 2.9) as (figure, axes):
        behind = axes.twinx()
        edges, counts = (profile or {}).get("edges"), (profile or {}).get("counts")
        if edges and counts and any(counts):
            behind.stairs(counts, [x / unit for x in edges], color=OTHER, fill=True, alpha=0.35)
            behind.set_ylim(0, max(counts) * 3)
        behind.set_axis_off()
        axes.set_zorder(behind.get_zorder() + 1)
        axes.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        if effect.line:
            axes.plot(*_columns(effect.line, unit), color=ACCENT, linewidth=2)
        if effect.single:
            axes.plot(
                *_columns(effect.single, unit), color=INK, marker="o", markersize=4, linestyle="",
            )  # fmt: skip
        axes.set_ylabel("adds to the logit")
        axes.set_xlabel(name)
        axes.margins(x=0.02, y=0.12)
        axes.yaxis.set_major_formatter(lambda y, _: number(y))
        _places(axes, ends, dates)
        (low, least), (high, most) = effect.lowest, effect.highest
        return svg(
            figure, key, f"Curve of {short(column.name, 60)}",
            f"Lowest at {value_of(column, low)}: {signed(least)} to the logit, odds × "
            f"{ratio(least)}. Highest at {value_of(column, high)}: {signed(most)}, odds × "
            f"{ratio(most)}. Grey: how its training rows lie.",
        )  # fmt: skip


def _columns(points: Any, unit: float) -> tuple[list[float], list[float]]:
    return [x / unit for x, _ in points], [y for _, y in points]


def _places(axes: Axes, ends: tuple[float, float], dates: bool) -> None:
    """Ticks that a person reads: dates, or numbers of as many digits as tell them apart."""
    if dates:
        locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        return
    span, size = ends[1] - ends[0], max(map(abs, ends))
    digits = 3 if not span else min(15, 3 + max(0, math.floor(math.log10(size / span))))
    axes.xaxis.set_major_locator(MaxNLocator(5 if len(number(size, digits)) < 9 else 3))
    axes.xaxis.set_major_formatter(lambda x, _: plain(x, digits, most=size))
