"""Scores by class, and what a threshold does, over one axis of probabilities."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from scipy.special import logit

from report.figures.drawing import ACCENT, INK, MUTED, NEGATIVE, POSITIVE, drawing, svg
from report.figures.scores.shares import percent_tick
from report.measures.class_scores import ClassScores, Decision
from report.wording import number, percent, short

_TICKS: Final = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999, 1 - 1e-6)
_TICK_TEXTS: Final = ("0.0001%", "0.01%", "1%", "10%", "50%", "90%", "99%", "99.99%",
                      "99.9999%")  # fmt: skip
_CHARACTER: Final = 0.02
_GAP: Final = 0.02
"""Of the width of the axis: a character of a tick's text, and what is free between two."""
_FARTHEST: Final = 16.0
"""Logits that the axes of probabilities show."""


def distributions(scores: ClassScores, labels: Sequence[str], threshold: float) -> Markup:
    """How the scores of each class lie, as shares of the class, on a scale of logits."""
    low, high = _range(scores)
    edges = np.linspace(low, high, 41)
    with drawing(5.2, 3.0) as (figure, axes):
        classes = zip((scores.negative, scores.positive), (NEGATIVE, POSITIVE), labels, strict=True)
        inside, top = np.clip(scores.logit, low, high), 0.0
        for counts, color, label in classes:
            if not counts.sum():
                continue
            shares = np.histogram(inside, edges, weights=counts)[0] / counts.sum()
            axes.stairs(shares, edges, color=color, fill=True, alpha=0.3)
            axes.stairs(shares, edges, color=color, linewidth=1.5)
            top = max(top, float(shares.max()))
            # Low scores are at the left, which is the side of the negative class.
            text = short(label, 24)
            axes.set_title(text, loc="left" if color == NEGATIVE else "right", color=color,
                           fontsize=10)  # fmt: skip
        axes.set_ylim(0, top * 1.18)
        _threshold_line(axes, threshold, low, high, top * 1.16)
        _probabilities(axes, low, high)
        axes.set_ylabel("share of the class")
        axes.yaxis.set_major_formatter(percent_tick)
        shown = [f"{percent(scores.quantile(q))}" for q in (0.05, 0.5, 0.95)]
        return svg(
            figure, "performance-distributions", "Scores by class",
            f"5% of all rows score below {shown[0]}, half below {shown[1]}, 95% below "
            f"{shown[2]}; the threshold is {percent(threshold)}.",
        )  # fmt: skip


def thresholds(scores: ClassScores, own: Decision, decisions: Sequence[Decision]) -> Markup:
    """Precision, recall and the labelled share over the threshold, with a line, of the id
    "performance-thresholds-marker", at the model's own, and "performance-thresholds-axis" around
    them."""
    low, high = _range(scores)
    with drawing(5.2, 3.2) as (figure, axes):
        at = [float(np.clip(logit(d.threshold), low, high)) for d in decisions]
        curves = (
            ("precision", ACCENT, "-", [d.precision for d in decisions]),
            ("recall", ACCENT, (0, (4, 1.5)), [d.recall for d in decisions]),
            ("labelled positive", MUTED, "-", [d.labelled for d in decisions]),
        )
        for name, color, dashes, values in curves:
            known = [(x, y) for x, y in zip(at, values, strict=True) if y is not None]
            axes.plot(
                *zip(*known, strict=True), color=color, linewidth=2, linestyle=dashes, label=name
            )
        place = float(np.clip(logit(own.threshold), low, high)) if 0 < own.threshold < 1 else low
        axes.axvline(place, color=INK, linewidth=1.5, gid="marker")
        axes.patch.set_gid("axis")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(percent_tick)
        _probabilities(axes, low, high, "threshold")
        figure.legend(loc="outside upper center", ncols=3, handlelength=2.2)
        return svg(
            figure, "performance-thresholds", "What a threshold does",
            f"At the model's threshold {number(own.threshold)}: precision "
            f"{percent(own.precision)}, recall {percent(own.recall)}, {percent(own.labelled)} of "
            "the rows labelled positive. The table below has the numbers.",
        )  # fmt: skip


def marker_places(scores: ClassScores, decisions: Sequence[Decision]) -> list[float]:
    """Where along the axis of `thresholds` each threshold lies, from 0 to 1."""
    low, high = _range(scores)
    return [(float(np.clip(logit(d.threshold), low, high)) - low) / (high - low) for d in decisions]


def _range(scores: ClassScores) -> tuple[float, float]:
    """The logits that are shown: those of 99% of the rows and more, within _FARTHEST; what is
    outside is drawn at the ends."""
    ends = logit([scores.quantile(0.005), scores.quantile(0.995)])
    low, high = np.clip(ends, -_FARTHEST, _FARTHEST).tolist()
    room = max(0.5, 0.05 * (high - low))
    return low - room, high + room


def _probabilities(
    axes: Axes, low: float, high: float, text: str = "predicted probability"
) -> None:
    """An axis of logits, that says which probabilities they are."""
    axes.set_xlim(low, high)
    found = list[tuple[float, str]]()
    pairs = [(float(logit(p)), said) for p, said in zip(_TICKS, _TICK_TEXTS, strict=True)]
    pairs.sort(key=lambda pair: abs(pair[0]))  # from the middle outwards
    for place, said in pairs:
        room = [(len(said) + len(other)) / 2 * _CHARACTER + _GAP for _, other in found]
        gaps = [abs(place - other) / (high - low) for other, _ in found]
        if low <= place <= high and all(g >= r for g, r in zip(gaps, room, strict=True)):
            found.append((place, said))
    axes.set_xticks(*zip(*found, strict=True) if found else ((), ()))
    axes.set_xlabel(text)


def _threshold_line(axes: Axes, threshold: float, low: float, high: float, top: float) -> None:
    place = float(logit(threshold)) if 0 < threshold < 1 else (-np.inf if not threshold else np.inf)
    if low < place < high:
        axes.axvline(place, color=INK, linewidth=1)
        right = place > (low + high) / 2
        axes.annotate(
            f"threshold {number(threshold)}", (place, top), (-5 if right else 5, 0),
            textcoords="offset points", ha="right" if right else "left", va="top",
        )  # fmt: skip
