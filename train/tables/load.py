"""The rows to train on and those held out, with what was decided on their columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from serve_runtime.arrays import Float32, Float64, Floats
from train.errors import DataError
from train.recipe.recipe import Recipe
from train.selection.sample import Sample, Sampler
from train.standardize import Moments
from train.tables.columns import aliases
from train.tables.columns.decide import Decided, decide_columns
from train.tables.columns.profile import Indices, Mask, Profiler
from train.tables.columns.reading import Reading
from train.tables.columns.refused import check_rows
from train.tables.columns.report import Say, tell
from train.tables.columns.vocabulary import Int32
from train.tables.holdout import held_out
from train.tables.table import Table, load_holdout_table, load_table
from train.tables.table_files import TableFiles
from train.tables.weights import check_both_classes, say_if_unweighted, told_weights

Add: TypeAlias = Callable[[Floats, Sequence[Int32], Indices, bool], None]
"""Takes rows: numbers (k, m), codes (m,) of each category, which (m,) of the table they are, and
whether they are trained on."""


@dataclass(frozen=True)
class Tables:
    """All rows of a recipe, in memory."""

    training: Table
    holdout: Table | None
    decided: Decided
    moments: Moments
    """Of the numbers in the rows to train on."""
    sample: Sample | None
    """The rows by which a penalty is chosen, where one is."""


def load_tables(recipe: Recipe, files: TableFiles | None, say: Say) -> Tables:
    """The rows of `recipe`, whose files the caller may have found already; `say` takes lines for a
    person.

    Raises DataError or InputError.
    """
    part, seed = recipe.data.holdout, recipe.model.seed
    table = load_table(recipe.data, seed, files, recipe.columns)
    counted = table.counted()
    if told := told_weights(recipe.data.weights, table.weights, len(counted)):
        say(told)
        check_both_classes(table.labels[counted], table.classes, str(recipe.data.file))
    out = np.zeros(len(counted), bool)
    if part and not isinstance(part, str):
        out = held_out(table.labels[counted], part, seed)

    indices = [counted[~out], counted[out]]
    parts = [_taken(table, rows) for rows in indices if len(rows)]
    reading, names, labels = table.reading, table.feature_names, table.labels
    own = table.weights
    del table

    def all_rows(reading: Reading, add: Add) -> None:
        for trained, rows, found in zip((True, False), indices, parts, strict=False):
            seen = 0
            for features, codes, labels in found.chunks():
                first, seen = seen, seen + len(labels)
                add(features, codes, rows[first:seen], trained)

    trained = np.zeros(len(labels), bool)
    trained[indices[0]] = True
    decided, moments, sample = _decide(recipe, reading, names, labels, trained, own, all_rows)
    tell(decided, say)
    numbers = tuple(column.name for column in decided.design.numbers)
    moments = moments.take([reading.numbers.index(name) for name in numbers])
    training, *held = [found.ordered(numbers) for found in parts]
    if isinstance(part, str):
        table = load_holdout_table(recipe.data, part, training)
        say_if_unweighted(part, training.weights, table.weights, say)
        indices[1], source = table.counted(), part
        held = [_taken(table, indices[1])]
    else:
        source = str(recipe.data.file)
    for found in held:
        check_rows(
            found.features, found.codes, found.vocabularies, decided.design, source, indices[1]
        )
    return Tables(training, held[0] if held else None, decided, moments, sample)


def _taken(table: Table, rows: Indices) -> Table:
    """The `rows` of a table, rising; not copied where they are all."""
    return table if len(rows) == table.rows else table.take(rows)


def decide_from_files(
    recipe: Recipe,
    files: TableFiles,
    reading: Reading,
    labels: Float32,
    masks: Sequence[Mask],
    own: Float64 | None = None,
) -> tuple[Decided, Reading, Sample | None]:
    """What `load_tables` decides, by reading the files some rows at a time, more than once where
    medians are needed; how they are read from then on, and the rows by which a penalty is chosen.
    `labels` (n,) are those of all rows, `own` (n,) their weights, if they have any; the two
    `masks` (n,) say which are trained on, and which are held out.

    Raises DataError or InputError.
    """

    def all_rows(reading: Reading, add: Add) -> None:
        first = 0
        for features, codes in files.batches(reading):
            count = features.shape[1]
            if first + count > len(labels):
                break
            for trained, mask in zip((True, False), masks, strict=True):
                places = np.flatnonzero(mask[first : first + count])
                if len(places) == count:
                    add(features, codes, first + places, trained)
                elif len(places):
                    add(features[:, places], [of[places] for of in codes], first + places, trained)
            first += count
        if first != len(labels):
            raise DataError(f"{files.paths[0]}: the rows changed while they were read")

    decided, _, sample = _decide(recipe, reading, files.names, labels, masks[0], own, all_rows)
    numbers = tuple(column.name for column in decided.design.numbers)
    return decided, replace(reading, numbers=numbers), sample


def _decide(
    recipe: Recipe,
    reading: Reading,
    names: Sequence[str],
    labels: Float32,
    training: Mask,
    own: Float64 | None,
    all_rows: Callable[[Reading, Add], None],
) -> tuple[Decided, Moments, Sample | None]:
    """Decide on the columns `names`; `all_rows` passes once over all rows and adds them. Also the
    moments of the numbers in the rows that are trained on, `training` (n,), and a sample of those
    rows where a penalty is chosen by it."""
    profiler, looked_at = Profiler(reading), aliases.Sample(labels)
    sampler = Sampler(labels, training, len(names), own) if recipe.needs_folds else None

    def add(features: Floats, codes: Sequence[Int32], rows: Indices, trained: bool) -> None:
        profiler.add(features, codes, rows, trained)
        looked_at.add(features, codes, rows)
        if sampler and trained:
            sampler.add(features, codes, rows)

    all_rows(reading, add)
    look = profiler.second_look(recipe.columns)
    while look.unfinished:
        all_rows(
            replace(reading, vocabularies=()),
            lambda features, codes, rows, trained: look.add(features, trained),
        )
        look.end_pass()
    decided = decide_columns(profiler.finish(look, names), recipe.columns, recipe.data.drop)
    decided = replace(decided, notes=(*decided.notes, *looked_at.aliases(reading)))
    sample = sampler.sample(reading, decided.design, profiler.moments) if sampler else None
    return decided, profiler.moments, sample
