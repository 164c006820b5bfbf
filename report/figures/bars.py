"""Horizontal bars: a name, a bar, and its number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from report.figures.drawing import ACCENT, INK, MUTED, NEGATIVE, POSITIVE, drawing, svg
from report.figures.names import name_rows
from report.wording import short

_MOST_NAME = 26
_WIDTH = 5.2
_CHARACTER = 0.085
"""Inches of a character, about."""
_ROW = 0.23
"""Inches of a bar with its name."""


class Bar(NamedTuple):
    """One of them."""

    name: str
    value: float
    text: str
    """The number as it is shown beside the bar."""
    low: float | None = None
    """The ends of an interval, which is drawn as a line."""
    high: float | None = None


def bars(
    found: Sequence[Bar],
    key: str,
    title: str,
    axis: str,
    *,
    signed: bool = True,
    logarithmic: bool = False,
) -> Markup:
    """Bars from the first at the top; `signed` ones in the colour of the class that they speak for.
    Where they are `logarithmic`, the lengths are those of the orders of magnitude."""
    values = np.array([bar.value for bar in found])
    names = [short(bar.name, _MOST_NAME) for bar in found]
    with drawing(_WIDTH, 0.75 + _ROW * len(found)) as (figure, axes):
        places = np.arange(len(found))
        plus, minus = (POSITIVE, NEGATIVE) if signed else (ACCENT, ACCENT)
        colors = [plus if value > 0 else minus for value in values]
        axes.barh(places, values, height=0.66, color=colors, alpha=0.75)
        name_rows(figure, axes, names)
        if logarithmic:
            sizes = np.abs(values[values != 0])
            axes.set_xscale("symlog", linthresh=float(sizes.min()), linscale=0.5)
            axes.set_xticks([])
            axes.minorticks_off()
        for place, bar in enumerate(found):
            if bar.low is not None and bar.high is not None:
                axes.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1)
            end = max(bar.value, bar.high or bar.value) if bar.value >= 0 else min(
                bar.value, bar.value if bar.low is None else bar.low
            )  # fmt: skip
            axes.annotate(
                bar.text, (end, place), (4 if bar.value >= 0 else -4, 0),
                textcoords="offset points", va="center", color=MUTED,
                ha="left" if bar.value >= 0 else "right",
            )  # fmt: skip
        if (values >= 0).any() and (values < 0).any():
            axes.axvline(0, color=MUTED, linewidth=0.8)
        _widen(axes, found, names)
        figure.supxlabel(axis, fontsize=10)
        said = "; ".join(f"{short(bar.name, 60)} {bar.text}" for bar in found[:10])
        more = f"; and {len(found) - 10} more" if len(found) > 10 else ""
        return svg(figure, key, short(title, 80), f"{axis}: {said}{more}.")


def _widen(axes: Axes, found: Sequence[Bar], names: Sequence[str]) -> None:
    """Room for the numbers beside the bars."""
    width = _WIDTH - 0.3 - _CHARACTER * max(map(len, names))
    share = min(0.3, (0.1 + _CHARACTER * max(len(bar.text) for bar in found)) / width)
    left, right = any(bar.value < 0 for bar in found), any(bar.value >= 0 for bar in found)
    scale = axes.transScale
    first, last = scale.transform([(end, 0) for end in axes.get_xlim()])[:, 0].tolist()
    room = share * (last - first) / (1 - share * (left + right))
    ends = [(first - room * left, 0), (last + room * right, 0)]
    axes.set_xlim(*scale.inverted().transform(ends)[:, 0].tolist())
