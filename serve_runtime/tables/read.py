"""CSV and Parquet tables as a stream of Arrow batches.

Training and scoring read through this one module, so a value that was trained on and a value
that is scored come from the same parser with the same idea of what is missing.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from serve_runtime.errors import InputError
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.csv_table import CsvTable
from serve_runtime.tables.explain_errors import reading
from serve_runtime.tables.formats import STDIO, is_parquet
from serve_runtime.tables.parquet_table import ParquetTable


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
