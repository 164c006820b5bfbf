"""Turn errors from reading a table into InputErrors that name the file, column and line.

Arrow reports positions (column #3, row #17 of a block); somebody who has to repair the file needs
the column's name and the number of the line.
"""

import csv
import io
import os
import re
import shlex
import zlib
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.feature_names import check_names, did_you_mean
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.csv.byte_stream import ROW_BYTES, PeekableStream
from serve_runtime.tables.dialect import PLAIN, Dialect, is_missing_mark
from serve_runtime.tables.numbers import is_level, may_be_numbers
from serve_runtime.tables.open_bytes import open_bytes


@contextmanager
def reading(
    source: str,
    columns: Sequence[str] = (),
    dialect: Dialect = PLAIN,
    may_miss: Collection[str] = (),
) -> Iterator[None]:
    """Raise InputError for what Arrow, gzip, csv or the file system raises inside the block.

    `source` is the table that is read; `columns` are the names of all its columns, in order;
    `dialect` is that of a CSV, in which values of the features `may_miss` may be missing.
    """
    try:
        yield
    except (
        pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error, zlib.error
    ) as reason:  # fmt: skip
        raise InputError(_explain(source, str(reason), columns, dialect, may_miss)) from None


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
    """Raise InputError unless all columns `features` of an Arrow schema are numbers or booleans, or
    hold nothing but missing values."""
    if odd := _of_other_types(schema, features, may_be_numbers):
        raise InputError(not_numbers(source, odd))


def check_levels(source: str, schema: Any, categories: Collection[str]) -> None:
    """Raise InputError unless all columns `categories` of an Arrow schema may hold levels."""
    if odd := _of_other_types(schema, categories, is_level):
        raise InputError(
            f"{source}: categories must be texts, numbers or truths; these columns are not: "
            f"{listed(odd, show=str)}"
        )


def _of_other_types(schema: Any, names: Collection[str], fits: Callable[[Any], bool]) -> list[str]:
    """The columns `names` of an Arrow schema whose type does not fit, each with its type."""
    types = {name: schema.field(name).type for name in names}
    return [
        f"{quoted(name)} ({data_type!s:.60})"
        for name, data_type in types.items()
        if not fits(data_type)
    ]


def not_numbers(
    where: str,
    columns: Sequence[str],
    values: Sequence[str] = (),
    dialect: Dialect = PLAIN,
    *,
    may_miss: bool = False,
) -> str:
    """The message for features that are not numbers; `columns` are texts like "'age' (string)".

    `where` is the table, with the line if it is known; `values` are the texts found there, and
    `dialect` is that of a CSV; `may_miss` tells that values of all these features may be missing.
    """
    remedy = "Leave them out or encode them as numbers"
    if values and all(map(is_missing_mark, values)):
        remedy = (
            f"{quoted(values[0])} seems to mark a missing value{missing_option(values, dialect)}"
            if may_miss
            else f"{quoted(values[0])} seems to mark a missing value, and every value must be "
            "finite: drop such rows or fill the value"
        )
    elif option := next(filter(None, (_number_option(value, dialect) for value in values)), None):
        remedy = f"If they are numbers of another spelling, say {option}"
    return (
        f"{where}: features must be numbers; these columns are not: {listed(columns, show=str)}. "
        f"{remedy}"
    )


def missing_option(texts: Iterable[str], dialect: Dialect) -> str:
    """The end of a sentence: which option makes `texts` of a CSV stand for missing values too."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(dict.fromkeys((*dialect.missing, *texts)))
    return f": say --missing {shlex.quote(line.getvalue())} (missing)"


_SPELLED = re.compile(r"\s*[+-]?\d[\d.,'\u2019\xa0\u202f ]*\s*", re.ASCII)


def _number_option(text: str, dialect: Dialect) -> str | None:
    """The option that may make a number of a text of digits with marks between them."""
    marks = re.sub(r"[\s\d+-]", "", text, flags=re.ASCII)
    if not _SPELLED.fullmatch(text) or not marks:
        return None
    last = marks[-1]
    if last != dialect.decimal and last in ".," and marks.count(last) == 1:
        return f"--decimal {last} (decimal)"
    first = marks[0]
    if first != dialect.decimal and first != dialect.thousands:
        return f"--thousands {shlex.quote(first)} (thousands)"
    return None


def _explain(
    source: str, reason: str, columns: Sequence[str], dialect: Dialect, may_miss: Collection[str]
) -> str:
    """The message of an error, `reason`, in terms of the file: its lines and its columns."""
    other_width = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if other_width:
        width, found = map(int, other_width.groups())
        line = _line_where(source, lambda row: len(row) != width, dialect)
        return f"{source}{line}: expected {width} values, got {found}"
    if "launch worker thread" in reason:
        return (
            f"cannot read {source}: the system allows no more threads, of which pyarrow needs one "
            "for a CSV: raise the limit (ulimit -u, the container's pids), or give Parquet"
        )
    if "straddling" in reason or "a row has more than" in reason:
        return _row_too_long(source, reason, columns, dialect)
    if "codec can't decode" in reason:
        return f"{source}: {reason}: save the file as UTF-8, or say its encoding with --encoding"
    if "does not start with BOM" in reason:
        return f"{source} has no byte order mark: say --encoding utf-16-le or another (encoding)"
    column = re.search(r"In CSV column #(\d+):(?: Row #\d+:)? (.*)", reason, re.DOTALL)
    if column:
        return _bad_value(source, columns, int(column[1]), column[2], dialect, may_miss)
    return f"cannot read {source}: {reason}"


def _bad_value(
    source: str,
    columns: Sequence[str],
    number: int,
    detail: str,
    dialect: Dialect,
    may_miss: Collection[str],
) -> str:
    """The message for a value of column `number` that Arrow refused with `detail`."""
    if number >= len(columns):  # after a separator that ends each line
        line = _line_where(source, lambda row: any(row[number : number + 1]), dialect)
        return f"{source}{line}: expected {len(columns)} values, got {number + 1}"
    name, first = columns[number], list(columns)
    if "conversion error to string" in detail:
        bad = list[str]()

        def is_bad(row: Sequence[str]) -> bool:
            bad[:] = row[number : number + 1]
            return has_bad_bytes("".join(bad))

        line = _line_where(source, is_bad, dialect)
        return f"{source}{line}: column {quoted(name)} is {not_utf8(''.join(bad))}"
    value = re.search(r"invalid value '(.*)'", detail, re.DOTALL)
    if not value:
        return not_numbers(source, [f"{quoted(name)} ({detail:.200})"])
    text = value[1]
    kind = "among true and false" if "conversion error to bool" in detail else "is no number"

    def is_it(row: Sequence[str]) -> bool:
        value = "".join(row[number : number + 1])
        return row != first and text in (value, readable(value).strip(" \t"))

    line = _line_where(source, is_it, dialect)
    shown = [f"{quoted(name)} ({quoted(text)} {kind})"]
    return not_numbers(f"{source}{line}", shown, [text], dialect, may_miss=name in may_miss)


def readable(text: str) -> str:
    """A text read with surrogate escapes, with U+FFFD for what is no UTF-8, as Arrow shows it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def has_bad_bytes(text: str) -> bool:
    """Whether a text read with surrogate escapes held bytes that are no UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in text)


def not_utf8(text: str) -> str:
    """What to say of a text, read with surrogate escapes, that is no UTF-8, after "is "."""
    byte = next((ord(mark) - 0xDC00 for mark in text if has_bad_bytes(mark)), None)
    where = "" if byte is None else f" (its first other byte is 0x{byte:02x})"
    return (
        "no text in UTF-8: save the file as UTF-8, or say its encoding, such as --encoding cp1252"
        f"{where}"
    )


def _line_where(source: str, is_it: Callable[[Sequence[str]], bool], dialect: Dialect) -> str:
    """ ", line N" of the first row, blank lines apart, that `is_it`; "" if there is none, or the
    source is a pipe.

    The file is read again with the csv module, because Arrow does not count lines.
    """
    if not os.path.isfile(source):  # noqa: PTH113 - standard input, a pipe
        return ""
    with suppress(csv.Error), _csv_rows(source, dialect) as rows:  # a quotation that Arrow can read
        for row, line in rows:
            if row and is_it(row):
                return f", line {line}"
    return ""


def _row_too_long(source: str, reason: str, columns: Sequence[str], dialect: Dialect) -> str:
    """The message for a row of more than ROW_BYTES; `reason` is Arrow's error, or a csv.Error."""
    try:
        if os.path.isfile(source):  # noqa: PTH113 - standard input, a pipe
            with _csv_rows(source, dialect) as rows:
                deque(rows, maxlen=0)
    except csv.Error as told:
        reason = str(told)
    where = ""
    if found := re.match(r"(line \d+): .* in its value (\d+)", reason):
        names = [*map(quoted, columns), found[2]]
        where = f", {found[1]}, column {names[min(int(found[2]) - 1, len(columns))]}"
    return (
        f"{source}{where}: a row has more than {ROW_BYTES:,} bytes: is a quotation mark there "
        "never closed? If not, leave that column out of the file"
    )


@contextmanager
def _csv_rows(
    source: str, dialect: Dialect
) -> Iterator[Generator[tuple[list[str], int], None, None]]:
    """Each row of a CSV file with the number of its first line, from 1. Raises csv.Error."""
    with closing(PeekableStream(open_bytes(source, dialect.encoding))) as stream:
        stream.first_lines()
        stream.use(dialect)
        with closing(stream.rows()) as rows:
            yield rows
