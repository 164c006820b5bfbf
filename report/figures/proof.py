"""Pictures of a proof: how much of its budget each scorer used, and the error of two sigmoids."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, PercentFormatter

from export.formats.artifact import Score
from export.parity.tables import of_budget
from report.figures.drawing import ACCENT, INK, MUTED, OTHER, drawing, svg
from report.powers import power_of_ten
from serve_runtime.arrays import Float32, Float64
from serve_runtime.error_budgets import LOWEST_LOGIT, PROBABILITY_ULP, probability_ulp
from serve_runtime.shown import printable, shortened

FARTHEST: Final = 110
"""The picture shows logits up to here, on both sides."""
PER_SIDE: Final = 4000
"""Logits that are tried on each side of 0."""
_ROW: Final = 0.34
"""Inches that a scorer takes."""


def shares(key: str, used: Mapping[str, tuple[float, float]]) -> Markup:
    """Bars of the shares of their budgets that logit and probability of each scorer `used`."""
    names = list(used)
    with drawing(4.6, 0.9 + _ROW * len(names)) as (figure, axes):
        place = np.arange(len(names), dtype=float)
        for i, (kind, color) in enumerate((("logit", ACCENT), ("probability", OTHER))):
            values = [used[name][i] for name in names]
            axes.barh(place + 0.06 + 0.17 * i, values, 0.15, color=color, label=kind)
        most = max([1.0, *(max(pair) for pair in used.values())])
        for y, name in zip(place, names, strict=True):
            told = " · ".join(map(of_budget, used[name]))
            axes.text(0, y - 0.14, printable(shortened(name, 60)), color=INK, size=9)
            axes.text(most * 0.985, y - 0.14, told, color=MUTED, size=9, ha="right")
        axes.axvline(1, color=INK, linestyle=":", linewidth=1)
        axes.set(xlim=(0, most * 1.01), ylim=(len(names) - 0.4, -0.6), yticks=[])
        axes.set_xlabel("share of what rounding allows")
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2)
        worst = max(used, key=lambda name: max(used[name]))
        said = (
            f"{len(names)} bars for the logit and {len(names)} for the probability. The longest is "
            f"{of_budget(max(used[worst]))}, of {printable(shortened(worst, 60))}."
        )
        return svg(figure, key, "Share of the error budget by scorer", said, narrow=True)


def sampled_logits() -> Float32:
    """The logits (2 · PER_SIDE + 1,) on which the picture is made, evenly spaced."""
    return np.linspace(-FARTHEST, FARTHEST, 2 * PER_SIDE + 1, dtype=np.float32)


def largest_errors(score: Score) -> Float64:
    """The largest error in ULP of the probabilities of `score` from each whole logit to the next,
    (2 · FARTHEST,); `score` takes logits as rows of one feature."""
    logits = sampled_logits()
    error = probability_ulp(score(logits[:, None])[1].reshape(-1), logits)
    place = np.clip(np.floor(logits).astype(int) + FARTHEST, 0, 2 * FARTHEST - 1)
    found = np.zeros(2 * FARTHEST)
    np.maximum.at(found, place, error)
    return found


def sigmoids(key: str, errors: Mapping[str, Float64], said: str) -> Markup:
    """The `largest_errors` of sigmoids by logit, the first of them ours; `said` describes them."""
    edges = np.arange(-FARTHEST, FARTHEST + 1)
    with drawing(4.6, 3.6) as (figure, axes):
        colors = (ACCENT, OTHER)
        for order, (name, found) in zip((4, 3), errors.items(), strict=True):
            axes.stairs(
                found,
                edges,
                baseline=None,
                color=colors[4 - order],
                linewidth=1.6,
                label=name,
                zorder=order,
            )
        axes.plot(
            [LOWEST_LOGIT, FARTHEST],
            [PROBABILITY_ULP] * 2,
            color=INK,
            linestyle=":",
            label=f"promised from {LOWEST_LOGIT:g} up: {PROBABILITY_ULP:g}",
        )
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(FuncFormatter(_power))
        top = 10 ** np.ceil(np.log10(max(10.0, *(found.max() for found in errors.values()))))
        axes.set(xlim=(-FARTHEST, FARTHEST), ylim=(0, top), xlabel="logit")
        axes.set_ylabel("largest error, float32 steps (ULP)")
        figure.legend(loc="outside upper left", ncols=1)
        return svg(figure, key, "Error of the probability by logit", said)


def _power(value: float, _: int) -> str:
    """A tick of a logarithmic axis: 0, 1, 10, 10², …"""
    if value < 100:
        return f"{value:g}"
    return power_of_ten(round(np.log10(value)))
