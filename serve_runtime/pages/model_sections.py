"""The parts of the page that tell what a model takes, and what drives its score."""

import math
from collections.abc import Iterable, Sequence
from itertools import islice

from serve_runtime.bundle.card import ModelCard
from serve_runtime.explanation.row import average_is_known
from serve_runtime.features.column import CATEGORY
from serve_runtime.pages.column_parts import ColumnPart, LevelPart
from serve_runtime.pages.drawings import curve, span_bar, value_text
from serve_runtime.pages.html import number, shown, signed, table, text

MOST_COLUMNS = 50
"""Columns, levels of a category, and curves that are shown in full, the most important ones."""
_MOST_BYTES = 250_000
"""Of each list of the others, so that a page has less than 1 MB."""
_MOST_TABLES = 100
"""Categories whose levels are listed."""
_MISSING = {
    "error": "refused",
    "mean": "counts as the mean",
    "median": "counts as the median",
    "indicator": "has a weight of its own",
    "level": "is a level of its own",
    "unknown": "counts as an unknown level",
}
_UNKNOWN = {
    "average": "counts as the average row",
    "rare": "counts as a rare one",
    "error": "refused",
}


def columns_section(card: ModelCard, ranked: Sequence[ColumnPart]) -> str:
    """What the model takes: every column with its range or levels, and what gaps do."""
    shown_first = {id(part) for part in ranked[:MOST_COLUMNS]}
    order = {column.name: place for place, column in enumerate(card.columns)}
    first = sorted(ranked[:MOST_COLUMNS], key=lambda part: order[part.column.name])
    rows = ([_name(part), _kind(part), _values(part), _gaps(part)] for part in first)
    which = "" if len(shown_first) == len(ranked) else f", the {len(first)} that move it most"
    found = table(
        f"The columns{which}", ["column", "kind", "in the training rows", "a missing value"], rows
    )
    if all(part.column.missing == "error" for part in ranked):
        found += '<p class="note">A row with a missing or infinite value is refused.</p>\n'
    return found + _others(
        "columns",
        ([_short(part.column.name), _values(part)] for part in ranked[MOST_COLUMNS:]),
        len(ranked) - len(first),
        ["column", "in the training rows"],
    )


def weights_section(card: ModelCard, ranked: Sequence[ColumnPart]) -> str:
    """How much each column can move the score, on one scale."""
    largest = max((max(abs(p.low), abs(p.high)) for p in ranked[:MOST_COLUMNS]), default=0.0)
    beside = "the average training row"
    if not average_is_known(card):
        beside = (
            "the value of the training range that is nearest to 0 (this card tells no means; a "
            "category beside the average row)"
        )
    intro = (
        "<p>Each bar spans what a column adds to the logit, from the least to the most, over the "
        f"values that training saw, beside {beside}. "
        '<span class="key">To the right</span> makes the positive answer more likely, '
        '<span class="key down">to the left</span> less. Odds are p / (1 - p): +0.69 doubles them, '
        "-0.69 halves them.</p>\n"
    )
    rows = (
        [
            _name(part),
            span_bar(part.low, part.high, largest),
            signed(part.low),
            signed(part.high),
            _odds_of_step(part),
            "" if part.per_deviation is None else number(part.per_deviation),
        ]
        for part in ranked[:MOST_COLUMNS]
    )
    heads = ["column", "what it adds", "least", "most", "the odds",
             "per standard deviation"]  # fmt: skip
    found = table("What drives the score, the strongest first", heads, rows, numbers=(2, 3, 4, 5))
    return (
        intro
        + found
        + _others(
            "columns",
            ([_short(p.column.name), signed(p.low), signed(p.high)] for p in ranked[MOST_COLUMNS:]),
            len(ranked) - MOST_COLUMNS,
            ["column", "least", "most"],
        )
    )


def levels_section(ranked: Sequence[ColumnPart]) -> str:
    """The levels of each category with their weights."""
    parts = [part for part in ranked if part.column.kind == CATEGORY]
    found = []
    for part in parts[:_MOST_TABLES]:
        levels = sorted(part.levels, key=lambda level: -abs(level.weight))
        first = sorted(levels[:MOST_COLUMNS], key=lambda level: -level.weight)
        largest = max((abs(level.weight) for level in first), default=0.0)
        rows = (
            [
                _level(level),
                f"{level.rows:,}" if level.rows is not None else "",
                span_bar(min(0, level.weight), max(0, level.weight), largest),
                signed(level.weight),
                _times(level.weight),
            ]
            for level in first
        )
        heads = ["level", "training rows", "what it adds", "weight", "odds"]
        name = shown(part.column.name)
        found.append(f"<h3>{name}</h3>\n")
        found.append(table(f"Levels of {name}", heads, rows, numbers=(1, 3, 4)))
        unknown = _UNKNOWN[part.column.unknown]
        found.append(f'<p class="note">A level that training did not see {unknown}.</p>\n')
        found.append(
            _others(
                f"levels of {part.column.name}",
                ([_short(level.level), signed(level.weight)] for level in levels[MOST_COLUMNS:]),
                len(levels) - MOST_COLUMNS,
                ["level", "weight"],
                _MOST_BYTES // len(parts),
            )
        )
    if len(parts) > _MOST_TABLES:
        found.append(f"<p>… and {len(parts) - _MOST_TABLES:,} more categories.</p>\n")
    return "".join(found)


def curves_section(ranked: Sequence[ColumnPart]) -> str:
    """The curves of bent numbers."""
    bent = [part for part in ranked if part.pieces]
    if not bent:
        return ""
    drawn = "".join(curve(part, f"curve-{i}") for i, part in enumerate(bent[:MOST_COLUMNS]))
    more = len(bent) - MOST_COLUMNS
    rest = f"<p>… and {more:,} more curves.</p>\n" if more > 0 else ""
    return (
        "<p>These numbers have no single weight: what they add is piecewise linear. A dot is a "
        "single value with a weight of its own.</p>\n"
        f'<div class="curves">\n{drawn}</div>\n{rest}'
    )


def _others(
    what: str,
    rows: Iterable[Sequence[str]],
    count: int,
    heads: Sequence[str],
    most_bytes: int = _MOST_BYTES,
) -> str:
    """Further rows as a compact table that opens; the first ones, where they are too many."""
    if count <= 0:
        return ""
    lines, size = list[str](), 0
    # HTML lets the end tags of rows and cells be left out, which halves the size.
    for first, *cells in rows:
        line = f"<tr><th scope=row>{first}" + "".join(f"<td>{cell}" for cell in cells)
        size += len(line.encode("ascii", "xmlcharrefreplace")) + 1
        if size > most_bytes:
            break
        lines.append(line)
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    left = count - len(lines)
    rest = "" if not left else (
        f"<p>{left:,} more are not on this page; <code>serve-runtime inspect BUNDLE --json</code> "
        "lists them all.</p>\n"
    )  # fmt: skip
    caption = f"The {count:,} other {shown(what)}"
    return (
        f"<details><summary>{caption}</summary>\n"
        f'<table class="compact"><caption>{caption}</caption><thead><tr>{head}</tr></thead>\n'
        "<tbody>\n" + "\n".join(lines) + f"\n</tbody></table>\n{rest}</details>\n"
    )


def _name(part: ColumnPart) -> str:
    return shown(part.column.name)


def _short(name: str) -> str:
    return shown(name, 32)


def _kind(part: ColumnPart) -> str:
    column = part.column
    if column.kind == CATEGORY:
        return f"category of {len(column.levels):,} levels"
    kind = "date or time" if column.time else "number"
    return f"{kind}, bent" if column.knots else kind


def _values(part: ColumnPart) -> str:
    column = part.column
    if column.low is None or column.high is None:
        usual = sorted(zip(column.counts, column.levels, strict=True), reverse=True)
        names = ", ".join(shown(level, 24) for _, level in islice(usual, 3))
        return names + (" and others" if len(usual) > 3 else "")
    found = f"{value_text(column, column.low)} to {value_text(column, column.high)}"
    return found if part.mean is None else f"{found}, average {value_text(column, part.mean)}"


def _gaps(part: ColumnPart) -> str:
    column = part.column
    seen = f" ({column.gaps:,} in training)" if column.gaps else ""
    return text(_MISSING[column.missing] + seen)


def _level(level: LevelPart) -> str:
    if not level.is_text:
        return f"<em>{text(level.level)}</em>"
    return shown(level.level) if level.level.strip() else f"&quot;{shown(level.level)}&quot;"


def _odds_of_step(part: ColumnPart) -> str:
    """By what the odds are multiplied where a number is larger by a step: the largest power of ten
    of which five fit into the training range."""
    column = part.column
    if part.weight is None or column.low is None or column.high is None:
        return "a curve" if part.pieces else "by level"
    width = column.high - column.low
    step = 10.0 ** math.floor(math.log10(width / 5)) if 0 < width < math.inf else 1.0
    return f"{_times(part.weight * step)} for +{number(step)}{' s' * column.time}"


def _times(weight: float) -> str:
    """By what the odds are multiplied."""
    factor = math.exp(min(weight, 700.0))
    if abs(weight) < 5e-4:
        return f"× (1 {'+' if weight >= 0 else '-'} {abs(weight):.2g})"
    return f"× {number(factor) if abs(weight) > 0.1 else f'{factor:.4f}'}"


def ranked_parts(parts: Iterable[ColumnPart]) -> list[ColumnPart]:
    """The parts of columns, those first that drive the score most: along which the logits of
    training rows differ most, or, where the card does not tell that, that add the widest range."""
    found = sorted(parts, key=lambda part: -part.span)
    if all(part.per_deviation is not None for part in found):
        found.sort(key=lambda part: -abs(part.per_deviation or 0))
    return found
