"""The choice of a design and of a penalty, by what fits are worth on rows left out of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.commands.progress import Count
from train.bends.candidates import bent_designs
from train.design import Design
from train.errors import RecipeError
from train.gradients.processes import ProcessGroup
from train.optimize.proximal import MOST_COLUMNS
from train.recipe.penalty_keys import FOLDS
from train.recipe.recipe import Recipe
from train.selection.choice import Choice
from train.selection.folds import fold_of_rows
from train.selection.judge import Judge
from train.selection.sample import Sample
from train.selection.search import STRENGTHS, Search, simplest
from train.tables.weights import ByClass

Say = Callable[[str], None]


def select(
    recipe: Recipe,
    design: Design,
    sample: Sample | None,
    say: Say,
    group: ProcessGroup,
    saved: Mapping[str, Any] | None,
    room: int,
    by_class: ByClass | None = None,
) -> Choice:
    """The design and the penalty of a training whose columns make up `design`: those that `saved`,
    of a checkpoint, holds; else, with a `sample`, those that the first process of `group` chooses.
    `by_class` are the weights of the classes, if they have any.

    What bends add to a row has so much `room` in memory, in bytes. Raises RecipeError for an L1
    penalty on too many columns.
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
    chosen = None
    if group.first:
        bent = list(bent_designs(design, sample.numbers, recipe.bend, room, sample.counts))
        chosen = choose(recipe, sample, [design, *bent], say, by_class)
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

    The first has no bends, and is not taken beside others where the recipe names what is to be
    bent. With a penalty in numbers, that one is measured. Weights of classes, `by_class`, are in
    the cost of each fit; scores are corrected for them, and judged by the rows' own weights, unless
    the recipe leaves them as they are trained. Says by `say` where there are fewer folds.
    """
    asked, named = recipe.l2, isinstance(recipe.bend, list) and len(designs) > 1
    wanted = recipe.penalty.folds or FOLDS
    folds = min(wanted, _rarest(sample.labels))
    if folds < 2:
        l2 = 1 / sample.total if asked == "auto" else float(asked)
        say(
            f"no folds, as the rarer class has a single row to train on: l2 = {l2:.3g}"
            + " (C = 1 in scikit-learn)" * (asked == "auto")
        )
        return Choice(designs[named], l2, recipe.l1)
    if folds < wanted:
        say(f"{folds} folds in place of {wanted}: the rarer class has {folds} rows to train on")
    fold = fold_of_rows(sample.labels, folds, recipe.model.seed)
    strengths = STRENGTHS if asked == "auto" else (float(asked) * sample.total,)
    judge = Judge.of(recipe, sample, by_class)
    search = Search(recipe, sample, fold, judge, Count("choosing", "fits"))
    tried = search.several(designs, strengths)
    taken = named + simplest(tried[named:], judge)
    if tried[taken].design.bases:
        tried, taken = search.refined(tried, taken, prune=recipe.bend == "auto")
    best = tried[taken]
    found = best.logits[best.best]
    return Choice(
        best.design,
        best.strengths[best.best] / sample.total if asked == "auto" else float(asked),
        recipe.l1,
        tuple(each.candidate for each in tried),
        taken,
        tuple(judge.figures(found, fold == i) for i in range(folds)),
        sample.labels,
        found,
        judge.weights,
    )


def _rarest(labels: Float32) -> int:
    positives = int(labels.sum(dtype=np.float64))
    return min(positives, len(labels) - positives)
