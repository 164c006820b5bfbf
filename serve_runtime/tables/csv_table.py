"""Read CSV as a stream of Arrow record batches: features as numbers, other columns as text.

Arrow parses the file; the first lines are inspected beforehand with the csv module, to find the
column names, the columns that spell true and false, and features that hold text.
"""

import csv
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import no_rows, pa, pacsv
from serve_runtime.tables.byte_stream import PeekableStream, open_bytes, readable_by_arrow
from serve_runtime.tables.explain_errors import check_columns, check_quotes, not_numbers, reading
from serve_runtime.tables.numbers import to_floats

_BLOCK_BYTES = 1 << 21
"""Bytes that Arrow parses at a time, into one batch; several batches are in memory at once."""

_INSPECTED_ROWS = 64
"""Rows that are inspected before Arrow parses the file."""


class CsvReader:
    """An open CSV that can be read once; '-' is standard input. A `TableReader`.

    Without a `header` the columns are named f0, f1, …. Raises InputError if the file is empty,
    OSError, csv.Error or UnicodeDecodeError if its first lines cannot be read.
    """

    rows = None  # unknown until the file was read
    types: Mapping[str, Any] = MappingProxyType({})  # text has none

    def __init__(self, source: str, header: bool) -> None:
        self._source = source
        self._stream = PeekableStream(open_bytes(source))
        try:
            self.names, self._first_rows = _inspect(self._stream, header, source)
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
        if self.names[0] not in features:
            check_separator(self._source, self.names)
        check_columns(self._source, self.names, features, others)
        booleans = _booleans(self.names, self._first_rows)
        texts = _text_features(self.names, self._first_rows, set(features) - booleans)
        if texts:
            raise InputError(not_numbers(self._source, texts))
        number_type = number_type or pa.float32()
        types = {name: pa.bool_() if name in booleans else number_type for name in features}
        schema = pa.schema({**types, **{name: pa.string() for name in others}})
        for batch in self._read(schema):
            parsed = [self._parsed(name, batch.column(name), types[name]) for name in features]
            numbers = [to_floats(column, number_type) for column in parsed]
            yield pa.RecordBatch.from_arrays(numbers, list(features)), batch.select(list(others))

    def _read(self, schema: Any) -> Iterator[Any]:
        """Arrow's record batches, with the columns and types of `schema`."""
        if not self._first_rows:
            yield no_rows(schema)
            return
        # Arrow refuses a row longer than a block; rows like the inspected ones must fit.
        block = max(_BLOCK_BYTES, 2 * self._stream.peeked_bytes())
        with reading(self._source, self.names), readable_by_arrow(self._stream) as open_file:
            batches = pacsv.open_csv(
                pa.PythonFile(open_file(), mode="r"),
                read_options=pacsv.ReadOptions(column_names=self.names, block_size=block),
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
                if self._stream.quote_count % 2:
                    check_quotes(self._source)
            finally:
                self._stream.cancel()
                with suppress(pa.ArrowException, OSError):
                    deque(batches, maxlen=0)  # blocks read so far may still be being parsed
                del batches

    def _parsed(self, name: str, column: Any, data_type: Any) -> Any:
        """The column `name` of a batch, in `data_type`.

        A feature that is also among the other columns arrives as text. It is written as a CSV of
        one column, and parsed as any other feature is.
        """
        if not pa.types.is_string(column.type):
            return column
        text = pa.BufferOutputStream()
        table, style = pa.table([column], [name]), "all_valid"
        pacsv.write_csv(table, text, pacsv.WriteOptions(include_header=False, quoting_style=style))
        with reading(self._source, [name]):
            parsed = pacsv.read_csv(
                pa.BufferReader(text.getvalue()),
                read_options=pacsv.ReadOptions(column_names=[name], block_size=1 << 30),
                parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=pacsv.ConvertOptions(column_types={name: data_type}),
            )
        return parsed.column(0).combine_chunks()

    def cancel(self) -> None:
        """End the file here, also for a read that is waiting in another thread."""
        self._stream.cancel()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._stream.close()


def _inspect(
    stream: PeekableStream, header: bool, source: str
) -> tuple[list[str], list[list[str]]]:
    """Column names and the first rows of data; `stream` then continues at the first data row."""
    rows = filter(None, csv.reader(stream.peek_lines()))  # Arrow skips blank lines too
    first = next(rows, [])
    if header:
        _require_closed(stream.peeked_text(), source)
        stream.discard_peeked()
        found = []
    else:
        found = [first] if first else []
    names = first if header else [f"f{i}" for i in range(len(first))]
    return names, found + [row for row, _ in zip(rows, range(_INSPECTED_ROWS), strict=False)]


def _require_closed(lines: str, source: str) -> None:
    """Raise InputError if a quotation mark in the header opens a name that no other closes: all
    the rest of the file would be that name, and no row would be left."""
    try:
        deque(csv.reader(lines.splitlines(keepends=True), strict=True), maxlen=0)
    except csv.Error as reason:
        if "unexpected end of data" in str(reason):
            raise InputError(
                f"{source}, line 1: a quotation mark opens a name that no other closes before the "
                "file ends"
            ) from None


def check_separator(source: str, names: Sequence[str]) -> None:
    """Raise InputError if the values are separated by something other than commas.

    `names` are the column names of the CSV `source`: a single one that holds a semicolon, tab or
    bar is taken for a whole header line.
    """
    (name, *others) = names
    found = [separator for separator in ";\t|" if separator in name]
    if found and not others:
        raise InputError(
            f"{source}: values must be separated by commas; "
            f"its first line has {found[0]!r} and no comma ({quoted(name)})"
        )


def _booleans(names: Sequence[str], rows: Sequence[Sequence[str]]) -> set[str]:
    """Names of the columns whose values in `rows` are all true or false, in upper or lower case.

    Empty values are allowed beside them: pandas writes a missing boolean so.
    """
    columns = zip(*(row for row in rows if len(row) == len(names)), strict=True)
    return {
        name
        for name, values in zip(names, columns, strict=False)
        if (found := {value.lower() for value in values} - {""}) and found <= {"true", "false"}
    }


def _text_features(
    names: Sequence[str], rows: Sequence[Sequence[str]], features: set[str]
) -> list[str]:
    """All features with a value in `rows` that is no number: "name ('value' is no number)"."""
    missing = set(pacsv.ConvertOptions().null_values)
    found: dict[str, str] = {}
    for row in rows:
        for name, value in zip(names, row, strict=False):
            if name in features and name not in found and len(row) == len(names):
                try:
                    float(value)
                except ValueError:
                    if value.strip() not in missing:
                        found[name] = value
    return [f"{quoted(name)} ({quoted(value)} is no number)" for name, value in found.items()]
