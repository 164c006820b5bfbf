"""Read Parquet as a stream of Arrow record batches."""

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from serve_runtime.errors import InputError
from serve_runtime.tables.arrow import no_rows, pa, pq
from serve_runtime.tables.explain_errors import check_columns, check_levels, check_numbers, reading
from serve_runtime.tables.numbers import holds_texts, is_moment, is_text_type, to_floats, to_precise
from serve_runtime.tables.times import text_seconds

if TYPE_CHECKING:
    from serve_runtime.tables.read import Selection

_BUFFER_BYTES = 1 << 18
"""Bytes read from the file at once, for each column."""

_BATCH_ROWS, _BATCH_VALUES = 1 << 16, 1 << 21
"""A batch has at most so many rows, and at most so many values in all its columns together."""


def row_group_sizes(source: str) -> list[int]:
    """Number of rows of each row group of a Parquet file, from its footer alone.

    Raises InputError if the file cannot be read.
    """
    with reading(source):
        found = pq.read_metadata(source)
        return [found.row_group(number).num_rows for number in range(found.num_row_groups)]


class ParquetReader:
    """An open Parquet file that can be read once. A `TableReader`.

    `groups` are the numbers of the row groups to read; None means all. Raises OSError or
    pyarrow.ArrowException if the file cannot be read.
    """

    dialect = None  # it has none

    def __init__(self, source: str, groups: Sequence[int] | None = None) -> None:
        self._source, self._groups = source, groups
        self._bytes = pa.OSFile(source)
        self._file = _open(self._bytes)
        schema = self._file.schema_arrow
        self.names: list[str] = list(schema.names)
        self.types = dict(zip(schema.names, schema.types, strict=True))
        self.rows: int = self._file.metadata.num_rows
        self.index_names = _index_names(self._file.schema_arrow)

    def batches(self, wanted: "Selection") -> Generator[tuple[Any, Any], None, None]:
        """Pairs of record batches, as `TableReader.batches` says. Raises InputError, as
        `tables.read.open_table` does."""
        features, others = wanted.features, wanted.others
        texts, times = wanted.texts, wanted.times

        def number(name: str, column: Any) -> Any:
            if name in times and holds_texts(column.type):
                return text_seconds(column, self._source, name)
            if name in wanted.precise or name in times:
                try:
                    return to_precise(column, name, time=name in times)
                except InputError as reason:
                    raise InputError(f"{self._source}: {reason}") from None
            as_it_is = name in texts or wanted.number_type is None
            return column if as_it_is else to_floats(column, wanted.number_type)

        def pair(batch: Any) -> tuple[Any, Any]:
            columns = [number(name, batch.column(name)) for name in features]
            found = pa.RecordBatch.from_arrays(columns, list(features))
            kept = [batch.column(name) for name in others]
            if as_levels:  # one that is a feature too comes as it is in the file
                kept = list(map(self._as_in_file, others, kept))
            return found, pa.RecordBatch.from_arrays(kept, list(others))

        check_columns(self._source, self.names, features, others)
        moments = [name for name in times if is_moment(self.types[name])]
        moments += [name for name in times if holds_texts(self.types[name])]
        numbers = [name for name in features if name not in texts and name not in moments]
        check_numbers(self._source, self._file.schema_arrow, numbers)
        check_levels(self._source, self._file.schema_arrow, texts)
        if as_levels := [name for name in texts if is_text_type(self.types[name])]:
            # The levels of a dictionary are looked up once each, and need no copy a row.
            self._file = _open(self._bytes, self._file.metadata, as_levels)
        schema = self._file.schema_arrow
        chosen = pa.schema([schema.field(name) for name in dict.fromkeys((*features, *others))])
        rows = max(1, min(_BATCH_ROWS, _BATCH_VALUES // max(1, len(chosen))))
        read = 0
        with reading(self._source):
            for batch in self._file.iter_batches(rows, self._groups, columns=chosen.names):
                yield pair(batch)
                read += batch.num_rows
        if read != (promised := self._promised_rows()):
            raise InputError(
                f"{self._source}: its footer promises {promised:,} rows, {read:,} came: the file "
                "is damaged, write it again"
            )
        if not read:
            yield pair(no_rows(chosen))

    def _as_in_file(self, name: str, column: Any) -> Any:
        """The column `name` in the type that it has in the file."""
        own = self.types[name]
        return column if column.type == own else column.dictionary_decode().cast(own)

    def _promised_rows(self) -> int:
        """Number of rows of all groups that are read, as the footer says: of all groups, it says
        it twice."""
        found = self._file.metadata
        groups = range(found.num_row_groups) if self._groups is None else self._groups
        total: int = sum(found.row_group(group).num_rows for group in groups)
        return max(total, self.rows) if self._groups is None else total

    def cancel(self) -> None:
        """Do nothing: reading a file on disk never waits for more data to arrive."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._bytes.close()


def _open(source: Any, metadata: Any = None, as_levels: Sequence[str] = ()) -> Any:
    """An open Parquet file, of which texts in the columns `as_levels` come as dictionaries."""
    return pq.ParquetFile(
        source,
        metadata=metadata,
        read_dictionary=list(as_levels),
        # Without these two options Arrow reads whole row groups ahead: 630 MB instead of 90 MB.
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
    )


def _index_names(schema: Any) -> tuple[str, ...]:
    """The columns that hold the index of a pandas frame, as pandas says in the file's metadata."""
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        return tuple(name for name in found if isinstance(name, str) and name in schema.names)
    except (KeyError, TypeError, ValueError):  # other programs write no or other metadata
        return ()
