"""Score tables that have the labels too, in memory that does not grow with the number of rows."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from serve_runtime.errors import InputError, RowError
from serve_runtime.evaluation.labels import ClassReader
from serve_runtime.evaluation.metrics import Evaluation, Tally
from serve_runtime.feature_names import column_at, did_you_mean
from serve_runtime.predictor import Predictor
from serve_runtime.scoring.batches import model_columns
from serve_runtime.scoring.table_scorer import Progress, selection_of
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.background import read_ahead
from serve_runtime.tables.dialect import Told, told_before_card, told_fields
from serve_runtime.tables.find import find_tables
from serve_runtime.tables.read import dialect_of_first, open_table


def evaluate_tables(
    predictor: Predictor,
    source: str | os.PathLike[str],
    target: str,
    *,
    positive: str | None = None,
    header: bool | None = None,
    dialect: Told = None,
    progress: Callable[[Progress], object] | None = None,
) -> Evaluation:
    """The metrics of the model over all rows of `source`, whose column `target` has their labels.

    `source` is a table, a folder, a glob, or '-' for CSV on standard input, and `dialect` tells how
    a CSV is written, as `score_file` takes them; `target` is a column's name, or its position (-1
    is the last). `positive` is the label in the tables that counts as the positive one, where they
    do not spell it as the model does. `progress` is called after each batch and each table.

    Raises InputError if a table cannot be read or has no rows, a column or a label is missing, a
    label is neither of the two, or a row cannot be scored (RowError, with the data row).
    """
    tables, predictor = find_tables(os.fspath(source)), predictor.snapshot()
    paths = [tables.path(name) for name in tables.names]
    found = told_fields(dialect, header)
    assumed = "encoding" not in found
    told = told_before_card(found, predictor.card.dialect)
    dialect = dialect_of_first(paths, told, encoding_is_assumed=assumed)
    labels, tally, done = ClassReader(predictor.card.classes, positive), Tally(), 0
    for number, name in enumerate(tables.names):
        further = tables.folder_columns(name)
        for rows in _add_table(
            predictor, tables.path(name), target, dialect, assumed, further, labels, tally
        ):
            done += rows
            if progress:
                progress(Progress(done, None, number, len(tables.names)))
        if progress:
            progress(Progress(done, None, number + 1, len(tables.names)))
    if not done:
        raise InputError(f"{os.fspath(source)} has no rows: there is nothing to evaluate")
    return tally.result()


def _add_table(
    predictor: Predictor,
    path: str,
    target: str,
    dialect: Told,
    encoding_is_assumed: bool,
    folder_columns: Mapping[str, Any],
    labels: ClassReader,
    tally: Tally,
) -> Iterator[int]:
    """Add the rows of a table to `tally`, some at a time; yields how many."""
    card = predictor.card
    features, threshold = card.feature_names, np.float32(card.threshold)
    first = 0
    with open_table(
        path,
        folder_columns=folder_columns,
        dialect=dialect,
        encoding_is_assumed=encoding_is_assumed,
    ) as table:
        column = column_at(target, table.names)
        if column is None or column in features:
            problem = "is one of the model's features" if column else "is not there"
            raise InputError(
                f"{path}: the target column {quoted(target)} {problem}; "
                f"the table has {listed(table.names, 20)}"
                f"{'' if column else did_you_mean([target], table.names)}"
            )
        batches = table.batches(selection_of(card, [column]))
        with read_ahead(batches, table.cancel) as pairs:
            for batch, others in pairs:
                label = labels.read(others.column(0), path, first)
                try:
                    logit, probability = predictor.scores(model_columns(card, batch))
                except RowError as found:
                    row = first + found.row
                    raise found.at(row, f"{path}: data row {row + 1}") from None
                tally.add(logit, probability, (probability >= threshold).view(np.int8), label)
                first += len(label)
                yield len(label)
