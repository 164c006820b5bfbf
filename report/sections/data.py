"""What was trained on what: rows, columns, the split, and what was decided for the user."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from report.columns import MOST, by_importance, decisions, kind_of, knots_of, spark, values_of
from report.page import name, render
from report.section import Section
from report.source import Source
from report.wording import number
from serve_runtime.features.column import CATEGORY, PRECISE

_MOST_REST: Final = 1000
"""Columns of the plain table."""


def section(source: Source) -> Section:
    """Rows, columns by kind with small histograms and gaps, the split, decisions and reasons."""
    columns, profile = by_importance(source), source.profile
    lines = [
        {
            "name": column.name,
            "kind": kind_of(column),
            "spark": spark(column, source.column_profiles.get(column.name)),
            "values": values_of(column),
            "gaps": column.gaps,
            "decided": "; ".join(decisions(column)),
        }
        for column in columns[: MOST + _MOST_REST]
    ]
    body = render(
        "data.html.j2",
        rows=source.card.training["rows"],
        holdout_rows=source.card.training["holdout_rows"],
        origin=_origin(source),
        split=_split(source),
        kinds=_kinds(source),
        classes=_classes(source),
        looked_at=profile["rows"] if profile else 0,
        profiled=profile is not None,
        lines=lines[:MOST],
        rest=lines[MOST:],
        left=len(columns) - len(lines),
        decided=list(_decided(source)),
    )
    return Section("data", "What was trained on what", body)


def _origin(source: Source) -> str:
    data = source.recipe.get("data", {})
    if "file" in data:
        return f"the table {name(Path(data['file']).name)}"
    if "builtin" in data:
        return f"scikit-learn's table {name(data['builtin'])}"
    return "simulated rows" if "simulate" in data else "points that the recipe lists"


def _split(source: Source) -> str:
    held = source.recipe.get("data", {}).get("holdout", 0)
    if not source.card.training["holdout_rows"]:
        return "No rows were held out, so nothing here tells how good the model is on new rows."
    if isinstance(held, str):
        return f"The hold-out is a table of its own, {name(Path(held).name)}."
    return (
        f"A share of {number(100 * held)}% was drawn at random, of each class alike, and held out: "
        "nothing was learned or decided from it."
    )


def _kinds(source: Source) -> str:
    columns = source.card.columns
    counts = {
        "numbers": sum(c.kind != CATEGORY for c in columns),
        "categories": sum(c.kind == CATEGORY for c in columns),
    }
    return " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


def _classes(source: Source) -> list[Mapping[str, Any]]:
    """Rows of each class by part."""
    if source.profile is None:
        return []
    return [
        {"part": word, "counts": counts, "share": counts[1] / max(1, sum(counts))}
        for part, word in (("training", "training"), ("holdout", "hold-out"))
        if (counts := source.profile["classes"][part])
    ]


def _decided(source: Source) -> Iterator[tuple[str, str]]:
    """What was decided, and why."""
    columns, model = source.card.columns, source.recipe.get("model", {})
    if categories := sum(c.kind == CATEGORY for c in columns):
        yield (
            "Kinds",
            (
                f"{categories:,} of {len(columns):,} columns hold texts or were named categories: "
                "each level has a weight of its own. The others are numbers."
            ),
        )
    else:
        yield "Kinds", "All columns hold numbers."
    if precise := sum(c.kind == PRECISE for c in columns):
        read = "1 column is" if precise == 1 else f"{precise:,} columns are"
        yield "Precision", f"{read} read in float64, since float32 loses digits."
    if gaps := [c for c in columns if c.missing != "error"]:
        have = "1 column" if len(gaps) == 1 else f"{len(gaps):,} columns"
        yield "Gaps", f"{have} may have gaps; the table says what a gap counts as."
    else:
        yield "Gaps", "No column had gaps in training; a row with one is refused."
    scaled = model.get("standardize", True)
    yield "Scale", (
        "Numbers were standardised to mean 0 and deviation 1 for training; this is folded into "
        "the weights, so raw values are served." if scaled else "Numbers were trained as they are."
    )  # fmt: skip
    yield "Penalty", _penalty(source)
    yield "Curves", _bends(source)
    yield "Calibration", _calibration(source)
    if source.profile and source.profile["weights"]:
        column = name(source.recipe["data"].get("weights", "?"))
        yield "Weights", f"Rows count by the column {column}, scaled to a mean of 1."
    if model.get("class_weight"):
        yield "Classes", "The classes were given weights; the intercept was corrected for them."


def _penalty(source: Source) -> str:
    selection = source.metrics.get("selection")
    if not selection:
        asked = source.recipe.get("penalty", {})
        told = [f"{key} = {number(asked[key], 3)}" for key in ("l2", "l1") if asked.get(key)]
        return f"{' and '.join(told) or 'None'}, as the recipe says."
    asked = source.recipe.get("penalty", {}).get("l2", "auto")
    parts = [f"{key} = {number(selection[key], 3)}" for key in ("l2", "l1") if selection.get(key)]
    found = " and ".join(parts) or "none"
    if asked == "auto":
        folds = len(selection["folds"])
        return (
            f"{found}: of those tried the one with the lowest log loss on rows left out, by "
            f"{folds} folds of {selection['rows']:,} rows."
        )
    return f"{found}, as the recipe says; measured by {len(selection['folds'])} folds."


def _bends(source: Source) -> str:
    bent = [column for column in source.card.columns if column.knots]
    if bent:
        knots = sum(map(knots_of, bent))
        numbers = "1 number is bent into a curve"
        if len(bent) > 1:
            numbers = f"{len(bent):,} numbers are bent into curves"
        named = isinstance(source.recipe.get("columns", {}).get("bend"), list)
        why = "as the recipe says" if named else "that was clearly better on rows left out"
        return f"{numbers}, with {knots:,} knots in all: {why}."
    if len((source.metrics.get("selection") or {}).get("candidates", ())) > 1:
        return "No number is bent: curves were tried, and were not clearly better."
    return "No number is bent; none was tried."


def _calibration(source: Source) -> str:
    found = source.metrics.get("calibration", {})
    if step := found.get("step"):
        return (
            f"A logit z became {number(step['slope'], 4)} · z {_signed(step['intercept'])}"
            + (f", which lowers the log loss on rows left out by {number(found['gain'], 2)}."
               if found.get("gain") is not None else ", as the recipe asks.")
        )  # fmt: skip
    if found.get("gain") is not None:
        return "Probabilities are as trained: a step was tried and did not clearly help."
    return "Probabilities are as trained."


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'} {number(abs(value), 4)}"
