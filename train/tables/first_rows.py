"""A look at the first rows of a table, for what its owner should know before training: columns of
text, which cannot be features, and columns that may be an id."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.explain_errors import not_numbers
from serve_runtime.tables.read import read_batches
from train.errors import DataError
from train.tables.table_files import TableFiles

_MOST_ROWS, _MOST_VALUES = 2_000, 1 << 18
"""At most so many rows are looked at, and fewer of a wide table: some 0.1 s."""
_LEAST_ROWS = 20
"""In fewer rows, whole numbers often differ by chance."""
_MOST_DROPPED = 20
"""With more columns, --drop would take more lines than anybody wants to copy."""


def look_at_first_rows(
    files: TableFiles, drop: Sequence[str], chosen: bool, say: Callable[[str], None]
) -> None:
    """Raise DataError where features are text, with the --drop that leaves them out; say which may
    be an id, unless the user has `chosen` the features one by one. `drop` is dropped already."""
    try:
        columns, texts = _first_rows(files)
    except InputError:  # training will raise it again, in its own words
        return
    if texts:
        words = {name: next(filter(_is_word, columns[name])) for name in texts}
        shown = [f"{quoted(name)} ({quoted(words[name])} is no number)" for name in texts]
        raise DataError(f"{not_numbers(files.paths[0], shown)}. {_remedy([*drop, *texts])}")
    if chosen:
        return
    rising, different = _likely_ids(columns)
    if rising or different:
        found = [f"{listed(rising)}: rises by one from row to row"] if rising else []
        found += [f"{listed(different)}: whole numbers, another in every row"] if different else []
        rows = len(next(iter(columns.values())))
        say(
            f"may be an id, which tells nothing of new rows: {'; '.join(found)} ({rows:,} rows "
            f"looked at). {_remedy([*drop, *rising, *different])}"
        )


def _likely_ids(columns: Mapping[str, Sequence[Any]]) -> tuple[list[str], list[str]]:
    """The columns that rise by one from row to row, and other whole numbers without a repeat."""
    rising, different = [], []
    for name, values in columns.items():
        numbers = _whole_numbers(values)
        if numbers and all(after - before == 1 for before, after in pairwise(numbers)):
            rising.append(name)
        elif numbers and len(set(numbers)) == len(numbers):
            different.append(name)
    return rising, different


def _first_rows(files: TableFiles) -> tuple[dict[str, list[Any]], list[str]]:
    """The first values of each feature, as they stand in the file, and which features are text."""
    batches = read_batches(
        files.paths[0],
        (),
        files.names,
        header=files.header,
        folder_columns=files.folder_columns[0],
    )
    with closing(batches):
        batch = next(batches)
    rows = max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_VALUES // len(files.names)))
    columns = {
        name: column.slice(0, rows).to_pylist()
        for name, column in zip(files.names, batch.columns, strict=True)
    }
    return columns, [name for name, values in columns.items() if _is_text(values)]


_NO_WORDS = {"true", "false", "null", "n/a", "na", "#n/a", "#na", "none"}
"""Truth values, which are features, and the usual marks of a missing value."""


def _is_text(values: Sequence[Any]) -> bool:
    """Whether most of the values are words, or dates: of a few, each is to be looked at."""
    return 2 * sum(map(_is_word, values)) > sum(value not in (None, "") for value in values)


def _is_word(value: Any) -> bool:
    """Whether a value is neither a number nor true, false or a mark of a missing one."""
    if value is None or isinstance(value, bool) or _number(value) is not None:
        return False
    text = str(value).strip().casefold()
    return bool(re.search(r"\w", text)) and text not in _NO_WORDS


def _whole_numbers(values: Sequence[Any]) -> list[int] | None:
    """The values, if they are whole numbers, and enough to judge by; else None."""
    if len(values) < _LEAST_ROWS:
        return None
    numbers = [_number(value) for value in values]
    whole = [int(number) for number in numbers if number is not None and _is_whole(number)]
    return whole if len(whole) == len(values) else None


def _is_whole(number: Any) -> bool:
    """Whether it is a whole number; a float where all of these are whole, from 2⁵³, is none."""
    if isinstance(number, float):
        return number.is_integer() and abs(number) < 1 << 53
    return bool(number == round(number))


def _number(value: Any) -> Any:
    """A value of a table as a number, a text by what it spells; None where it is none."""
    if isinstance(value, str):
        for kind in (int, float):
            with suppress(ValueError):
                return kind(value)
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return value if is_number else None


def _remedy(names: Sequence[str]) -> str:
    """How to leave columns out, ready to copy."""
    if len(names) > _MOST_DROPPED or any("," in name for name in names):
        return "Name the columns to learn from with --features, or data.drop in a recipe"
    return f"To leave them out: --drop {shlex.quote(','.join(names))}"
