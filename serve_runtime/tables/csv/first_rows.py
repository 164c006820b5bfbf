"""The header and the first rows of a CSV, looked at before Arrow parses the file."""

from collections.abc import Sequence
from dataclasses import dataclass

from serve_runtime.errors import InputError
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.csv.byte_stream import PeekableStream
from serve_runtime.tables.csv.numbers import is_number
from serve_runtime.tables.csv.quotes import Quotes
from serve_runtime.tables.dialect import BLANKS, PLAIN, Dialect
from serve_runtime.tables.explain_errors import has_bad_bytes, not_utf8, reading

_MOST_ROWS, _MOST_BYTES = 64, 1 << 22
"""Rows that are inspected before Arrow parses the file: so many, fewer where they are very long."""

Row = tuple[list[str], int]
"""The values of a row, and the number of its first line, from 1."""


@dataclass(frozen=True)
class FirstRows:
    """What the first rows of a CSV tell."""

    names: list[str]
    """Names of its columns: those of the header or of the dialect, else f0, f1, …."""
    rows: list[Row]
    """The first rows of data."""
    more: bool
    """Whether there may be others."""
    trailing: int
    """How many separators end each line, after which nothing stands."""


def read_first_rows(stream: PeekableStream, source: str, dialect: Dialect) -> FirstRows:
    """Inspect the first rows of `stream`, which then continues at the first row of data."""
    # Arrow skips blank lines too.
    rows = (found for found in stream.rows(peek=True) if found[0])
    first = next(rows, ([], 0))
    header, found, more = dialect.header, [], False
    if header:
        _require_closed(stream.peeked(), first[0], source, dialect)
        _require_text(first[0], source)
        stream.discard_peeked()
    elif first[0]:
        found.append(first)
    names = first[0] if header else [f"f{i}" for i in range(len(first[0]))]
    with reading(source, names, dialect):
        for row in rows:
            found.append(row)
            if len(found) >= _MOST_ROWS or len(stream.peeked()) > _MOST_BYTES:
                more = True
                break
    names, trailing = _without_trailing(names, found, header)
    if dialect.names and names:
        if len(names) != len(dialect.names):
            raise InputError(
                f"{source} has {len(names)} columns, and {len(dialect.names)} names are told for "
                f"them: {listed(dialect.names)}"
            )
        names = list(dialect.names)
        if found and [value.strip() for value in found[0][0][: len(names)]] == names:
            raise InputError(
                f"{source}: its first line holds the names of its columns: say --header "
                "(header=True) and no names, or leave that line out"
            )
    return FirstRows(names, found, more, trailing)


def _without_trailing(names: list[str], rows: Sequence[Row], header: bool) -> tuple[list[str], int]:
    """The names without those after separators that end each line, and how many there are: the
    header ends with them too, or is shorter than all rows. Without a header it may be one."""
    width = len(names)
    longest = max((len(row) for row, _ in rows), default=width)
    if longest > width and all(
        len(row) == longest and not "".join(row[width:]).strip() for row, _ in rows
    ):
        width = longest
    whole = [row for row, _ in rows if len(row) == width]
    left = names
    while len(left) > 1 and (not left[-1].strip() if header else whole and left is names):
        if any(row[len(left) - 1].strip() for row in whole):
            break
        left = left[:-1]
    return left, width - len(left)


def _require_closed(lines: bytes, names: Sequence[str], source: str, dialect: Dialect) -> None:
    """Raise InputError if rows became part of a column name, by a quotation mark in the header that
    no other closes, or one in another row."""
    quotes = Quotes(dialect=dialect)
    quotes.add(lines)
    if swallowed := quotes.swallowed():
        line, problem = swallowed
        raise InputError(f"{source}, line {line}: {problem.format('name')}")
    for name in names if len(names) > 1 else ():
        if any(line.count(dialect.separator) == len(names) - 1 for line in name.splitlines()):
            raise InputError(
                f"{source}, line 1: the column name {quoted(name)} holds whole rows: the quotation "
                "mark that opens it should be closed before them"
            )


def _require_text(names: Sequence[str], source: str) -> None:
    """Raise InputError where a name is no text in UTF-8."""
    for number, name in enumerate(names, start=1):
        if "\0" in name or has_bad_bytes(name):
            raise InputError(f"{source}, line 1: the name of column {number} is {not_utf8(name)}")


def check_separator(source: str, values: Sequence[str], dialect: Dialect = PLAIN) -> None:
    """Raise InputError if the first line of the CSV `source`, which holds `values`, is one value
    with commas, semicolons, tabs or bars in it: these seem to separate the columns."""
    found = [mark for mark in ",;\t|" if mark in values[0] and mark != dialect.separator]
    if found and len(values) == 1:
        raise InputError(
            f"{source}: its first line is one column, {quoted(values[0])}, as it is separated by "
            f"{_shown(dialect.separator)} here: say --separator {_shown(found[0])} (separator), "
            "and read tables that differ in it one by one"
        )


def check_header(source: str, names: Sequence[str], dialect: Dialect = PLAIN) -> None:
    """Raise InputError if the first line of the CSV `source` is no header that we can read.

    `names` are the column names that were found there. A single name with other separators in it is
    taken for a whole header line; names that are all numbers, for a row of data.
    """
    check_separator(source, names, dialect)
    if may_be_data(names, 1):
        raise InputError(
            f"{source}: its first line holds nothing but numbers ({listed(names, 5)}), no "
            "names of columns: say --no-header (header=False) if it is a row of data, else name "
            "the columns there"
        )


def header_hint(names: Sequence[str], features: Sequence[str], dialect: Dialect) -> str:
    """What to say behind an error of a CSV with columns `names` in which some of `features` are
    missing, where the header is not what it was taken for; else an empty text."""
    if not dialect.header:
        return "; say how its columns are called with --columns (names)" * (not dialect.names)
    odd = [name for name in names if may_be_data([name], 1)]
    if not odd and not set(names).isdisjoint(features):
        return ""
    shown = f" ({quoted(odd[0])})" if odd else ""
    return f". If its first line is data{shown}, say --no-header, and --columns for their names"


def data_hint(row: Sequence[str], features: Sequence[str], dialect: Dialect) -> str:
    """What to say behind an error of a value in the first `row` of a CSV that has no header, where
    it may be one; else an empty text."""
    if may_be_data(row, 0.01):
        return ""
    named = set(features) <= {name.strip() for name in row}
    return ". If the first line holds the names of columns, say --header" + (
        ", or leave that line out where the model has no such names" * (not named)
    )


def may_be_data(names: Sequence[str], least: float) -> bool:
    """Whether at least that share of `names`, empty ones apart, are numbers."""
    there = [name for name in names if name.strip()]
    return bool(there) and sum(map(is_number, there)) >= least * len(there)


def _shown(separator: str) -> str:
    """A separator as it is given on the command line."""
    return {"\t": "tab", BLANKS: "blanks"}.get(separator, f"'{separator}'")
