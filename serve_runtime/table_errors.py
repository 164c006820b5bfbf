"""Arrow's messages about a table, with names and line numbers in place of positions."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import BinaryIO


def explain(
    source: str,
    reason: str,
    columns: Sequence[str],
    reopen: Callable[[], BinaryIO] | None,
) -> str:
    """What `reason`, said by Arrow or a file, means to somebody who looks at the file.

    `columns` are all columns of the file; `reopen` gives its bytes once more, if it can be read
    again.
    """
    ragged = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if ragged:
        width, found = map(int, ragged.groups())
        line = _ragged_line(reopen, width) if reopen else ""
        return f"{source}{line}: expected {width} values, got {found}"
    column = re.search(r"In CSV column #(\d+):(?: Row #\d+:)? (.*)", reason, re.DOTALL)
    if column:
        name, detail = columns[int(column[1])], column[2]
        if "conversion error to string" in detail:
            return f"{source}: {name} ({detail}): the file must be UTF-8"
        value = re.search(r"invalid value '(.*)'", detail, re.DOTALL)
        if value and "conversion error to bool" in detail:
            detail = f"{value[1]!r} among true and false"
        elif value:
            detail = f"{value[1]!r} is no number"
        return not_numbers(source, [f"{name} ({detail})"])
    return f"cannot read {source}: {reason}"


def not_numbers(source: str, columns: Sequence[str]) -> str:
    """The message for features that hold something else; each of `columns` says what."""
    return (
        f"{source}: features must be numbers; these columns are not: {', '.join(columns)}. "
        "Leave them out or encode them as numbers"
    )


def _ragged_line(reopen: Callable[[], BinaryIO], width: int) -> str:
    """Where the first line of another width is: read again, as Arrow does not count blank lines."""
    with reopen() as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        reader, before = csv.reader(text), 0
        try:
            for row in reader:
                if row and len(row) != width:
                    return f", line {before + 1}"
                before = reader.line_num
        except csv.Error:  # a field beyond the csv module's limit: Arrow reads it, we cannot count
            pass
    return ""
