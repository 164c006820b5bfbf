"""What a person reads of a choice: the penalty, what it is worth, and what others would be."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from train.bends.candidates import bends_told
from train.selection.choice import Candidate, Choice, Point

_MOST = 4
"""Lines of a ranking below its heading."""


def told(choice: Choice, rows: int, *, chosen: bool) -> Iterator[str]:
    """Lines on a choice for `rows` rows to train on, none where it has no folds; `chosen` says
    whether the folds have chosen the penalty, or have only measured it."""
    if choice.labels is None:
        return
    looked_at, folds = len(choice.labels), len(choice.folds)
    candidate = choice.candidates[choice.taken]
    best = candidate.points[candidate.best]
    of_all = f" of {rows:,}" if looked_at < rows else ""
    by = f"by {folds} folds of {looked_at:,}{of_all} rows"
    here = f"log loss {best.log_loss:.4f} ± {best.standard_error:.4f}"
    penalty = f"penalty: {_strength(choice, best.c)}"
    if chosen:
        yield f"{penalty}, chosen {by}: {here}{''.join(_others(candidate))}"
    else:
        yield f"{penalty}, measured {by}: {here}"
    if choice.design.bases or len(choice.candidates) > 1:
        yield from _bends(choice)
    areas = [fold.auc for fold in choice.folds if fold.auc is not None]
    yield (
        f"over the folds: AUC {_spread(areas, 4)}, log loss "
        f"{_spread([fold.log_loss for fold in choice.folds], 4)}"
    )


def ranking(choice: Choice, *, chosen: bool) -> Iterator[str]:
    """What was chosen, once more, and what came next, best first: `_MOST` lines and a heading, none
    where there were no folds."""
    if choice.labels is None:
        return
    candidate = choice.candidates[choice.taken]
    best = candidate.points[candidate.best]
    word = "chosen" if chosen or len(choice.candidates) > 1 else "measured"
    of = f"the log loss of rows left out (± {best.standard_error:.4f})"
    yield f"{word} by {len(choice.folds)} folds, by {of}:"
    name = f", {candidate.name}" * bool(candidate.name)
    yield f"{best.log_loss:.4f}  {_strength(choice, best.c)}{name}"
    others = [
        (each.points[each.best].log_loss, each.name)
        for place, each in enumerate(choice.candidates)
        if place != choice.taken
    ]
    others += [(point.log_loss, f"ten times {word}") for word, point in _tenfold(candidate)]
    for log_loss, what in sorted(others)[: _MOST - 1]:
        simpler = ", not clearly better" if log_loss < best.log_loss else ""
        yield f"{log_loss:.4f}  {what}{simpler}"


def _bends(choice: Choice) -> Iterator[str]:
    """Which numbers are bent, and what other designs are worth."""
    if choice.design.bases:
        yield f"bent into curves, with so many knots: {bends_told(choice.design)}"
    else:
        yield "no number is bent: that is not clearly better on rows left out"
    others = [
        f"{each.name} {each.points[each.best].log_loss:.4f}"
        for place, each in enumerate(choice.candidates)
        if place != choice.taken
    ]
    if others:
        yield f"what else was tried, by its log loss: {'; '.join(others)}"


def _strength(choice: Choice, c: float | None) -> str:
    """The penalty, also in scikit-learn's terms."""
    if c is None:
        return "none"
    said = f"l2 = {choice.l2:.3g}" if choice.l2 or not choice.l1 else ""
    if choice.l1:
        said = f"{said}{' and ' * bool(said)}l1 = {choice.l1:.3g}"
    share = choice.l1 / (choice.l1 + choice.l2)
    return f"{said} (C = {c:.3g}{f', l1_ratio = {share:.3g}' * bool(share)} in scikit-learn)"


def _others(candidate: Candidate) -> Iterator[str]:
    """What penalties ten times as strong and as weak are worth, where they were tried."""
    for word, point in _tenfold(candidate):
        yield f", ten times {word} {point.log_loss:.4f}"


def _tenfold(candidate: Candidate) -> Iterator[tuple[str, Point]]:
    """The points with a penalty ten times as strong and as weak as the best, where there are."""
    c = candidate.points[candidate.best].c
    for other, word in ((c and c / 10, "stronger"), (c and c * 10, "weaker")):
        for point in candidate.points:
            if other and point.c and math.isclose(point.c, other):
                yield word, point


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} (spread {np.std(values):.{digits}f})"
