"""How good the scores are: curves, reliability, and what a threshold does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from report.figures.scores import ranking, thresholds
from report.figures.scores.reliability import reliability
from report.measures.class_scores import HOLDOUT, TRAINING, ClassScores, Decision
from report.page import render
from report.section import Section
from report.source import Source
from report.wording import NONE, count, number, percent, short

_EVEN: Final = tuple(k / 20 for k in range(1, 20))
_FEW_ROWS: Final = 8
_TOP_SHARES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_STOPS: Final = 200
"""Even thresholds of the slider, and one more; there are some besides."""
_LEAST_ROWS: Final = 30
"""Of a class, of which shares are worth a figure of three digits."""


class Row(NamedTuple):
    """A line of the threshold table."""

    cells: Sequence[str]
    own: bool


def section(source: Source) -> Section | None:
    """The section; without curves where the run has no scores or rows of one class only."""
    labels = [short(str(label), 24) for label in source.card.classes]
    profile = source.profile or {}
    by_part = (
        {part: ClassScores.of(profile, part) for part in (HOLDOUT, TRAINING)} if profile else {}
    )
    part, notes = _chosen(by_part, labels)
    scores = by_part.get(part)
    metrics = _metrics(source.metrics, part)
    if scores is None:
        notes = ["This run kept no scores: train again, and curves and thresholds are here."]
    values: dict[str, Any] = {
        "notes": notes, "labels": labels, "facts": _facts(source, scores, part, metrics),
        "curves": [], "slider": None, "table": [], "header": HEADER,
    }  # fmt: skip
    if scores is not None:
        own = scores.at(source.card.threshold)
        stops = _slider(scores, own)
        values["table"] = _table(scores, own)
        values["curves"] = _curves(source, scores, metrics, labels, own)
        if scores.both:
            values["slider"] = {
                "figure": thresholds.thresholds(scores, own, stops),
                "rows": ";".join("|".join(_cells(stop)) for stop in stops),
                "places": ";".join(f"{p:.4f}" for p in thresholds.marker_places(scores, stops)),
                "start": _nearest(stops, own),
                "last": len(stops) - 1,
            }
    return Section("performance", "How good it is", render("performance.html.j2", **values))


HEADER: Final = (
    *("threshold", "labelled", "precision", "recall", "F1", "accuracy"),
    *(
        "false\u00a0positives per\u00a01,000\u00a0rows",
        "false\u00a0negatives per\u00a01,000\u00a0rows",
    ),
)
"""Of the threshold table."""


def _chosen(
    by_part: Mapping[str, ClassScores | None], labels: Sequence[str]
) -> tuple[str, list[str]]:
    """The rows that are measured, and what has to be said of that."""
    holdout, training = by_part.get(HOLDOUT), by_part.get(TRAINING)
    flatter = ("the figures here are of the rows it was trained on, and flatter it: how good it is "
               "on others they do not tell")  # fmt: skip
    if holdout is None:
        notes = [f"No rows were held out: {flatter}."]
        part = TRAINING
    elif not holdout.both:
        label = labels[1] if holdout.positives else labels[0]
        notes = [f"All {count(holdout.rows)} rows held out are of the class {label}, on which "
                 f"nothing can be told apart: {flatter}."]  # fmt: skip
        part = TRAINING
    else:
        notes, part = [], HOLDOUT
        least = min(holdout.negatives, holdout.positives)
        if least < _LEAST_ROWS:
            notes = [f"Only {count(least)} of the rows held out are of the rarer class: other rows "
                     "would give other figures."]  # fmt: skip
    if part == TRAINING and training is not None and not training.both:
        notes.append("All rows have one class: there is nothing to tell apart, and no curve.")
    return part, notes


def _metrics(metrics: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found = (metrics.get("metrics") or {}).get(part)
    return found if isinstance(found, Mapping) else {}


def _facts(
    source: Source, scores: ClassScores | None, part: str, metrics: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """Names of figures, the figures, and what they mean."""
    found, auc = [], _auc(scores, metrics)
    if scores is not None:
        where = "held out of training" if part == HOLDOUT else "that it was trained on"
        counts = (source.profile or {})["classes"].get(part)
        total = sum(counts) if counts else scores.rows
        if scores.weighted:
            where += ", which count by their weights"
        found.append(("Measured on", f"{count(total)} rows",
                      f"{where}; {percent(scores.share)} are positive"))  # fmt: skip
    if auc is not None:
        said = f"of a positive and a negative row, the positive one scores higher {percent(auc)} of"
        found.append(("AUC", f"{auc:.3f}", f"{said} the time; guessing: 50%"))
    if scores is not None and scores.both:
        said = f"the mean precision over all recalls; guessing: {scores.share:.3f}"
        found.append(("Average precision", f"{scores.average_precision:.3f}", said))
    loss = metrics.get("log_loss")
    if loss is not None and np.isfinite(loss):
        guess = "" if scores is None or not scores.both else f"; guessing: {scores.entropy:.3f}"
        found.append(("Log loss", f"{loss:.3f}", f"lower is better{guess}"))
    calibration = (source.metrics.get("calibration") or {}).get(HOLDOUT) or {}
    error = calibration.get("expected_calibration_error")
    if error is not None and part == HOLDOUT:
        found.append(("Calibration error", percent(error),
                      "how far predicted and observed shares are apart on average"))  # fmt: skip
    return found


def _auc(scores: ClassScores | None, metrics: Mapping[str, Any]) -> float | None:
    """That of all rows, where the run knows it, else that of the scores in the profile."""
    if scores is not None and not scores.both:
        return None
    known = metrics.get("auc")
    if known is not None and np.isfinite(known):
        return float(known)
    return None if scores is None else scores.auc


def _curves(
    source: Source,
    scores: ClassScores,
    metrics: Mapping[str, Any],
    labels: Sequence[str],
    own: Decision,
) -> list[tuple[str, str, Any]]:
    """Headings, what they show in words, and the figures."""
    shown: list[tuple[str, str, Any]] = [(
        "Scores by class",
        "The further apart the classes lie, the better the model tells them apart. Each is drawn "
        "as shares of its own rows.",
        thresholds.distributions(scores, labels, source.card.threshold),
    )]  # fmt: skip
    auc = _auc(scores, metrics)
    if auc is None:
        return shown
    found, taken = scores.gain
    top = float(np.interp(0.1, taken, found))
    return [
        *shown,
        ("ROC curve", "Each threshold is a point: how many positive rows it finds, and how many "
         "negative ones it labels positive.", ranking.roc(scores, auc, own)),
        ("Precision and recall", "How many of the rows that are labelled positive are so, for each "
         "share of the positive rows that is found.", ranking.precision_recall(scores, own)),
        ("Reliability", "Of the rows of about the same probability, the share that is positive: on "
         "the broken line it is the one predicted."
         + (" Vertical lines are intervals of 95%." if not scores.weighted else ""),
         reliability(scores.bins(), scores.weighted)),
        ("Gain and lift", f"The tenth of the rows with the highest scores holds {percent(top)} of "
         f"the positive ones, {number(top / 0.1)} times as many as a tenth picked blindly.",
         ranking.gain(scores)),
    ]  # fmt: skip


def _table(scores: ClassScores, own: Decision) -> list[Row]:
    """Even thresholds and the model's own, without those that change no label; where they are few,
    those that label round shares of the rows besides."""
    rows = _distinct(scores, _EVEN, own)
    if len(rows) < _FEW_ROWS:
        rows = _distinct(
            scores, [*_EVEN, *(_rounded(scores.quantile(1 - s)) for s in _TOP_SHARES)], own
        )
    return [Row(_cells(row), row is own) for row in rows]


def _distinct(scores: ClassScores, every: Iterable[float], own: Decision) -> list[Decision]:
    """What labels are worth at `every` threshold and at the model's own, in order: those that label
    other rows than the one before."""
    inside = {t for t in every if 0 < t < 1 and t != own.threshold}
    found: list[Decision] = []
    for row in sorted([own, *map(scores.at, inside)], key=lambda row: row.threshold):
        same = bool(found) and found[-1][1:] == row[1:]
        if same and row is own:
            found[-1] = own
        elif not same:
            found.append(row)
    return found


def _slider(scores: ClassScores, own: Decision) -> list[Decision]:
    """Decisions at thresholds from near 0 to near 1, most of them even, the others where
    rows are."""
    even = np.linspace(0, 1, _STOPS + 1)[1:-1]
    places = [_rounded(scores.quantile(q)) for q in np.linspace(0, 1, _STOPS // 4)]
    inside = [t for t in (own.threshold,) if 0 < t < 1]
    every = sorted({t for t in [*even.round(4).tolist(), *places, *inside] if 0 < t < 1})
    return [scores.at(t) for t in every]


def _nearest(stops: Sequence[Decision], own: Decision) -> int:
    return int(np.argmin([abs(stop.threshold - own.threshold) for stop in stops]))


def _rounded(probability: float) -> float:
    """A probability of two significant digits, or as far from 1."""
    if probability <= 0.5:
        return float(f"{probability:.2g}")
    return 1 - float(f"{1 - probability:.2g}")


def _cells(row: Decision) -> tuple[str, ...]:
    f1 = NONE if row.f1 is None else f"{row.f1:.3f}"
    return (
        _threshold(row.threshold), percent(row.labelled), percent(row.precision),
        percent(row.recall), f1, percent(row.accuracy),
        number(row.false_positives), number(row.false_negatives),
    )  # fmt: skip


def _threshold(value: float) -> str:
    """As many digits as tell it from 0 and 1."""
    if 0.01 <= value <= 0.99:
        return f"{value:.4f}".rstrip("0") if round(value, 2) != value else f"{value:.2f}"
    return f"{value:.6g}"
