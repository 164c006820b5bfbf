"""Raw rows as what callers have: named columns, named rows, rows in the order of the columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from serve_runtime.features.column import NUMBER, Column, categories_of, numbers_of
from serve_runtime.features.raw_rows import RawRows


def as_columns(columns: Sequence[Column], rows: RawRows) -> dict[str, Any]:
    """The columns by name: float32 arrays, float64 arrays of precise numbers, lists of texts."""
    numbers = {
        number.name: values.astype(np.float32) if number.kind == NUMBER else values
        for number, values in zip(numbers_of(columns), rows.numbers, strict=True)
    }
    texts = dict(zip(_categories(columns), map(list, rows.texts), strict=True))
    return {column.name: (numbers | texts)[column.name] for column in columns}


def as_lists(columns: Sequence[Column], rows: RawRows) -> list[list[Any]]:
    """The rows, each a list of its values in the order of the columns; None where missing."""
    numbers = {
        number.name: [None if value != value else value for value in values]
        for number, values in zip(numbers_of(columns), rows.numbers.tolist(), strict=True)
    }
    every = numbers | dict(zip(_categories(columns), map(list, rows.texts), strict=True))
    values = [every[column.name] for column in columns]
    return [list(row) for row in zip(*values, strict=True)]


def as_dicts(columns: Sequence[Column], rows: RawRows) -> list[dict[str, Any]]:
    """The rows, each a dict of its values by name; None where missing."""
    names = [column.name for column in columns]
    return [dict(zip(names, row, strict=True)) for row in as_lists(columns, rows)]


def as_arrow(columns: Sequence[Column], rows: RawRows) -> Any:
    """The rows as an Arrow table with dictionaries, nulls where missing."""
    import pyarrow

    arrays = {}
    for name, values in as_columns(columns, rows).items():
        array = pyarrow.array(values, from_pandas=True)
        is_text = isinstance(values, list)
        arrays[name] = array.cast("string").dictionary_encode() if is_text else array
    return pyarrow.table(arrays)


def _categories(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in categories_of(columns)]
