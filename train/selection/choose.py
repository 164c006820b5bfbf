"""The choice of a design and of a penalty, by what fits are worth on rows left out of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from serve_runtime.arrays import Float32, Float64
from serve_runtime.evaluation.auc import auc
from train.dataset.dataset import check_known
from train.design import Design
from train.errors import RecipeError
from train.evaluate.metrics import weighted_auc
from train.gradients.processes import ProcessGroup
from train.gradients.source import are_known
from train.optimize.prior_correction import prior_shift
from train.optimize.proximal import MOST_COLUMNS
from train.recipe.penalty_keys import FOLDS
from train.recipe.recipe import Recipe
from train.selection.choice import Candidate, Choice, FoldFigures, Point
from train.selection.folds import fold_of_rows
from train.selection.path import FoldPath
from train.selection.report import TENFOLD
from train.selection.sample import Sample
from train.tables.columns.profile import Mask
from train.tables.weights import ByClass, class_factors, weights_by_class

Say = Callable[[str], None]

STRENGTHS = tuple(10.0 ** (k / 2) for k in range(8, -9, -1))
"""Of 1 / C, from strong to weak penalties."""
_RISEN = 2.0
"""A mean log loss has clearly risen where it is so many standard errors above the lowest one."""

_LEVEL = 1e-6
"""A mean log loss that changes by no more than this share of itself stays as it is."""


def select(
    recipe: Recipe,
    design: Design,
    sample: Sample | None,
    say: Say,
    group: ProcessGroup,
    saved: Mapping[str, Any] | None,
    by_class: ByClass | None = None,
) -> Choice:
    """The design and the penalty of a training whose columns make up `design`: those that `saved`,
    of a checkpoint, holds; else, with a `sample`, those that the first process of `group` chooses.
    `by_class` are the weights of the classes, if they have any.

    Raises RecipeError for an L1 penalty on too many columns.
    """
    if recipe.l1 and design.width > MOST_COLUMNS:
        raise RecipeError(
            f"penalty.l1 needs at most {MOST_COLUMNS:,} columns of numbers and levels; there are "
            f"{design.width:,}: use --l2, or fewer --max-levels"
        )
    if saved is not None:
        return Choice.restored(design, saved)
    if sample is None:
        return Choice(design, float(recipe.l2), recipe.l1)
    chosen = choose(recipe, sample, [design], say, by_class) if group.first else None
    found = group.gather(chosen)[0]
    assert found is not None  # the first process has chosen
    return found


def choose(
    recipe: Recipe,
    sample: Sample,
    designs: Sequence[Design],
    say: Say,
    by_class: ByClass | None = None,
) -> Choice:
    """The one of `designs`, the simplest first, and the penalty that do best out of fold.

    With a penalty in numbers, that one is measured. Weights of classes, `by_class`, are in the cost
    of each fit; scores are corrected for them, and judged by the rows' own weights, unless the
    recipe leaves them as they are trained. Says by `say` where there are fewer folds.
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
    strengths = STRENGTHS if asked == "auto" else (float(asked) * sample.total,)
    b = recipe.l1 * sample.total
    factors = class_factors(by_class, sample.share)
    weights = judged = weights_by_class(sample.weights, sample.labels, factors)
    shift = 0.0
    if by_class and recipe.model.prior_correction is not False:
        shift, judged = prior_shift(by_class), sample.weights
    candidates, scores = list[Candidate](), list[list[Float64]]()
    most = len(designs) * len(strengths) * folds
    with tqdm(total=most, unit="fit", desc="choosing", disable=None, leave=False) as bar:
        for design in designs:
            rows = sample.rows(design, weights, standardize=recipe.model.standardize)
            check_known(are_known(rows))
            path, points, logits = FoldPath(rows, fold, folds, b), list[Point](), list[Float64]()
            for found in along(path, strengths, sample.labels, judged, shift):
                bar.update(folds)
                a, losses = strengths[len(points)], log_losses(found, sample.labels)
                c = 1 / (a + b) if a + b else None
                points.append(Point(c, mean(losses, judged), standard_error(losses, judged)))
                logits.append(found)
            candidates.append(Candidate("", design.width, tuple(points)))
            scores.append(logits)
    taken = 0
    best = candidates[taken].best
    found = scores[taken][best]
    return Choice(
        designs[taken],
        strengths[best] / sample.total if asked == "auto" else float(asked),
        recipe.l1,
        tuple(candidates),
        taken,
        tuple(_figures(found, sample.labels, judged, fold == i) for i in range(folds)),
        sample.labels,
        found,
        judged,
    )


def _rarest(labels: Float32) -> int:
    positives = int(labels.sum(dtype=np.float64))
    return min(positives, len(labels) - positives)


def log_losses(logits: Float64, labels: Float32) -> Float64:
    """The log loss (n,) of each row."""
    return np.logaddexp(0, logits) - labels * logits


def mean(values: Float64, weights: Float32 | None) -> float:
    """Of `values` (n,), each counting by its weight."""
    if weights is None:
        return float(values.mean())
    return float(np.average(values, weights=weights.astype(np.float64)))


def standard_error(values: Float64, weights: Float32 | None = None) -> float:
    """Of the mean of `values` (n,), each counting by its weight."""
    if weights is None:
        return float(values.std() / np.sqrt(len(values)))
    wide = weights.astype(np.float64)
    apart = wide * (values - mean(values, weights))
    return float(np.sqrt(np.square(apart).sum()) / wide.sum())


def along(
    path: FoldPath,
    strengths: Sequence[float],
    labels: Float32,
    weights: Float32 | None = None,
    shift: float = 0.0,
) -> Iterator[Float64]:
    """The logits (n,) less `shift` with each strength, until the log loss has clearly risen, or
    changes no more."""
    lowest, rising, level, before = None, 0, 0, np.inf
    for a in strengths:
        logits = path.solve(a) - shift
        yield logits
        losses = log_losses(logits, labels)
        now = mean(losses, weights)
        level, before = (level + 1 if abs(now - before) <= _LEVEL * now else 0), now
        if level >= TENFOLD:
            break
        if lowest is None or now < mean(lowest, weights):
            lowest, rising = losses, 0
            continue
        rising += 1
        apart = losses - lowest
        risen = mean(apart, weights) > _RISEN * standard_error(apart, weights)
        if rising >= TENFOLD and risen:
            break


def _figures(logits: Float64, labels: Float32, weights: Float32 | None, held: Mask) -> FoldFigures:
    """What the `logits` (n,) of the rows that were `held` out are worth."""
    logits, labels = logits[held], labels[held]
    losses = log_losses(logits, labels)
    if weights is None:
        return FoldFigures(auc(logits, labels), mean(losses, None))
    own = weights[held]
    return FoldFigures(weighted_auc(logits, labels, own), mean(losses, own))
