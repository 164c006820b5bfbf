"""Read CSV as a stream of Arrow record batches: features as numbers, other columns as text.

Arrow parses the file; the first lines are inspected beforehand with the csv module, to find the
column names, the columns that spell true and false, and features that hold text.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from serve_runtime.errors import InputError
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import no_rows, pa, pacsv, pc
from serve_runtime.tables.background import readable_by_arrow
from serve_runtime.tables.csv.byte_stream import PeekableStream
from serve_runtime.tables.csv.first_rows import (
    check_header,
    check_separator,
    data_hint,
    header_hint,
    read_first_rows,
)
from serve_runtime.tables.csv.numbers import MISSING, is_number, missing_texts, parse_texts
from serve_runtime.tables.csv.recognise import has_blanks_around, recognise
from serve_runtime.tables.dialect import LAYOUT, Told, told_fields
from serve_runtime.tables.explain_errors import check_columns, not_numbers, readable, reading
from serve_runtime.tables.formats import STDIO
from serve_runtime.tables.numbers import to_floats
from serve_runtime.tables.open_bytes import open_bytes
from serve_runtime.tables.times import text_seconds

if TYPE_CHECKING:
    from serve_runtime.tables.read import Selection

_BLOCK_BYTES = 1 << 21
"""Bytes that Arrow parses at a time, into one batch; several batches are in memory at once."""

_TRAILING = "\0"
"""In the name of a column after a separator that ends each line; in no other name."""

_TEXT = pa.string()
_LEVELS = pa.dictionary(pa.int32(), _TEXT)
"""The type of a column of texts: each distinct text once, and its place for each row."""


class CsvReader:
    """An open CSV that can be read once; '-' is standard input. A `TableReader`.

    `header`, `told` and `encoding_is_assumed` are those of `tables.read.open_table`. Raises
    InputError if the file is empty, OSError, csv.Error or UnicodeDecodeError if its first lines
    cannot be read.
    """

    rows = None  # unknown until the file was read
    types: Mapping[str, Any] = MappingProxyType({})  # text has none
    index_names: tuple[str, ...] = ()

    def __init__(
        self,
        source: str,
        header: bool | None = None,
        told: Told = None,
        encoding_is_assumed: bool = False,
    ) -> None:
        self._source, fields = source, told_fields(told, header)
        self._may_miss = frozenset[str]()
        encoding = fields.get("encoding", "utf-8")
        self._stream = PeekableStream(open_bytes(source, encoding, assumed=encoding_is_assumed))
        try:
            start, whole = self._stream.first_lines()
            self.dialect = recognise(start, whole, fields)
            """How the values are written."""
            self._untrimmed = (
                fields.keys() >= set(LAYOUT)
                and not self.dialect.trim
                and has_blanks_around(start, self.dialect)
            )
            self._stream.use(self.dialect)
            self._first = read_first_rows(self._stream, source, self.dialect)
            self.names = self._first.names
            if not self.names:
                raise InputError(f"{source} is empty")
        except BaseException:
            self.close()
            raise

    def batches(self, wanted: "Selection") -> Generator[tuple[Any, Any], None, None]:
        """Pairs of record batches, as `TableReader.batches` says. Raises InputError, as
        `tables.read.open_table` does."""
        features, others = wanted.features, wanted.others
        texts, times = wanted.texts, wanted.times
        self._may_miss = frozenset(wanted.may_miss)
        if {*features, *others} - set(self.names):
            if self.dialect.header:
                check_header(self._source, self.names, self.dialect)
            else:
                check_separator(self._source, self._first.rows[0][0], self.dialect)
        try:
            check_columns(self._source, self.names, features, others)
        except InputError as reason:
            missing = {*features} - {*self.names}
            hint = header_hint(self.names, features, self.dialect) if missing else ""
            raise InputError(f"{reason}{hint}") from None
        if self._untrimmed and texts:
            raise InputError(
                f"{self._source}: blanks stand around its values, and not in the dialect in which "
                "it is read, the model's or the first table's: write it without them"
            )
        kinds = {
            name: pa.float64() if name in wanted.precise else wanted.number_type or pa.float32()
            for name in features
            if name not in texts and name not in times
        }
        types = self._feature_types(kinds)
        schema = pa.schema(self._read_types(features, others, types))
        for batch in self._read(schema):
            columns = [
                to_floats(self._parsed(name, batch.column(name), types, kinds[name]), kinds[name])
                if name in kinds
                else self._seconds(name, batch.column(name))
                if name in times
                else _as_levels(batch.column(name))
                for name in features
            ]
            yield pa.RecordBatch.from_arrays(columns, list(features)), batch.select(list(others))

    def _read_types(
        self, features: Sequence[str], others: Sequence[str], types: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The type as which Arrow reads each column. Features are read as text where their type is
        not known yet, Arrow cannot parse them, or the text is wanted too."""
        grouped = bool(self.dialect.thousands)
        found = {name: types.get(name, _LEVELS) for name in features}
        found = {
            name: _TEXT if kind is None or (grouped and pa.types.is_floating(kind)) else kind
            for name, kind in found.items()
        }
        return {**found, **dict.fromkeys(others, _TEXT)}

    def _feature_types(self, kinds: Mapping[str, Any]) -> dict[str, Any]:
        """The type in which each number of `kinds` is parsed, judged by the first rows: its own,
        bool, or None where these have no value. Raises InputError for a value that is neither."""
        width = len(self.names) + self._first.trailing
        rows = [(row, line) for row, line in self._first.rows if len(row) == width]
        columns = dict(zip(self.names, zip(*(row for row, _ in rows), strict=True), strict=False))
        missing = MISSING.union(self.dialect.missing)
        types, bad = dict[str, Any](), dict[str, tuple[int, str]]()
        for name, kind in kinds.items():
            values = [
                (line, value) for (_, line), value in zip(rows, columns.get(name, ()), strict=False)
            ]
            there = {value.lower() for _, value in values if value not in missing}
            if there and there <= {"true", "false"}:
                types[name] = pa.bool_()
            else:
                types[name] = kind if there or not self._first.more else None
                if odd := [found for found in values if not is_number(found[1], self.dialect)]:
                    bad[name] = odd[0]
        if bad:
            line = min(line for line, _ in bad.values())
            texts = [readable(value) for _, value in bad.values()]
            shown = [
                f"{quoted(name)} ({quoted(text)} is no number)"
                for name, text in zip(bad, texts, strict=True)
            ]
            where = self._source if self._source == STDIO else f"{self._source}, line {line}"
            may_miss = self._may_miss.issuperset(bad)
            problem = not_numbers(where, shown, texts, self.dialect, may_miss=may_miss)
            if not self.dialect.header and line == rows[0][1]:
                problem += data_hint(rows[0][0], list(kinds), self.dialect)
            raise InputError(problem)
        return types

    def _read(self, schema: Any) -> Iterator[Any]:
        """Arrow's record batches, with the columns and types of `schema`."""
        if not self._first.rows:
            yield no_rows(schema)
            return
        names, types = list(self.names), schema
        if trailing := [_TRAILING * (i + 1) for i in range(self._first.trailing)]:
            names += trailing  # nothing may stand there in any row
            types = pa.schema([*schema, *(pa.field(name, pa.null()) for name in trailing)])
        with (
            reading(self._source, self.names, self.dialect, self._may_miss),
            readable_by_arrow(self._stream) as open_file,
        ):
            batches = pacsv.open_csv(
                pa.PythonFile(open_file(), mode="r"),
                read_options=pacsv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.dialect.separator,
                    quote_char=self.dialect.quote,
                    newlines_in_values=True,
                    # In a file of one column, a blank line is a row whose value is missing.
                    ignore_empty_lines=len(names) > 1,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=types,
                    include_columns=types.names,
                    decimal_point=self.dialect.decimal,
                    null_values=missing_texts(self.dialect),
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

        A feature that is read as text is parsed here; one whose type is not decided, by its first
        value, which is a number, or else true or false.
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
            return parse_texts(column, data_type, self.dialect)
        except pa.ArrowInvalid as reason:
            with reading(self._source, self.names, self.dialect, self._may_miss):
                raise pa.ArrowInvalid(str(reason).replace("#0", f"#{place}", 1)) from None

    def _seconds(self, name: str, column: Any) -> Any:
        """A column of texts that are dates or times as seconds."""
        may_miss = name in self._may_miss
        return text_seconds(column, self._source, name, self.dialect, may_miss=may_miss)

    def cancel(self) -> None:
        """End the file here, also for a read that is waiting in another thread."""
        self._stream.cancel()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._stream.close()


def _as_levels(column: Any) -> Any:
    """A column of text as a dictionary."""
    return column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
