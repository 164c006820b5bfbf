"""Columns as the page shows them: ranges, gaps, and what was decided on each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup, escape

from report.measures.effects import importance
from report.page import name
from report.source import Source
from report.wording import value_of
from serve_runtime.features.column import CATEGORY, PRECISE, Column
from train.bends.basis import Basis

MOST: Final = 50
"""Columns with a line that shows all; of more the rest are in a plain table."""

_GAPS: Final = {
    "error": "refused", "mean": "count as the mean", "median": "count as the median",
    "indicator": "count as the median, with a weight of their own", "level": "a level of their own",
    "unknown": "count as an unknown level",
}  # fmt: skip


def by_importance(source: Source) -> list[Column]:
    """All columns, the most important first."""
    ranks = importance(source)
    return sorted(source.card.columns, key=lambda column: -ranks[column.name])


def kind_of(column: Column) -> str:
    """What a column is, in a word or two."""
    if column.kind == CATEGORY:
        return "category"
    if column.time:
        return "time"
    return "precise number" if column.kind == PRECISE else "number"


def values_of(column: Column) -> str:
    """The range of a number, how many levels a category has."""
    if column.kind == CATEGORY:
        return f"{len(column.levels):,} level{'s' * (len(column.levels) != 1)}"
    return f"{value_of(column, column.low)} to {value_of(column, column.high)}"


def knots_of(column: Column) -> int:
    """How many knots a bent number has, as training counts them: where its curve bends, and single
    values with a weight of their own."""
    return len(Basis.of(column.knots).points)


def decisions(column: Column) -> Iterator[str]:
    """What was decided on a column, and why, in a few words each."""
    if column.kind == PRECISE and not column.time:
        yield "kept in float64: float32 would lose digits"
    if column.time:
        yield "seconds since 1970"
    if column.knots:
        knots = knots_of(column)
        yield f"bent, {knots} knot{'s' * (knots != 1)}"
    if column.rare:
        yield f"rare levels merged: {len(column.rare):,}"
    if column.missing != "error" or column.gaps:
        yield f"gaps {_GAPS[column.missing]}"


def spark(column: Column, profile: Mapping[str, Any] | None) -> Markup:
    """A small histogram of a number, or bars of the frequent levels of a category."""
    if profile is None:
        return Markup("")
    levels = column.kind == CATEGORY
    counts = [count for _, count in profile["levels"]] if levels else profile["counts"]
    if levels and profile["others"]:
        counts = [*counts, profile["others"]]
    if not any(counts):
        return Markup("")
    return Markup(
        f'<svg class="spark{" levels" * levels}" viewBox="0 0 {len(counts) * 4} 40" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(_told(column, profile))}">'
        f'<path d="{_bars(counts)}"/></svg>'
    )


def _bars(counts: Sequence[float]) -> str:
    top, path = max(counts), []
    for place, count in enumerate(counts):
        if count:
            height = max(1, round(38 * count / top, 1))
            path.append(f"M{place * 4 + 0.3:g} 40v-{height:g}h3.4v{height:g}z")
    return "".join(path)


def _told(column: Column, profile: Mapping[str, Any]) -> str:
    if column.kind == CATEGORY:
        text, count = profile["levels"][0] if profile["levels"] else ("others", profile["others"])
        return f"levels by rows, the most frequent {name(text)} with {count:,}"
    counts, edges = profile["counts"], profile["edges"]
    place = counts.index(max(counts))
    here = (edges[place] + edges[place + 1]) / 2
    return f"histogram, highest near {value_of(column, here)}"
