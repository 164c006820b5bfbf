"""Rows held out that the model of the training rows refuses."""

from collections.abc import Sequence

import numpy as np

from serve_runtime.arrays import Array, Floats
from serve_runtime.shown import quoted
from train.design import Design
from train.errors import DataError
from train.tables.columns.vocabulary import Int32, code_table


def check_rows(
    features: Floats,
    codes: Sequence[Int32],
    vocabularies: Sequence[Sequence[str]],
    design: Design,
    source: str,
    rows: Sequence[int] | Array,
) -> None:
    """Raise DataError where a value is missing, or a level unknown, that the model refuses.

    `features` (k, m) are in the order of `design`, `codes` (m,) of each category stand for texts of
    its vocabulary; each is data row `rows` (m,) of `source`, counted from 0.
    """
    for column, values in zip(design.numbers, features, strict=True):
        if column.missing == "error" and (missing := np.isnan(values)).any():
            raise DataError(_missing(source, rows[missing.argmax()], column.name))
    for column, found, texts in zip(design.categories, codes, vocabularies, strict=True):
        ours = code_table(column, texts).take(found)
        missing = ours == column.missing_code
        if column.missing == "error" and missing.any():
            raise DataError(_missing(source, rows[missing.argmax()], column.name))
        unknown = ours == 0
        if column.unknown == "error" and unknown.any():
            row = int(unknown.argmax())
            raise DataError(
                f"{source}: data row {rows[row] + 1}, column {quoted(column.name)} has the level "
                f"{quoted(texts[found[row]])}, which no training row has, and columns.unknown is "
                '"error" for it: leave that out, or drop the row'
            )


def _missing(source: str, row: int, name: str) -> str:
    return (
        f"{source}: data row {row + 1}, column {quoted(name)} is missing, which it is in no "
        'training row: fill the value, drop the row, or say columns.missing = "median" (of a '
        'category "unknown")'
    )
