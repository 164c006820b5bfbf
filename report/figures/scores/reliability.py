"""How far predicted probabilities are observed shares."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from report.figures.drawing import ACCENT, MUTED, OTHER, drawing, svg
from report.figures.scores.shares import percent_tick
from report.measures.class_scores import Bin
from report.wording import count, percent


def reliability(bins: Sequence[Bin], weighted: bool) -> Markup:
    """Observed shares against predicted ones, with the rows of each bin below."""
    predicted, observed = [b.predicted for b in bins], [b.observed for b in bins]
    most = max(0.02, *predicted, *(b.high for b in bins))
    most = 1.0 if most > 0.5 else most * 1.1
    with drawing(5.2, 4.6) as (figure, upper):
        upper.remove()
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        upper.plot([0, most], [0, most], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
        upper.text(0.98, 0.03, "broken line: as predicted", color=MUTED, ha="right",
                   transform=upper.transAxes)  # fmt: skip
        ends = [(b.observed - b.low, b.high - b.observed) for b in bins]
        upper.errorbar(
            predicted, observed, yerr=np.clip(np.transpose(ends), 0, 1), color=ACCENT,
            marker="o", markersize=5, linewidth=1.5, elinewidth=1,
        )  # fmt: skip
        upper.set_ylabel("share that is positive")
        lower.bar(predicted, [b.rows for b in bins], width=most * 0.03, color=OTHER)
        lower.set_ylabel("rows" if not weighted else "weight")
        lower.set_xlabel("predicted probability")
        top = max(b.rows for b in bins)
        lower.set_ylim(0, top * 1.45)
        lower.set_yticks([])
        for b in bins:
            lower.text(b.predicted, b.rows + top * 0.05, _brief(b.rows), ha="center", color=MUTED)
        for axes in (upper, lower):
            axes.set_xlim(-0.04 * most, 1.04 * most)
        upper.set_ylim(-0.02 * most, 1.02 * most)
        upper.xaxis.set_major_formatter(percent_tick)
        upper.yaxis.set_major_formatter(percent_tick)
        said = "; ".join(
            f"{percent(b.predicted)} predicted, {percent(b.observed)} observed in {count(b.rows)}"
            for b in bins
        )
        return svg(
            figure, "performance-reliability", "Reliability", f"Rows by probability: {said}."
        )


def _brief(rows: float) -> str:
    """A count in at most four characters or so."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if rows >= size:
            return f"{rows / (1000 if unit == 'k' else size):.3g}{unit}"
    return f"{rows:,.0f}" if rows >= 10 or rows == round(rows) else f"{rows:.1g}"
