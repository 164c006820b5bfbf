"""CSV and Parquet tables as a stream of Arrow batches.

Training and scoring read through this one module, so a value that was trained on and a value
that is scored come from the same parser with the same idea of what is missing.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from serve_runtime.arrow import no_rows, pa, pq
from serve_runtime.byte_input import STDIO
from serve_runtime.csv_tables import CsvTable
from serve_runtime.errors import InputError
from serve_runtime.table_errors import check_columns, check_numbers, reading

_BUFFER_BYTES = 1 << 18
_BATCH_ROWS, _BATCH_VALUES = 1 << 16, 1 << 21


class Table(Protocol):
    """A table that is open for one pass."""

    @property
    def names(self) -> list[str]:
        """All its columns."""

    @property
    def rows(self) -> int | None:
        """How many there are, where that is known beforehand."""

    def batches(
        self, features: Sequence[str], others: Sequence[str]
    ) -> Generator[tuple[Any, Any], None, None]:
        """Pairs of record batches of the same rows: the columns `features`, null where a value
        is missing, and `others`. A name may be among both. No rows are one empty pair."""

    def cancel(self) -> None:
        """Let this be the end of the table, also for a read that waits in another thread."""


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether the name says Parquet; everything else is CSV, gzipped where it ends in .gz."""
    return os.fspath(path).lower().endswith((".parquet", ".pq"))


@contextmanager
def opened(
    source: str, *, header: bool = True, groups: Sequence[int] | None = None
) -> Iterator[Table]:
    """The table `source`: CSV (plain or gzip; '-' is standard input) or Parquet by its name.

    Without a `header` the columns of a CSV are f0, f1, …. Of a Parquet file, only the row groups
    `groups` are read, where some are named. Raises InputError, here and while
    batches are read: missing or empty file, columns missing or named twice, a ragged line (with
    its number), a feature that is not a number (with its name).
    """
    with reading(source):
        _check_file(source)
        table = ParquetTable(source, groups) if is_parquet(source) else CsvTable(source, header)
    try:
        yield table
    finally:
        table.close()


def read_column_names(source: str, *, header: bool = True) -> list[str]:
    """Names of all columns of a CSV or Parquet file; f0, f1, … for CSV without a `header`."""
    with opened(source, header=header) as table:
        return table.names


def open_table(
    source: str,
    features: Sequence[str],
    others: Sequence[str] = (),
    *,
    header: bool = True,
    groups: Sequence[int] | None = None,
) -> Generator[Any, None, None]:
    """One pass over a table in record batches; errors and sources are those of `opened`.

    Each batch has the columns `features`, float32 (true and false as 1 and 0) and null where a
    value is missing, and then `others`: text from CSV, their own type from Parquet. A name may be
    among both. A table without rows gives one empty batch.
    """
    with opened(source, header=header, groups=groups) as table:
        for numbers, rest in table.batches(features, others):
            columns = [column.cast(pa.float32(), safe=False) for column in numbers.columns]
            yield pa.RecordBatch.from_arrays([*columns, *rest.columns], [*features, *others])


def row_group_sizes(source: str) -> list[int]:
    """Rows of each row group of a Parquet file. Raises InputError where it cannot be read."""
    with reading(source):
        found = pq.read_metadata(source)
        return [found.row_group(number).num_rows for number in range(found.num_row_groups)]


class ParquetTable:
    """A Parquet file, or its row groups `groups`, open for one pass. See Table."""

    def __init__(self, source: str, groups: Sequence[int] | None = None) -> None:
        self._source, self._groups = source, groups
        # Without these two Arrow reads whole row groups ahead: 630 MB where 90 are enough.
        self._file = pq.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        self.names: list[str] = list(self._file.schema_arrow.names)
        self.rows: int = self._file.metadata.num_rows

    def batches(
        self, features: Sequence[str], others: Sequence[str]
    ) -> Generator[tuple[Any, Any], None, None]:
        """Batches of the columns, each of the type that it has in the file, as in Table."""
        schema = self._file.schema_arrow
        check_columns(self._source, self.names, features, others)
        check_numbers(self._source, schema, features)
        wanted = pa.schema([schema.field(name) for name in dict.fromkeys((*features, *others))])
        rows = max(1, min(_BATCH_ROWS, _BATCH_VALUES // max(1, len(wanted))))
        empty = True
        with reading(self._source):
            for batch in self._file.iter_batches(rows, self._groups, columns=wanted.names):
                yield batch.select(list(features)), batch.select(list(others))
                empty = False
        if empty:
            batch = no_rows(wanted)
            yield batch.select(list(features)), batch.select(list(others))

    def cancel(self) -> None:
        """Nothing to do: a file does not wait."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check_file(source: str) -> None:
    path = Path(source)
    if source == STDIO:
        return
    try:
        there = path.exists()
    except OSError as reason:  # a name too long, say
        raise InputError(f"cannot read {path}: {reason.strerror}") from None
    if path.is_dir() or not there:
        kind = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {kind}")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty")
