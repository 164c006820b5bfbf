"""The first answers of the page: how good, what drives it, which threshold, is it proven, how to
call it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup

from export.certificate import scorer_figures
from report.measures.class_scores import HOLDOUT, TRAINING, ClassScores
from report.measures.effects import importance
from report.page import render
from report.source import BundleParts, Source, finite
from report.wording import ratio
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION
from serve_runtime.features.column import CATEGORY, Column

_DRIVERS: Final = 5


def summary(source: Source) -> Markup:
    """A few lines that answer what most people ask first."""
    part = HOLDOUT if source.metrics["metrics"].get(HOLDOUT) else TRAINING
    scores = ClassScores.of(source.profile or {}, part)
    return render(
        "summary.html.j2",
        source=source,
        part=part,
        metrics={name: finite(v) for name, v in source.metrics["metrics"][part].items()},
        majority=scores and max(scores.share, 1 - scores.share),
        chance=scores and scores.entropy,
        drivers=list(_drivers(source)),
        more=len(source.card.columns) - _DRIVERS,
        labels=_labels(source, part, scores),
        proof=proof_of(source.bundle),
    )


def proof_of(bundle: BundleParts | None) -> Mapping[str, Any] | None:
    """How many scorers gave how many rows, and the largest share of the budget that was used; None
    where the files are not proven."""
    if bundle is None or bundle.problem:
        return None
    overall = [measured.overall for measured in scorer_figures(bundle.certificate).values()]
    worst = max(max(found.logit.share, found.probability.share) for found in overall)
    return {"scorers": len(overall), "rows": max(f.rows for f in overall), "worst": worst}


def _drivers(source: Source) -> Iterator[Mapping[str, Any]]:
    columns = {column.name: column for column in source.card.columns}
    ranked = sorted(importance(source).items(), key=lambda item: -item[1])[:_DRIVERS]
    weights = source.metrics[WEIGHTS_PER_DEVIATION]
    for name, moves in ranked:
        if moves > 0:
            direction = _direction(columns[name], weights[name])
            yield {"name": name, "factor": ratio(moves), "direction": direction}


def _direction(column: Column, weight: float) -> str:
    if column.kind == CATEGORY:
        return "by its level"
    if column.knots:
        return "along a curve"
    return "higher values raise the score" if weight > 0 else "higher values lower the score"


def _labels(source: Source, part: str, scores: ClassScores | None) -> Mapping[str, Any] | None:
    """What labels from the threshold on are worth on a part; None where nobody knows."""
    threshold = source.card.threshold
    if scores is not None:
        return scores.at(threshold)._asdict()
    found = source.metrics["threshold"].get(part) or {}
    if found.get("threshold") != threshold:
        return None
    return {name: finite(found.get(name)) for name in ("labelled", "precision", "recall")}
