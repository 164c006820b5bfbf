"""How training went: cost and accuracy by update, the path of penalties and bends."""

from collections.abc import Mapping
from typing import Any

from report.figures.history import by_update, path
from report.page import render
from report.section import Section
from report.source import Source, finite
from report.wording import NONE, count, number, score


def section(source: Source) -> Section:
    """The figures of history.csv and of the selection in metrics.json."""
    selection = source.metrics.get("selection") or {}
    candidates, taken = selection.get("candidates", ()), selection.get("taken", 0)
    mse = source.recipe.get("optimizer", {}).get("loss") == "mse"
    unit = "mean squared error" if mse else "cost (mean log loss)"
    history = source.history
    body = render(
        "training.html.j2",
        parts=[(word, _figures(source.metrics["metrics"].get(part) or {}))
               for part, word in (("training", "training"), ("holdout", "hold-out"))
               if part in source.metrics["metrics"]],
        cost=by_update(history, "cost", "Cost by update", unit),
        accuracy=by_update(history, "accuracy", "Accuracy by update", "accuracy"),
        measured=len(history),
        first=history[0] if history else {},
        candidates=[_candidate(each, place == taken) for place, each in enumerate(candidates)],
        path=path(candidates, taken) if candidates else None,
        folds=[{key: finite(value) for key, value in fold.items()}
               for fold in selection.get("folds", ())],
        rows=selection.get("rows"),
    )  # fmt: skip
    return Section("training", "How training went", body)


def _figures(metrics: Mapping[str, Any]) -> Mapping[str, str]:
    """Of a part of the rows: how many, and what is measured on them."""
    figures = {name: score(finite(metrics.get(name))) for name in _FIGURES}
    rows = finite(metrics.get("rows"))
    return {"rows": NONE if rows is None else count(rows), **figures}


def _candidate(candidate: Mapping[str, Any], taken: bool) -> Mapping[str, Any]:
    points = [p for p in candidate["points"] if finite(p["log_loss"]) is not None]
    best = min(points, key=lambda point: point["log_loss"], default=None)
    return {
        "name": candidate["name"],
        "columns": candidate["columns"],
        "taken": taken,
        "c": number(finite(best["c"]) if best else None),
        "log_loss": score(best["log_loss"] if best else None),
        "error": score(finite(best["standard_error"]) if best else None),
    }


_FIGURES = ("cost", "log_loss", "accuracy", "auc")
