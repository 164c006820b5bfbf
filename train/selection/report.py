"""What a person reads of a choice: the penalty, what it is worth, and what others would be."""

from collections.abc import Iterator, Sequence

import numpy as np

from train.selection.choice import Candidate, Choice

TENFOLD = 2
"""Places on the path of strengths from one to another that is ten times as weak."""


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
    areas = [fold.auc for fold in choice.folds if fold.auc is not None]
    yield (
        f"over the folds: AUC {_spread(areas, 4)}, log loss "
        f"{_spread([fold.log_loss for fold in choice.folds], 4)}"
    )


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
    """What penalties ten times as strong and as weak are worth."""
    for place, word in (
        (candidate.best - TENFOLD, "stronger"),
        (candidate.best + TENFOLD, "weaker"),
    ):
        if 0 <= place < len(candidate.points):
            yield f", ten times {word} {candidate.points[place].log_loss:.4f}"


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} (spread {np.std(values):.{digits}f})"
