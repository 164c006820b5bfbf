"""A row's logit as the sum of what its columns add."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from report.figures.drawing import INK, MUTED, NEGATIVE, POSITIVE, drawing, svg
from report.figures.names import name_rows
from report.wording import number, percent, short, signed

_MOST_NAME = 30
_ROW = 0.27
_WIDTH = 5.2
_CHARACTER = 0.078
_NUMBER = 0.55
"""Inches of the figure, of a character of a name, about, and of a number beside a bar."""


class Step(NamedTuple):
    """A bar of it."""

    name: str
    value: float


def waterfall(bias: float, steps: Sequence[Step], logit: float, probability: float,
              key: str, title: str) -> Markup:  # fmt: skip
    """From the logit `bias` of the average row by `steps` to that of the row."""
    names = ["average row", *(short(step.name, _MOST_NAME) for step in steps), "this row"]
    with drawing(_WIDTH, 0.9 + _ROW * len(names)) as (figure, axes):
        at, points = bias, [bias]
        axes.plot([bias], [0], color=MUTED, marker="o", markersize=6)
        for place, step in enumerate(steps, 1):
            color = POSITIVE if step.value > 0 else NEGATIVE
            axes.barh(place, step.value, left=at, height=0.62, color=color, alpha=0.75)
            axes.plot([at, at], [place - 1, place + 0.31], color=MUTED, linewidth=0.8)
            at += step.value
            points.append(at)
            right = step.value > 0
            axes.annotate(
                signed(step.value), (at, place), (4 if right else -4, 0),
                textcoords="offset points", va="center", ha="left" if right else "right",
            )  # fmt: skip
        last = len(names) - 1
        axes.plot([at, at], [last - 1, last], color=MUTED, linewidth=0.8)
        axes.plot([logit], [last], color=INK, marker="D", markersize=7)
        low, high = min(points), max(points)
        span = (high - low) or 1.0
        room = _room(names) * span
        axes.set_xlim(low - room, high + room)
        for place, value, share in ((0, bias, None), (last, logit, probability)):
            left = value > low + 0.6 * span
            said = signed(value) if share is None else f"{signed(value)}: {percent(share)}"
            axes.annotate(
                said, (value, place), (-8 if left else 8, 0), textcoords="offset points",
                va="center", ha="right" if left else "left",
                weight="normal" if share is None else "bold",
            )  # fmt: skip
        name_rows(figure, axes, names)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda x, _: number(x))
        axes.set_xlabel("logit")
        parts = "; ".join(f"{short(step.name, 60)} {signed(step.value)}" for step in steps)
        return svg(
            figure, key, title,
            f"The average row has the logit {signed(bias)}. {parts}. Together: {signed(logit)}, a "
            f"probability of {percent(probability)}.",
        )  # fmt: skip


def _room(names: Sequence[str]) -> float:
    """What is to be free at both ends for the numbers beside the bars, as a share of their span."""
    width = _WIDTH - 0.3 - _CHARACTER * max(map(len, names))
    return max(0.26, _NUMBER / (width - 2 * _NUMBER))
