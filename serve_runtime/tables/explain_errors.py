"""What is wrong with a table, with names and line numbers in place of Arrow's positions."""

import csv
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.byte_stream import open_bytes


@contextmanager
def reading(source: str, columns: Sequence[str] = ()) -> Iterator[None]:
    """Make Arrow's errors, and those of files, ours; `columns` are all those of the file."""
    try:
        yield
    except (
        pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error
    ) as reason:  # fmt: skip
        raise InputError(_explain(source, str(reason), columns)) from None


def check_columns(
    source: str, names: Sequence[str], features: Sequence[str], others: Sequence[str]
) -> None:
    """Raise InputError unless `features` and `others` are each once among the columns `names`."""
    missing = [name for name in others if name not in names]
    try:
        check_names(names, features)
        if missing:
            raise InputError(f"columns are missing: {', '.join(missing)} (got: {', '.join(names)})")
        check_names(names, others)
    except InputError as reason:
        raise InputError(f"{source}: {reason}") from None


def check_numbers(source: str, schema: Any, features: Sequence[str]) -> None:
    """Raise InputError unless each of the columns `features` of an Arrow schema is numeric."""
    kinds = {name: schema.field(name).type for name in features}
    odd = [f"{name} ({kind})" for name, kind in kinds.items() if not _is_number(kind)]
    if odd:
        raise InputError(not_numbers(source, odd))


def not_numbers(source: str, columns: Sequence[str]) -> str:
    """The message for features that hold something else; each of `columns` says what."""
    return (
        f"{source}: features must be numbers; these columns are not: {', '.join(columns)}. "
        "Leave them out or encode them as numbers"
    )


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _explain(source: str, reason: str, columns: Sequence[str]) -> str:
    """What `reason`, said by Arrow or a file, means to somebody who looks at the file."""
    ragged = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if ragged:
        width, found = map(int, ragged.groups())
        line = _ragged_line(source, width)
        return f"{source}{line}: expected {width} values, got {found}"
    if "straddling" in reason:
        return f"{source}: a row is longer than can be read at once; is a quotation never closed?"
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


def check_quotes(source: str) -> None:
    """Raise InputError where a quotation is not closed before the file ends, which Arrow takes for
    a value that holds all the rest. What is no file cannot be read again, and is not looked at."""
    if not os.path.isfile(source):  # noqa: PTH113 - standard input, a pipe
        return
    with open_bytes(source) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
        reader, before = csv.reader(text, strict=True), 0
        try:
            for _ in reader:
                before = reader.line_num
        except csv.Error as reason:
            if any(sign in str(reason) for sign in ("unexpected end of data", "field larger")):
                raise InputError(
                    f"{source}, line {before + 1}: a quotation mark opens a value that no other "
                    "closes before the file ends"
                ) from None


def _ragged_line(source: str, width: int) -> str:
    """Where the first line of another width is: read again, as Arrow does not count blank lines."""
    if not os.path.isfile(source):  # noqa: PTH113 - standard input, a pipe: it cannot be read again
        return ""
    with open_bytes(source) as stream:
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
