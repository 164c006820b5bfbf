"""A look at the first rows of a table, for columns that may be an id, and a header that is data."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.shown import listed
from serve_runtime.tables.formats import holds_parquet
from train.tables.remedies import drop_remedy
from train.tables.table_files import TableFiles

_LEAST_ROWS = 20
"""In fewer rows, whole numbers often differ by chance."""


def look_at_first_rows(
    files: TableFiles, drop: Sequence[str], chosen: bool, say: Callable[[str], None]
) -> None:
    """Say whether the header may be data, and which features may be an id, unless the user has
    `chosen` them one by one. `drop` is dropped already."""
    if chosen:
        return
    try:
        columns = files.first_rows.to_pydict()
    except InputError:  # training will raise it again, in its own words
        return
    among_values = [name for name, values in columns.items() if name in values]
    if (
        files.dialect.get("header", True)
        and not holds_parquet(files.paths[0])
        and len(among_values) > 1
    ):
        say(
            "the first line may be data: names of columns stand among their values too "
            f"({listed(among_values, 3)}). If so, say --no-header"
        )
    rising, different = _likely_ids(columns)
    if rising or different:
        found = [f"{listed(rising)}: rises by one from row to row"] if rising else []
        found += [f"{listed(different)}: whole numbers, another in every row"] if different else []
        rows = len(next(iter(columns.values())))
        say(
            f"may be an id, which tells nothing of new rows: {'; '.join(found)} ({rows:,} rows "
            f"looked at). {drop_remedy([*drop, *rising, *different])}"
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
