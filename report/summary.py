"""The first answers of the page: how good, what drives it, which threshold, is it proven, how to
call it."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from export.certificate import scorer_figures
from report.page import render
from report.source import BundleParts, Source
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION
from serve_runtime.features.column import CATEGORY, Column

_DRIVERS: Final = 5


def summary(source: Source) -> Markup:
    """A few lines that answer what most people ask first."""
    part = "holdout" if source.metrics["metrics"].get("holdout") else "training"
    return render(
        "summary.html.j2",
        source=source,
        part=part,
        metrics={name: finite(v) for name, v in source.metrics["metrics"][part].items()},
        majority=_majority(source, part),
        chance=_chance(source, part),
        drivers=list(_drivers(source)),
        more=len(source.card.columns) - _DRIVERS,
        labels=_labels(source, part),
        proof=proof_of(source.bundle),
    )


def finite(value: Any) -> float | None:
    """A figure; None where there is none, or none that means anything."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def proof_of(bundle: BundleParts | None) -> Mapping[str, Any] | None:
    """How many scorers gave how many rows, and the largest share of the budget that was used; None
    where the files are not proven."""
    if bundle is None or bundle.problem:
        return None
    overall = [measured.overall for measured in scorer_figures(bundle.certificate).values()]
    worst = max(max(found.logit.share, found.probability.share) for found in overall)
    return {"scorers": len(overall), "rows": max(f.rows for f in overall), "worst": worst}


def _share(source: Source, part: str) -> float | None:
    """The share of positive rows of a part."""
    scores = source.profile["scores"][part] if source.profile else None
    if not scores:
        return None
    negative, positive = sum(scores["negative"]), sum(scores["positive"])
    return float(positive / (negative + positive))


def _majority(source: Source, part: str) -> float | None:
    share = _share(source, part)
    return None if share is None else max(share, 1 - share)


def _chance(source: Source, part: str) -> float | None:
    """The log loss of always answering the share of positive rows."""
    share = _share(source, part)
    if share is None:
        return None
    return -sum(p * math.log(p) for p in (share, 1 - share) if p)


def _drivers(source: Source) -> Iterator[Mapping[str, Any]]:
    columns = {column.name: column for column in source.card.columns}
    importance: Mapping[str, float] = source.metrics["importance"]
    ranked = sorted(importance.items(), key=lambda item: -item[1])[:_DRIVERS]
    weights = source.metrics[WEIGHTS_PER_DEVIATION]
    for name, moves in ranked:
        if moves > 0:
            direction = _direction(columns[name], weights[name])
            yield {"name": name, "moves": moves, "direction": direction}


def _direction(column: Column, weight: float) -> str:
    if column.kind == CATEGORY:
        return "by its level"
    if column.knots:
        return "along a curve"
    return "higher values raise the score" if weight > 0 else "higher values lower the score"


def _labels(source: Source, part: str) -> Mapping[str, Any] | None:
    """What labels from the threshold on are worth on a part; None where nobody knows."""
    threshold, scores = source.card.threshold, None
    if source.profile:
        scores = source.profile["scores"][part]
    if not scores:
        found = source.metrics["threshold"].get(part) or {}
        same = found.get("threshold") == threshold
        return {name: finite(found.get(name)) for name in _FIGURES} if same else None
    logit, negative, positive = (
        np.array(scores[name], float) for name in ("logit", "negative", "positive")
    )
    above = logit >= _logit(threshold)
    hits, alarms, all_rows = (
        positive[above].sum(),
        negative[above].sum(),
        (negative + positive).sum(),
    )
    return {
        "labelled": (hits + alarms) / all_rows,
        "precision": hits / (hits + alarms) if hits + alarms else None,
        "recall": hits / positive.sum() if positive.sum() else None,
    }


_FIGURES: Final = ("labelled", "precision", "recall")


def _logit(probability: float) -> float:
    if probability in (0, 1):
        return -math.inf if probability == 0 else math.inf
    return math.log(probability / (1 - probability))
