"""Cost and accuracy by update, and what each penalty along the paths is worth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from report.figures.drawing import ACCENT, MUTED, NEGATIVE, OTHER, POSITIVE, drawing, svg
from report.powers import power_of_ten
from report.wording import number
from serve_runtime.arrays import Float64

_PARTS: Final = (("", "training", ACCENT, "-"), ("validation_", "hold-out", POSITIVE, "--"))
_LINES: Final = (NEGATIVE, OTHER, POSITIVE, MUTED)
_MANY: Final = 60
"""Points from which on lines have no markers."""


def by_update(
    history: Sequence[Mapping[str, float]], measure: str, title: str, unit: str
) -> Markup | None:
    """`measure`, "cost" or "accuracy", of training and hold-out over the epochs; None where there
    are not two finite values."""
    found = {}
    for prefix, part, color, style in _PARTS:
        values = _column(history, prefix + measure)
        if np.isfinite(values).sum() > 1:
            found[part] = (values, color, style)
    if not found:
        return None
    epoch = _column(history, "epoch")
    with drawing(5.2, 3.0) as (figure, axes):
        for part, (values, color, style) in found.items():
            marker = "o" if len(values) < _MANY else None
            axes.plot(epoch, values, style, color=color, label=part, marker=marker, markersize=3)
        axes.set_xlabel("update")
        axes.set_ylabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.legend(labelcolor="linecolor")
        told = "; ".join(_told(part, values) for part, (values, _, _) in found.items())
        return svg(figure, f"training-{measure}", title, told)


def path(candidates: Sequence[Mapping[str, Any]], taken: int) -> Markup | None:
    """The log loss on rows left out along the penalties of each candidate, the chosen one marked;
    None where there is one point only."""
    drawn = [(place, each) for place, each in enumerate(candidates) if _points(each)]
    chosen = _points(candidates[taken])
    if not chosen or sum(len(_points(each)) for _, each in drawn) < 2:
        return None
    others = iter(_LINES * len(drawn))
    best = min(chosen, key=lambda point: point["log_loss"])
    with drawing(5.2, 3.4) as (figure, axes):
        for place, each in drawn:
            points = _points(each)
            c, loss, error = (
                np.array([point[key] for point in points], float)
                for key in ("c", "log_loss", "standard_error")
            )
            color = ACCENT if place == taken else next(others)
            axes.plot(
                c, loss, color=color, label=each["name"], linewidth=2 if place == taken else 1
            )
            if place == taken:
                axes.fill_between(
                    c, loss - error, loss + error, color=color, alpha=0.15, linewidth=0
                )
        axes.plot(best["c"], best["log_loss"], "o", color=ACCENT, markersize=7)
        axes.annotate("chosen", (best["c"], best["log_loss"]), xytext=(0, -14),
                      textcoords="offset points", ha="center", color=ACCENT)  # fmt: skip
        _frame(axes, [point["log_loss"] for _, each in drawn for point in _points(each)], best)
        told = (
            f"{len(drawn)} candidates; the chosen one is {candidates[taken]['name']} at C "
            f"{number(best['c'], 3)}, with a log loss of {number(best['log_loss'], 4)}"
        )
        return svg(figure, "training-path", "Log loss on rows left out, by penalty", told)


def _frame(axes: Axes, losses: Sequence[float], best: Mapping[str, float]) -> None:
    """Axes around what matters: far worse fits are cut off."""
    low, high = min(losses), max(losses)
    top = min(high, low + 6 * max(best["standard_error"], (high - low) / 20))
    room = 0.18 * (top - low) or 0.01
    axes.set_ylim(low - room, top + room)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda c, _: power_of_ten(round(math.log10(c))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major")
    axes.set_xlabel("C, the inverse of the penalty: to the right weaker")
    axes.set_ylabel("log loss")
    axes.legend(labelcolor="linecolor", fontsize=9)


def _points(candidate: Mapping[str, Any]) -> list[Mapping[str, float]]:
    """The points that have a penalty and figures."""
    return [
        point for point in candidate["points"]
        if all(isinstance(point[key], int | float) and np.isfinite(point[key])
               for key in ("c", "log_loss", "standard_error"))
    ]  # fmt: skip


def _column(history: Sequence[Mapping[str, float]], name: str) -> Float64:
    return np.array([line.get(name, np.nan) for line in history], float)


def _told(part: str, values: Float64) -> str:
    there = values[np.isfinite(values)]
    return f"{part} from {number(float(there[0]), 4)} to {number(float(there[-1]), 4)}"
