"""The rows to train on and those held out, with what was decided on their columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from serve_runtime.arrays import Floats
from train.errors import DataError
from train.recipe.recipe import Recipe
from train.tables.columns.aliases import Sample
from train.tables.columns.decide import Decided, decide_columns
from train.tables.columns.profile import Mask, Profiler
from train.tables.columns.reading import Reading
from train.tables.columns.refused import check_rows
from train.tables.columns.report import Say, tell
from train.tables.columns.vocabulary import Int32
from train.tables.holdout import held_out
from train.tables.table import Table, load_holdout_table, load_table
from train.tables.table_files import TableFiles

Add: TypeAlias = Callable[[Floats, Sequence[Int32], Mask], None]
"""Takes rows: numbers (k, m), codes (m,) of each category, and which rows are trained on."""


@dataclass(frozen=True)
class Tables:
    """All rows of a recipe, in memory."""

    training: Table
    holdout: Table | None
    decided: Decided


def load_tables(recipe: Recipe, files: TableFiles | None, say: Say) -> Tables:
    """The rows of `recipe`, whose files the caller may have found already; `say` takes lines for a
    person.

    Raises DataError or InputError.
    """
    part, seed = recipe.data.holdout, recipe.model.seed
    table = load_table(recipe.data, seed, files, recipe.columns)
    out = np.zeros(table.rows, bool)
    if part and not isinstance(part, str):
        out = held_out(table.labels, part, seed)

    def all_rows(reading: Reading, add: Add) -> None:
        add(table.features, table.codes, ~out)

    decided = _decide(recipe, table.reading, table.feature_names, table.rows, all_rows)
    tell(decided, say)
    table = table.ordered(tuple(column.name for column in decided.design.numbers))
    if isinstance(part, str):
        others = load_holdout_table(recipe.data, part, table)
        check_rows(others.features, others.codes, others.vocabularies, decided.design, part)
        return Tables(table, others, decided)
    if not out.any():
        return Tables(table, None, decided)
    source = str(recipe.data.file)
    check_rows(table.features, table.codes, table.vocabularies, decided.design, source)
    return Tables(table.take(np.flatnonzero(~out)), table.take(np.flatnonzero(out)), decided)


def decide_from_files(
    recipe: Recipe, files: TableFiles, reading: Reading, training: Mask
) -> tuple[Decided, Reading]:
    """What `load_tables` decides, by reading the files some rows at a time, more than once where
    medians are needed; and how they are read from then on. `training` (n,) says which rows are
    trained on.

    Raises DataError or InputError.
    """

    def all_rows(reading: Reading, add: Add) -> None:
        first = 0
        for features, codes in files.batches(reading):
            here = training[first : first + features.shape[1]]
            first += features.shape[1]
            if len(here) < features.shape[1]:
                break
            add(features, codes, here)
        if first != len(training):
            raise DataError(f"{files.paths[0]}: the rows changed while they were read")

    decided = _decide(recipe, reading, files.names, len(training), all_rows)
    numbers = tuple(column.name for column in decided.design.numbers)
    return decided, replace(reading, numbers=numbers)


def _decide(
    recipe: Recipe,
    reading: Reading,
    names: Sequence[str],
    rows: int,
    all_rows: Callable[[Reading, Add], None],
) -> Decided:
    """Decide on the columns `names`; `all_rows` passes once over all rows and adds them."""
    profiler, sample = Profiler(reading), Sample(rows)

    def add(features: Floats, codes: Sequence[Int32], training: Mask) -> None:
        profiler.add(features, codes, training)
        sample.add(features, codes)

    all_rows(reading, add)
    look = profiler.second_look()
    while look.unfinished:
        all_rows(
            replace(reading, vocabularies=()), lambda features, _, here: look.add(features, here)
        )
        look.end_pass()
    decided = decide_columns(profiler.finish(look, names), recipe.columns, recipe.data.drop)
    return replace(decided, notes=(*decided.notes, *sample.aliases(reading)))
