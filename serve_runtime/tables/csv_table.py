"""CSV as a stream of Arrow batches: features as float32, everything else as text."""

import csv
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any

from serve_runtime.errors import InputError
from serve_runtime.tables.arrow import no_rows, pa, pacsv, pc
from serve_runtime.tables.byte_stream import Pushback, lending, open_bytes
from serve_runtime.tables.explain_errors import check_columns, check_quotes, not_numbers, reading

_BLOCK_BYTES = 1 << 21
_SNIFFED_LINES = 64


class CsvTable:
    """A CSV that is open for one pass; '-' is standard input. See tables.Table."""

    rows = None

    def __init__(self, source: str, header: bool) -> None:
        self._source = source
        self._stream = Pushback(open_bytes(source))
        try:
            self.names, self._first_rows = _sniff(self._stream, header)
            if not self.names:
                raise InputError(f"{source} is empty")
        except BaseException:
            self.close()
            raise

    def batches(
        self, features: Sequence[str], others: Sequence[str]
    ) -> Generator[tuple[Any, Any], None, None]:
        """Batches of `features` (float32, or bool where a column spells true and false) and of
        `others` (text), as in tables.Table."""
        if self.names[0] not in features:
            check_separator(self._source, self.names)
        check_columns(self._source, self.names, features, others)
        booleans = _booleans(self.names, self._first_rows)
        text = _texts(self.names, self._first_rows, set(features) - booleans)
        if text:
            raise InputError(not_numbers(self._source, text))
        kinds = {name: pa.bool_() if name in booleans else pa.float32() for name in features}
        schema = pa.schema({**kinds, **{name: pa.string() for name in others}})
        for batch in self._read(schema):
            numbers = [self._numbers(name, batch.column(name), kinds[name]) for name in features]
            yield pa.RecordBatch.from_arrays(numbers, list(features)), batch.select(list(others))

    def _read(self, schema: Any) -> Iterator[Any]:
        """Arrow's batches with the columns of `schema`."""
        if not self._first_rows:
            yield no_rows(schema)
            return
        # A line must fit into a block, or two.
        block = max(_BLOCK_BYTES, 2 * self._stream.looked_at())
        with reading(self._source, self.names), lending(self._stream) as lend:
            batches = pacsv.open_csv(
                pa.PythonFile(lend(), mode="r"),
                read_options=pacsv.ReadOptions(column_names=self.names, block_size=block),
                parse_options=pacsv.ParseOptions(
                    newlines_in_values=True,
                    # In a single column a blank line is a row that misses its value.
                    ignore_empty_lines=len(self.names) > 1,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=schema, include_columns=schema.names
                ),
            )
            try:
                for batch in batches:  # noqa: UP028 - yield from would close them
                    yield batch
                if self._stream.quotes % 2:
                    check_quotes(self._source)
            finally:
                self._stream.cancel()
                with suppress(pa.ArrowException, OSError):
                    deque(batches, maxlen=0)  # what is read already may still be in the making
                del batches

    def _numbers(self, name: str, column: Any, kind: Any) -> Any:
        """A column as numbers; the text of a kept feature is read as Arrow's reader would."""
        if not pa.types.is_string(column.type):
            return column
        try:
            text = pc.utf8_trim_whitespace(column)
            missing = pc.is_in(text, value_set=pa.array(pacsv.ConvertOptions().null_values))
            return pc.if_else(missing, pa.scalar(None, pa.string()), text).cast(kind)
        except pa.ArrowInvalid as reason:
            value = str(reason).partition("'")[2].rpartition("'")[0]
            problem = f"{name} ({value!r} is no number)"
            raise InputError(not_numbers(self._source, [problem])) from None

    def cancel(self) -> None:
        """Let this be the end of the file, also for a read that waits in another thread."""
        self._stream.cancel()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._stream.close()


def _sniff(stream: Pushback, header: bool) -> tuple[list[str], list[list[str]]]:
    """Column names and the first rows; leaves `stream` at the first row of data."""
    rows = filter(None, csv.reader(stream.lines()))  # a blank line is no row, as Arrow has it
    first = next(rows, [])
    if header:
        stream.drop_head()
        found = []
    else:
        found = [first] if first else []
    names = first if header else [f"f{i}" for i in range(len(first))]
    return names, found + [row for row, _ in zip(rows, range(_SNIFFED_LINES), strict=False)]


def check_separator(source: str, names: Sequence[str]) -> None:
    """Raise InputError where all names of a CSV are in one, with another separator between them."""
    (name, *others) = names
    found = [separator for separator in ";\t|" if separator in name]
    if found and not others:
        raise InputError(
            f"{source}: values must be separated by commas; "
            f"its first line has {found[0]!r} and no comma ({name[:100]})"
        )


def _booleans(names: Sequence[str], rows: Sequence[Sequence[str]]) -> set[str]:
    """Columns that hold nothing but true, false and gaps in `rows`, as pandas writes them."""
    columns = zip(*(row for row in rows if len(row) == len(names)), strict=True)
    return {
        name
        for name, values in zip(names, columns, strict=False)
        if (found := {value.lower() for value in values} - {""}) and found <= {"true", "false"}
    }


def _texts(names: Sequence[str], rows: Sequence[Sequence[str]], features: set[str]) -> list[str]:
    """The features that hold text in `rows`, all of them, each with what it holds."""
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
    return [f"{name} ({value!r} is no number)" for name, value in found.items()]
