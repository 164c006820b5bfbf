"""Open a CSV or Parquet table and read it as a stream of Arrow record batches.

Training and scoring both read through this module, so a value is parsed in the same way, and
counts as missing by the same rules, in both.
"""

import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Protocol

from serve_runtime.errors import InputError
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import pa, pc
from serve_runtime.tables.csv.numbers import parse_texts
from serve_runtime.tables.csv.reader import CsvReader
from serve_runtime.tables.dialect import Dialect, Told
from serve_runtime.tables.explain_errors import check_columns, not_numbers, reading
from serve_runtime.tables.formats import STDIO, holds_parquet
from serve_runtime.tables.parquet_table import ParquetReader
from serve_runtime.tables.times import text_seconds

_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Selection:
    """Which columns of a table are read, and as what."""

    features: Sequence[str]
    others: Sequence[str] = ()
    """Text from CSV, the file's own types from Parquet. They may be among the features too."""
    number_type: Any = None
    """Of the features, pa.float32() or pa.float64(): each is the number nearest to the value in the
    file (1 and 0 for true and false), null where one is missing. None is float32 from CSV, and the
    file's own types of numbers from Parquet."""
    texts: Collection[str] = ()
    """Features that are categories: from CSV dictionaries of the texts that stand there (the empty
    one too), from Parquet the file's own type, where text comes as a dictionary."""
    precise: Collection[str] = ()
    """Features that are float64."""
    times: Collection[str] = ()
    """Features that are float64: seconds since 1970 of dates and times (in CSV, of ISO 8601)."""
    may_miss: Collection[str] = ()
    """Features of which values may be missing, so that messages tell how a CSV's mark is taken."""


class TableReader(Protocol):
    """An open table that can be read once, from its first row to its last."""

    @property
    def names(self) -> list[str]:
        """Names of all columns, in the file's order."""

    @property
    def rows(self) -> int | None:
        """Number of rows in the file; None for CSV, where it is unknown before the end."""

    @property
    def types(self) -> Mapping[str, Any]:
        """The Arrow type of each column in the file, by name; of CSV, which has none, of no
        column."""

    @property
    def index_names(self) -> tuple[str, ...]:
        """Those of `names` that hold the index of a pandas frame, which is no feature."""

    @property
    def dialect(self) -> Dialect | None:
        """How the values of a CSV are written; None for Parquet."""

    def batches(self, wanted: "Selection") -> Generator[tuple[Any, Any], None, None]:
        """Pairs of record batches of the same rows: columns `wanted.features`, then columns
        `wanted.others`. A table without rows gives one pair of empty batches."""

    def cancel(self) -> None:
        """End the table here, also for a read that is waiting in another thread."""


@contextmanager
def open_table(
    source: str,
    *,
    header: bool | None = None,
    groups: Sequence[int] | None = None,
    folder_columns: Mapping[str, Any] = _NONE,
    dialect: Told = None,
    encoding_is_assumed: bool = False,
) -> Iterator[TableReader]:
    """Open the table `source` and close it on leaving the block.

    It is Parquet by its name or its first bytes (`holds_parquet`), or else CSV, perhaps packed by
    gzip (`open_bytes`); '-' is CSV on standard input. `header` tells whether a CSV begins with
    names, as `dialect` may too; without, its columns are named f0, f1, ….
    `groups` are the numbers of the Parquet row groups to read; None means all. `folder_columns` are
    further columns of one value, those of `TablePaths.folder_columns`. `dialect` tells how the
    values of a CSV are written, or some of that ({"separator": ";"}); the rest is recognised from
    its first lines, and is `TableReader.dialect`. If `encoding_is_assumed`, UTF-8 is refused where
    it tells another encoding.

    Raises InputError, here and while batches are read: the file does not exist or is empty, a
    column is missing or named twice, a line has too many or too few values (with the line's
    number), a feature is not a number (with its name); and on leaving the block after the last
    row, the file was changed meanwhile.

        with open_table("patients.csv") as table:
            for features, others in table.batches(Selection(["age", "bmi"], ["id"])):
                ...
    """
    with reading(source):
        before = _check_file(source)
        table = (
            ParquetReader(source, groups)
            if holds_parquet(source)
            else CsvReader(source, header, dialect, encoding_is_assumed)
        )
    try:
        yield _WithFolders(source, table, folder_columns) if folder_columns else table
        _require_unchanged(source, before)
    finally:
        table.close()


def read_batches(
    source: str,
    features: Sequence[str],
    others: Sequence[str] = (),
    *,
    header: bool | None = None,
    groups: Sequence[int] | None = None,
    number_type: Any = None,
    folder_columns: Mapping[str, Any] = _NONE,
    dialect: Told = None,
    texts: Collection[str] = (),
    precise: Collection[str] = (),
    times: Collection[str] = (),
) -> Generator[Any, None, None]:
    """Read a table from its first row to its last in Arrow record batches.

    Each batch has the columns `features`, as `number_type` (None is float32) but for those that are
    something else, and then the columns `others`, as `Selection` says. A table without rows gives
    one empty batch. The other arguments and errors are those of `open_table`.
    """
    with open_table(
        source, header=header, groups=groups, folder_columns=folder_columns, dialect=dialect
    ) as table:
        number_type = number_type or pa.float32()
        wanted = Selection(features, others, number_type, texts, precise, times)
        for numbers, rest in table.batches(wanted):
            yield pa.RecordBatch.from_arrays(
                [*numbers.columns, *rest.columns], [*features, *others]
            )


def dialect_of_first(sources: Sequence[str], told: Told, *, encoding_is_assumed: bool) -> Told:
    """What is told of several tables, completed from the first CSV. Raises InputError."""
    for source in sources if len(sources) > 1 else ():
        if not holds_parquet(source):
            with open_table(source, dialect=told, encoding_is_assumed=encoding_is_assumed) as table:
                return table.dialect
    return told


class _WithFolders:
    """A table with the further columns that its folders hold. A `TableReader`."""

    def __init__(self, source: str, table: TableReader, columns: Mapping[str, Any]) -> None:
        self._source, self._table, self._columns = source, table, columns
        self._there = set(table.names)
        self.names = [*table.names, *(name for name in columns if name not in self._there)]
        self.rows, self.index_names, self.types = table.rows, table.index_names, table.types
        self.dialect = table.dialect

    def batches(self, wanted: Selection) -> Generator[tuple[Any, Any], None, None]:
        """Pairs of record batches, as those of the table. Raises InputError."""
        features, others, texts = wanted.features, wanted.others, wanted.texts
        check_columns(self._source, self.names, features, others)
        constants = {
            name: _level(self._columns[name])
            if name in texts
            else text_seconds(pa.repeat(self._columns[name], 1), self._source, name)[0]
            if name in wanted.times
            else self._number(
                name, pa.float64() if name in wanted.precise else wanted.number_type or pa.float32()
            )
            for name in features
            if name in self._columns
        }
        kept = {name: self._columns[name] for name in others if name in self._columns}
        from_file = [name for name in features if name not in constants]
        further = [name for name in others if name not in kept]
        both = [name for name in dict.fromkeys((*constants, *kept)) if name in self._there]
        # Without any column a batch would not tell how many rows there are.
        counted = both or ([] if from_file or further else self._table.names[:1])
        there = set(from_file)
        of_file = replace(
            wanted,
            features=from_file,
            others=[*further, *counted],
            texts=there.intersection(texts),
            precise=there.intersection(wanted.precise),
            times=there.intersection(wanted.times),
        )
        for found, rest in self._table.batches(of_file):
            rows = max(found.num_rows, rest.num_rows)
            for name in both:
                self._require_equal(name, rest.column(name))
            yield _joined(features, found, constants, rows), _joined(others, rest, kept, rows)

    def _number(self, name: str, number_type: Any) -> Any:
        """The value of a folder as a number; the text of one is parsed as a CSV's."""
        value = self._columns[name]
        if not value.is_valid or not pa.types.is_string(value.type):
            return value.cast(number_type)
        for data_type in (number_type, pa.bool_()):
            with suppress(pa.ArrowInvalid):
                return parse_texts(pa.array([value.as_py()]), data_type).cast(number_type)[0]
        text = quoted(value.as_py())
        column = f"{quoted(name)} ({text}, from the name of its folder, is no number)"
        raise InputError(not_numbers(self._source, [column], [value.as_py()]))

    def _require_equal(self, name: str, column: Any) -> None:
        """Raise InputError unless the file's own column has the value of the folder."""
        value = self._columns[name]
        try:
            same = pc.equal(column.cast(value.type), value).fill_null(False)
            equal = pc.all(same, min_count=0).as_py()
        except pa.ArrowException:
            equal = False
        if not value.is_valid:
            equal = column.null_count == len(column)
        if not equal:
            folder = quoted(f"{name}={value.as_py()}")
            raise InputError(
                f"{self._source}: its column {quoted(name)} holds other values than the name of "
                f"its folder, {folder}: rename one of them"
            )

    def cancel(self) -> None:
        """End the table here."""
        self._table.cancel()


def _level(value: Any) -> Any:
    """The value of a folder as one of a column of texts, which is a dictionary."""
    text = value.cast(pa.string()).as_py()
    return pc.dictionary_encode(pa.array([text], pa.string()))[0]


def _joined(names: Sequence[str], batch: Any, constants: Mapping[str, Any], rows: int) -> Any:
    """A batch of `rows` rows with the columns `names`: constant ones, and those of `batch`."""
    columns = [
        pa.repeat(constants[name], rows) if name in constants else batch.column(name)
        for name in names
    ]
    return pa.RecordBatch.from_arrays(columns, list(names))


def _check_file(source: str) -> os.stat_result | None:
    """What the system says of the file, None for standard input.

    Raises InputError unless `source` exists, is no folder, and is not an empty file.
    """
    if source == STDIO:
        return None
    path = Path(source)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        raise InputError(f"{path} does not exist") from None
    except OSError as reason:  # a name too long, no permission, …
        raise InputError(f"cannot read {path}: {reason.strerror}") from None
    if S_ISDIR(found.st_mode):
        raise InputError(f"{path} is a folder, not a file")
    if S_ISREG(found.st_mode) and found.st_size == 0:
        raise InputError(f"{path} is empty")
    return found


def _require_unchanged(source: str, before: os.stat_result | None) -> None:
    """Raise InputError if the file is another one in size or time than `before` it was read.

    One that was replaced meanwhile, by a rename, was read to its end all the same.
    """
    if before is None or not S_ISREG(before.st_mode):
        return
    try:
        now = Path(source).stat()
    except OSError:  # removed: what was open was read to its end
        return
    same_file = (now.st_dev, now.st_ino) == (before.st_dev, before.st_ino)
    if same_file and (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError(
            f"{source} was changed while it was read: it had {before.st_size:,} bytes, now it has "
            f"{now.st_size:,}. Read it again when whoever writes it is done"
        )
