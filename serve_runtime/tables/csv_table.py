"""Read CSV as a stream of Arrow record batches: features as numbers, other columns as text.

Arrow parses the file; the first lines are inspected beforehand with the csv module, to find the
column names, the columns that spell true and false, and features that hold text.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import no_rows, pa, pacsv
from serve_runtime.tables.background import readable_by_arrow
from serve_runtime.tables.byte_stream import PeekableStream, Quotes
from serve_runtime.tables.explain_errors import (
    check_columns,
    has_bad_bytes,
    not_numbers,
    readable,
    reading,
)
from serve_runtime.tables.formats import STDIO
from serve_runtime.tables.numbers import to_floats
from serve_runtime.tables.open_bytes import open_bytes

_BLOCK_BYTES = 1 << 21
"""Bytes that Arrow parses at a time, into one batch; several batches are in memory at once."""

_INSPECTED_ROWS, _INSPECTED_BYTES = 64, 1 << 22
"""Rows that are inspected before Arrow parses the file: so many, fewer where they are very long."""


class CsvReader:
    """An open CSV that can be read once; '-' is standard input. A `TableReader`.

    Without a `header` the columns are named f0, f1, …. Raises InputError if the file is empty,
    OSError, csv.Error or UnicodeDecodeError if its first lines cannot be read.
    """

    rows = None  # unknown until the file was read
    types: Mapping[str, Any] = MappingProxyType({})  # text has none
    index_names: tuple[str, ...] = ()

    def __init__(self, source: str, header: bool) -> None:
        self._source = source
        self._stream = PeekableStream(open_bytes(source))
        try:
            self.names, self._first_rows, self._rows_left = _inspect(self._stream, header, source)
            if not self.names:
                raise InputError(f"{source} is empty")
        except BaseException:
            self.close()
            raise

    def batches(
        self, features: Sequence[str], others: Sequence[str], number_type: Any = None
    ) -> Generator[tuple[Any, Any], None, None]:
        """Pairs of record batches of the same rows: columns `features`, then columns `others`.

        Features are `number_type`, float32 where it is None; other columns are the text that
        stands in the file. Raises InputError, as `tables.read.open_table` says.
        """
        if {*features, *others} - set(self.names):
            check_header(self._source, self.names)
        check_columns(self._source, self.names, features, others)
        number_type = number_type or pa.float32()
        types = self._feature_types(features, number_type)
        undecided = {name: pa.string() for name, found in types.items() if found is None}
        schema = pa.schema({**types, **undecided, **{name: pa.string() for name in others}})
        for batch in self._read(schema):
            parsed = [
                self._parsed(name, batch.column(name), types, number_type) for name in features
            ]
            numbers = [to_floats(column, number_type) for column in parsed]
            yield pa.RecordBatch.from_arrays(numbers, list(features)), batch.select(list(others))

    def _feature_types(self, features: Sequence[str], number_type: Any) -> dict[str, Any]:
        """The type in which each feature is parsed, judged by the first rows: `number_type`, bool,
        or None where these have no value. Raises InputError for a value that is neither."""
        rows = [(row, line) for row, line in self._first_rows if len(row) == len(self.names)]
        columns = dict(zip(self.names, zip(*(row for row, _ in rows), strict=True), strict=False))
        types, bad = dict[str, Any](), dict[str, tuple[int, str]]()
        for name in features:
            values = [
                (line, value) for (_, line), value in zip(rows, columns.get(name, ()), strict=False)
            ]
            there = {value.lower() for _, value in values if value not in _MISSING}
            if there and there <= {"true", "false"}:
                types[name] = pa.bool_()
            else:
                types[name] = number_type if there or not self._rows_left else None
                if odd := [found for found in values if not _is_number(found[1])]:
                    bad[name] = odd[0]
        if bad:
            line = min(line for line, _ in bad.values())
            texts = [readable(value) for _, value in bad.values()]
            shown = [
                f"{quoted(name)} ({quoted(text)} is no number)"
                for name, text in zip(bad, texts, strict=True)
            ]
            where = self._source if self._source == STDIO else f"{self._source}, line {line}"
            raise InputError(not_numbers(where, shown, texts))
        return types

    def _read(self, schema: Any) -> Iterator[Any]:
        """Arrow's record batches, with the columns and types of `schema`."""
        if not self._first_rows:
            yield no_rows(schema)
            return
        with reading(self._source, self.names), readable_by_arrow(self._stream) as open_file:
            batches = pacsv.open_csv(
                pa.PythonFile(open_file(), mode="r"),
                read_options=pacsv.ReadOptions(column_names=self.names, block_size=_BLOCK_BYTES),
                parse_options=pacsv.ParseOptions(
                    newlines_in_values=True,
                    # In a file of one column, a blank line is a row whose value is missing.
                    ignore_empty_lines=len(self.names) > 1,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=schema, include_columns=schema.names
                ),
            )
            try:
                for batch in batches:  # noqa: UP028 - yield from would close Arrow's reader
                    yield batch
                if swallowed := self._stream.swallowed():
                    line, problem = swallowed
                    raise InputError(f"{self._source}, line {line}: {problem.format('value')}")
            finally:
                self._stream.cancel()
                with suppress(pa.ArrowException, OSError):
                    deque(batches, maxlen=0)  # blocks read so far may still be being parsed
                del batches

    def _parsed(self, name: str, column: Any, types: dict[str, Any], number_type: Any) -> Any:
        """The column `name` of a batch, in its type of `types`.

        A feature that is also among the other columns arrives as text, and so does one whose type
        is not decided: by its first value, which is a number, or else true or false.
        """
        if not pa.types.is_string(column.type):
            return column
        if types[name] is not None:
            return self._parse(name, column, types[name])
        try:
            kind, found = number_type, self._parse(name, column, number_type)
        except InputError as reason:
            try:
                kind, found = pa.bool_(), self._parse(name, column, pa.bool_())
            except InputError:
                raise reason from None
        if found.null_count < len(found):
            types[name] = kind
        return found

    def _parse(self, name: str, column: Any, data_type: Any) -> Any:
        """A column of text in `data_type`. Raises InputError as for any other feature."""
        place = self.names.index(name)
        try:
            return parse_texts(column, data_type)
        except pa.ArrowInvalid as reason:
            with reading(self._source, self.names):
                raise pa.ArrowInvalid(str(reason).replace("#0", f"#{place}", 1)) from None

    def cancel(self) -> None:
        """End the file here, also for a read that is waiting in another thread."""
        self._stream.cancel()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._stream.close()


def parse_texts(column: Any, data_type: Any) -> Any:
    """An Arrow array of texts in `data_type`, parsed as the values of a CSV are: it is written as a
    CSV of one column, and read. Raises pyarrow.ArrowInvalid."""
    text = pa.BufferOutputStream()
    table = pa.table([column], ["text"])
    options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    pacsv.write_csv(table, text, options)
    parsed = pacsv.read_csv(
        pa.BufferReader(text.getvalue()),
        read_options=pacsv.ReadOptions(column_names=["text"], block_size=1 << 30),
        parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(column_types={"text": data_type}),
    )
    return parsed.column(0).combine_chunks()


def _inspect(
    stream: PeekableStream, header: bool, source: str
) -> tuple[list[str], list[tuple[list[str], int]], bool]:
    """Column names, the first rows of data with their lines, and whether there are more;
    `stream` then continues at the first data row."""
    # Arrow skips blank lines too.
    rows = (found for found in stream.rows(peek=True) if found[0])
    first = next(rows, ([], 0))
    found = []
    if header:
        _require_closed(stream.peeked(), first[0], source)
        _require_text(first[0], source)
        stream.discard_peeked()
    elif first[0]:
        found.append(first)
    names = first[0] if header else [f"f{i}" for i in range(len(first[0]))]
    with reading(source, names):
        for row in rows:
            found.append(row)
            if len(found) >= _INSPECTED_ROWS or len(stream.peeked()) > _INSPECTED_BYTES:
                return names, found, True
    return names, found, False


def _require_closed(lines: bytes, names: Sequence[str], source: str) -> None:
    """Raise InputError if rows became part of a column name, by a quotation mark in the header that
    no other closes, or one in another row."""
    quotes = Quotes()
    quotes.add(lines)
    if swallowed := quotes.swallowed():
        line, problem = swallowed
        raise InputError(f"{source}, line {line}: {problem.format('name')}")
    for name in names if len(names) > 1 else ():
        if any(line.count(",") == len(names) - 1 for line in name.splitlines()):
            raise InputError(
                f"{source}, line 1: the column name {quoted(name)} holds whole rows: the quotation "
                "mark that opens it should be closed before them"
            )


def _require_text(names: Sequence[str], source: str) -> None:
    """Raise InputError where a name is no text in UTF-8."""
    for number, name in enumerate(names, start=1):
        if "\0" in name or has_bad_bytes(name):
            raise InputError(
                f"{source}, line 1: the name of column {number} is no text in UTF-8: save the file "
                "as UTF-8"
            )


def check_header(source: str, names: Sequence[str]) -> None:
    """Raise InputError if the first line of the CSV `source` is no header that we can read.

    `names` are the column names that were found there. A single name that holds a semicolon, tab or
    bar is taken for a whole header line whose names are separated by it; names that are all
    numbers, for a row of data.
    """
    (name, *others) = names
    found = [separator for separator in ";\t|" if separator in name]
    if found and not others:
        raise InputError(
            f"{source}: values must be separated by commas; "
            f"its first line has {found[0]!r} and no comma ({quoted(name)})"
        )
    if may_be_data(names, 1):
        raise InputError(
            f"{source}: its first line holds nothing but numbers ({listed(names, 5)}), no "
            "names of columns: say --no-header (header=False) if it is a row of data, else name "
            "the columns there"
        )


def may_be_data(names: Sequence[str], least: float) -> bool:
    """Whether at least that share of `names`, empty ones apart, are numbers."""
    there = [name for name in names if name.strip()]
    return bool(there) and sum(map(_is_number, there)) >= least * len(there)


_MISSING = frozenset(pacsv.ConvertOptions().null_values)
"""Texts that Arrow takes for a missing value."""


def _is_number(text: str) -> bool:
    """Whether Arrow may take `text` for a number or a missing value."""
    try:
        float(text)
    except ValueError:
        return text.strip() in _MISSING
    return True
