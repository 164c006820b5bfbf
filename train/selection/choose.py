"""The choice of a design and of a penalty, by what fits are worth on rows left out of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from serve_runtime.arrays import Float32, Float64
from serve_runtime.evaluation.auc import auc
from train.design import Design
from train.gradients.processes import ProcessGroup
from train.recipe.penalty_keys import FOLDS
from train.recipe.recipe import Recipe
from train.selection.choice import Candidate, Choice, FoldFigures, Point
from train.selection.folds import fold_of_rows
from train.selection.path import FoldPath
from train.selection.sample import Sample
from train.tables.columns.profile import Mask

Say = Callable[[str], None]

_STRENGTHS = tuple(10.0 ** (k / 2) for k in range(-8, 9))
"""Of C, from strong to weak penalties."""
_TENFOLD = 2
"""Places from a strength to one that is ten times as weak."""
_RISEN = 2.0
"""A mean log loss has clearly risen where it is so many standard errors above the lowest one."""


def select(
    recipe: Recipe,
    design: Design,
    sample: Sample | None,
    say: Say,
    group: ProcessGroup,
    saved: Mapping[str, Any] | None,
) -> Choice:
    """The design and the penalty of a training whose columns make up `design`: those that `saved`,
    of a checkpoint, holds; else, with a `sample`, those that the first process of `group` chooses.
    """
    if saved is not None:
        return Choice.restored(design, saved)
    if sample is None:
        return Choice(design, float(recipe.l2), recipe.l1)
    chosen = choose(recipe, sample, [design], say) if group.first else None
    found = group.gather(chosen)[0]
    assert found is not None  # the first process has chosen
    return found


def choose(recipe: Recipe, sample: Sample, designs: Sequence[Design], say: Say) -> Choice:
    """The one of `designs`, the simplest first, and the penalty that do best out of fold.

    With a penalty in numbers, that one is measured. Says by `say` what was found.
    """
    asked = recipe.l2
    wanted = recipe.penalty.folds or FOLDS
    folds = min(wanted, _rarest(sample.labels))
    if folds < 2:
        l2 = 1 / sample.total if asked == "auto" else float(asked)
        say(
            f"no folds, as the rarer class has a single row to train on: l2 = {l2:.3g}"
            + " (C = 1 in scikit-learn)" * (asked == "auto")
        )
        return Choice(designs[0], l2, recipe.l1)
    if folds < wanted:
        say(f"{folds} folds in place of {wanted}: the rarer class has {folds} rows to train on")
    fold = fold_of_rows(sample.labels, folds, recipe.model.seed)
    strengths = _STRENGTHS
    if asked != "auto":
        strengths = (_c(float(asked), recipe.l1, sample.total),)
    candidates, scores = list[Candidate](), list[list[Float64]]()
    most = len(designs) * len(strengths) * folds
    with tqdm(total=most, unit="fit", desc="choosing", disable=None, leave=False) as bar:
        for design in designs:
            rows = sample.rows(design, standardize=recipe.model.standardize)
            path, points, logits = FoldPath(rows, fold, folds), list[Point](), list[Float64]()
            for point, found in _along(path, strengths, sample.labels):
                bar.update(folds)
                points.append(point)
                logits.append(found)
            candidates.append(Candidate("", design.width, tuple(points)))
            scores.append(logits)
    taken = 0
    best = candidates[taken].best
    found = scores[taken][best]
    c = candidates[taken].points[best].c
    choice = Choice(
        designs[taken],
        1 / (c * sample.total) if asked == "auto" else float(asked),
        recipe.l1,
        tuple(candidates),
        taken,
        tuple(_figures(found, sample.labels, fold == i) for i in range(folds)),
        sample.labels,
        found,
    )
    _tell(choice, sample, say)
    return choice


def _rarest(labels: Float32) -> int:
    positives = int(labels.sum(dtype=np.float64))
    return min(positives, len(labels) - positives)


def _c(l2: float, l1: float, rows: int) -> float:
    """A penalty in scikit-learn's terms; infinite where there is none."""
    return 1 / (rows * (l2 + l1)) if l2 + l1 else np.inf


def _along(
    path: FoldPath, strengths: Sequence[float], labels: Float32
) -> Iterator[tuple[Point, Float64]]:
    """Each strength's point and logits (n,), until the log loss has clearly risen."""
    lowest, rising = None, 0
    for c in strengths:
        logits = path.solve(1 / c)
        losses = np.logaddexp(0, logits) - labels * logits
        yield Point(c, float(losses.mean()), _standard_error(losses)), logits
        if lowest is None or losses.mean() < lowest.mean():
            lowest, rising = losses, 0
            continue
        rising += 1
        risen = (losses - lowest).mean() > _RISEN * _standard_error(losses - lowest)
        if rising >= _TENFOLD and risen:
            break


def _standard_error(values: Float64) -> float:
    """Of the mean of `values` (n,)."""
    return float(values.std() / np.sqrt(len(values)))


def _figures(logits: Float64, labels: Float32, held: Mask) -> FoldFigures:
    logits, labels = logits[held], labels[held]
    losses = np.logaddexp(0, logits) - labels * logits
    return FoldFigures(auc(logits.astype(np.float32), labels), float(losses.mean()))


def _tell(choice: Choice, sample: Sample, say: Say) -> None:
    points, folds = choice.candidates[choice.taken].points, choice.folds
    place = choice.candidates[choice.taken].best
    best = points[place]
    say(
        f"penalty: l2 = {choice.l2:.3g} (C = {best.c:.3g} in scikit-learn): log loss "
        f"{best.log_loss:.4f} ± {best.standard_error:.4f} by {len(folds)} folds"
    )
