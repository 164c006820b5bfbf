"""Turn errors from reading a table into InputErrors that name the file, column and line.

Arrow reports positions (column #3, row #17 of a block); somebody who has to repair the file needs
the column's name and the number of the line.
"""

import csv
import io
import os
import re
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names, did_you_mean
from serve_runtime.shown import MOST_NAMES, joined, listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.byte_stream import open_bytes
from serve_runtime.tables.numbers import is_number


@contextmanager
def reading(source: str, columns: Sequence[str] = ()) -> Iterator[None]:
    """Raise InputError for what Arrow, gzip, csv or the file system raises inside the block.

    `source` is the table that is read; `columns` are the names of all its columns, in order.
    """
    try:
        yield
    except (
        pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error
    ) as reason:  # fmt: skip
        raise InputError(_explain(source, str(reason), columns)) from None


def check_columns(
    source: str, names: Sequence[str], features: Sequence[str], others: Sequence[str]
) -> None:
    """Raise InputError unless each of `features` and `others` is exactly once among `names`."""
    missing = [name for name in others if name not in names]
    try:
        check_names(names, features)
        if missing:
            raise InputError(
                f"columns are missing: {listed(missing)} (got: {listed(names)})"
                f"{did_you_mean(missing, names)}"
            )
        check_names(names, others)
    except InputError as reason:
        raise InputError(f"{source}: {reason}") from None


def check_numbers(source: str, schema: Any, features: Sequence[str]) -> None:
    """Raise InputError unless all columns `features` of an Arrow schema are numbers or booleans."""
    types = {name: schema.field(name).type for name in features}
    odd = [
        f"{quoted(name)} ({data_type!s:.60})"
        for name, data_type in types.items()
        if not is_number(data_type)
    ]
    if odd:
        raise InputError(not_numbers(source, odd))


def not_numbers(source: str, columns: Sequence[str]) -> str:
    """The message for features that are not numbers; `columns` are texts like "'age' (string)"."""
    more = f" and {len(columns) - MOST_NAMES:,} more" if len(columns) > MOST_NAMES else ""
    return (
        f"{source}: features must be numbers; these columns are not: "
        f"{joined(columns[:MOST_NAMES])}{more}. "
        "Leave them out or encode them as numbers"
    )


def _explain(source: str, reason: str, columns: Sequence[str]) -> str:
    """The message of an error, `reason`, in terms of the file: its lines and its columns."""
    other_width = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if other_width:
        width, found = map(int, other_width.groups())
        line = _line_of_other_width(source, width)
        return f"{source}{line}: expected {width} values, got {found}"
    if "straddling" in reason:
        return f"{source}: a row is longer than can be read at once; is a quotation never closed?"
    column = re.search(r"In CSV column #(\d+):(?: Row #\d+:)? (.*)", reason, re.DOTALL)
    if column:
        name, detail = columns[int(column[1])], column[2]
        if "conversion error to string" in detail:
            return f"{source}: column {quoted(name)} ({detail:.200}): the file must be UTF-8"
        value = re.search(r"invalid value '(.*)'", detail, re.DOTALL)
        if value and "conversion error to bool" in detail:
            detail = f"{quoted(value[1])} among true and false"
        elif value:
            detail = f"{quoted(value[1])} is no number"
        return not_numbers(source, [f"{quoted(name)} ({detail})"])
    return f"cannot read {source}: {reason}"


def check_quotes(source: str) -> None:
    """Raise InputError if a quotation mark opens a value that is not closed before the file ends.

    Arrow takes all the rest of the file for one value then. A pipe cannot be read a second time,
    and is not checked.
    """
    if not os.path.isfile(source):  # noqa: PTH113 - standard input, a pipe
        return
    line = 1
    try:
        with closing(_csv_rows(source, strict=True)) as rows:
            for _, last_line in rows:
                line = last_line + 1
    except csv.Error as reason:
        if any(sign in str(reason) for sign in ("unexpected end of data", "field larger")):
            raise InputError(
                f"{source}, line {line}: a quotation mark opens a value that no other "
                "closes before the file ends"
            ) from None


def _line_of_other_width(source: str, width: int) -> str:
    """ ", line N" of the first row that has not `width` values; "" if it cannot be found.

    The file is read again with the csv module, because Arrow does not count blank lines.
    """
    if not os.path.isfile(source):  # noqa: PTH113 - standard input, a pipe
        return ""
    line = 1
    try:
        with closing(_csv_rows(source)) as rows:
            for row, last_line in rows:
                if row and len(row) != width:
                    return f", line {line}"
                line = last_line + 1
    except csv.Error:  # a value beyond the csv module's limit, which Arrow can read
        pass
    return ""


def _csv_rows(source: str, *, strict: bool = False) -> Generator[tuple[list[str], int], None, None]:
    """Each row of a CSV file with the number of its last line, from 1. Raises csv.Error."""
    with open_bytes(source) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        reader = csv.reader(text, strict=strict)
        for row in reader:
            yield row, reader.line_num
