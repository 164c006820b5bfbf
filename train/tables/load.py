"""The rows to train on and those held out, with what was decided on their columns."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from train.errors import DataError
from train.recipe.recipe import Recipe
from train.tables.columns.decide import Decided, decide_columns
from train.tables.columns.profile import Mask, Profiler
from train.tables.columns.reading import Reading
from train.tables.holdout import held_out
from train.tables.table import Table, load_holdout_table, load_table
from train.tables.table_files import TableFiles


@dataclass(frozen=True)
class Tables:
    """All rows of a recipe, in memory."""

    training: Table
    holdout: Table | None
    decided: Decided


def load_tables(recipe: Recipe, files: TableFiles | None = None) -> Tables:
    """The rows of `recipe`, whose files the caller may have found already.

    Raises DataError or InputError.
    """
    part, seed = recipe.data.holdout, recipe.model.seed
    table = load_table(recipe.data, seed, files, recipe.columns)
    out = np.zeros(table.rows, bool)
    if part and not isinstance(part, str):
        out = held_out(table.labels, part, seed)
    profiler = Profiler(table.reading)
    profiler.add(table.features, table.codes, ~out)
    look = profiler.second_look()
    while look.unfinished:
        look.add(table.features, ~out)
        look.end_pass()
    decided = decide_columns(profiler.finish(look, table.feature_names), recipe.columns,
                             recipe.data.drop)  # fmt: skip
    table = table.ordered(tuple(column.name for column in decided.design.numbers))
    if isinstance(part, str):
        return Tables(table, load_holdout_table(recipe.data, part, table), decided)
    if not out.any():
        return Tables(table, None, decided)
    return Tables(table.take(np.flatnonzero(~out)), table.take(np.flatnonzero(out)), decided)


def decide_from_files(
    recipe: Recipe, files: TableFiles, reading: Reading, training: Mask
) -> tuple[Decided, Reading]:
    """What `load_tables` decides, by reading the files some rows at a time, more than once where
    medians are needed; and how they are read from then on. `training` (n,) says which rows are
    trained on.

    Raises DataError or InputError.
    """
    profiler = Profiler(reading)

    def all_rows(add: Callable[..., None]) -> None:
        first = 0
        for features, codes in files.batches(reading):
            here = training[first : first + features.shape[1]]
            first += features.shape[1]
            if len(here) < features.shape[1]:
                break
            add(features, codes, here)
        if first != len(training):
            raise DataError(f"{files.paths[0]}: the rows changed while they were read")

    all_rows(profiler.add)
    look = profiler.second_look()
    while look.unfinished:
        all_rows(lambda features, codes, here: look.add(features, here))
        look.end_pass()
    decided = decide_columns(profiler.finish(look, files.names), recipe.columns, recipe.data.drop)
    numbers = tuple(column.name for column in decided.design.numbers)
    return decided, replace(reading, numbers=numbers)
