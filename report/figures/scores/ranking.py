"""How well scores tell the classes apart, whatever the threshold."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from report.figures.drawing import ACCENT, INK, MUTED, drawing, svg
from report.figures.scores.shares import percent_tick, thinned
from report.measures.class_scores import ClassScores, Decision
from report.wording import number, percent


def roc(scores: ClassScores, auc: float, own: Decision) -> Markup:
    """The ROC curve with its area `auc`, and the point of the model's own threshold."""
    cuts = scores.cuts
    right, wrong = cuts.right / scores.positives, cuts.wrong / scores.negatives
    with drawing(5.2, 4.2) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        axes.text(0.6, 0.57, "guessing", color=MUTED, va="top")
        axes.plot(*thinned(wrong, right), color=ACCENT, linewidth=2)
        x, y = own.false_positives / 1000 * scores.rows / scores.negatives, own.recall or 0.0
        _point(axes, x, y, f"threshold {number(own.threshold)}", right=True, above=y < 0.1)
        axes.text(0.97, 0.06, f"AUC {auc:.3f}", ha="right", fontsize=14, color=ACCENT)
        _shares(axes, "negative rows labelled positive", "positive rows found")
        return svg(
            figure, "performance-roc", "ROC curve",
            f"Area under the curve {auc:.3f}. At the threshold {number(own.threshold)}, "
            f"{percent(own.recall)} of the positive rows are found and {percent(x)} of the "
            "negative ones are labelled positive.",
        )  # fmt: skip


def precision_recall(scores: ClassScores, own: Decision) -> Markup:
    """The precision-recall curve."""
    precision, recall = scores.precision_recall
    mean = scores.average_precision
    with drawing(5.2, 4.2) as (figure, axes):
        axes.axhline(scores.share, color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        axes.annotate(f"guessing: {percent(scores.share)}", (0.02, scores.share), (0, 4),
                      textcoords="offset points", color=MUTED, va="bottom")  # fmt: skip
        axes.plot(*thinned(recall, precision), color=ACCENT, linewidth=2)
        if own.precision is not None:
            label, recall_there = f"threshold {number(own.threshold)}", own.recall or 0.0
            right = recall_there < 0.6
            _point(axes, recall_there, own.precision, label, right=right, above=right)
        axes.set_title(f"average precision {mean:.3f}", loc="right", color=ACCENT, fontsize=12)
        _shares(axes, "positive rows found (recall)", "labelled rows that are right (precision)")
        shown = float(precision[recall > 0].max())  # of rare positives it may be small throughout
        axes.set_ylim(0, 1.02 if shown > 0.5 else shown * 1.1)
        return svg(
            figure, "performance-pr", "Precision-recall curve",
            f"Average precision {mean:.3f}; a guess has {percent(scores.share)}. At the threshold "
            f"{number(own.threshold)} the precision is {percent(own.precision)} and the recall "
            f"{percent(own.recall)}.",
        )  # fmt: skip


def gain(scores: ClassScores) -> Markup:
    """Cumulative gain, and lift below it."""
    found, taken = scores.gain
    with drawing(5.2, 5.0) as (figure, upper):
        upper.remove()
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 2))
        upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        upper.plot([0, scores.share, 1], [0, 1, 1], color=MUTED, linewidth=1)
        upper.text(scores.share, 1.03, "perfect", color=MUTED, va="bottom")
        upper.text(0.6, 0.57, "guessing", color=MUTED, va="top")
        upper.plot(*thinned(taken, found), color=ACCENT, linewidth=2)
        upper.set_ylabel("positive rows found")
        upper.set_ylim(0, 1.14)
        upper.yaxis.set_major_formatter(percent_tick)
        lower.axhline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        grid = np.linspace(0.01, 1, 100)
        lift = np.interp(grid, taken, found) / grid
        lower.plot(grid, lift, color=ACCENT, linewidth=2)
        lower.set_ylabel("lift")
        lower.set_ylim(0, max(1.2, float(lift.max()) * 1.1))
        lower.yaxis.set_major_formatter(lambda value, _: f"{number(value)}×")
        lower.set_xlabel("rows taken, highest scores first")
        lower.set_xlim(0, 1)
        lower.xaxis.set_major_formatter(percent_tick)
        said = [
            f"the top {percent(share)} hold {percent(float(np.interp(share, taken, found)))}"
            for share in (0.05, 0.1, 0.2, 0.5)
        ]
        return svg(
            figure, "performance-gain", "Cumulative gain and lift",
            f"Of the positive rows {', '.join(said)}.",
        )  # fmt: skip


def _point(axes: Axes, x: float, y: float, text: str, *, right: bool, above: bool) -> None:
    """A point of a curve with its text beside it, where the curve does not go."""
    axes.plot([x], [y], color=INK, marker="o", markersize=6, clip_on=False, zorder=3)
    axes.annotate(
        text, (x, y), (8 if right else -8, 6 if above else -6), textcoords="offset points",
        ha="left" if right else "right", va="bottom" if above else "top",
    )  # fmt: skip


def _shares(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(percent_tick)
    axes.yaxis.set_major_formatter(percent_tick)
