"""CSV and Parquet tables as a stream of Arrow batches, features as float32.

Training and scoring read through this one module, so a value that was trained on and a value
that is scored come from the same parser with the same idea of what is missing.
"""

import csv
import gzip
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from serve_runtime.columnar import check_names
from serve_runtime.errors import InputError, MissingDependencyError
from serve_runtime.table_errors import explain, not_numbers

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq
except ImportError:
    raise MissingDependencyError(
        "reading and writing files needs pyarrow: pip install 'serve-runtime[files]'"
    ) from None

STDIO = "-"
_BLOCK_BYTES = 1 << 20
_BATCH_ROWS, _BATCH_VALUES = 1 << 16, 1 << 22
_SNIFFED_LINES = 64


def is_parquet(path: str | Path) -> bool:
    """Whether the name says Parquet; everything else is CSV, gzipped where it ends in .gz."""
    return str(path).lower().endswith((".parquet", ".pq"))


def is_gzip(path: str | Path) -> bool:
    """Whether the name says gzip."""
    return str(path).lower().endswith(".gz")


def read_column_names(source: str, *, header: bool = True) -> list[str]:
    """Names of all columns of a CSV or Parquet file; f0, f1, … for CSV without a `header`."""
    with _errors(source, ()):
        _check_file(source)
        if is_parquet(source):
            return list(pq.read_schema(source).names)
        with closing(_Pushback(_open_bytes(source))) as stream:
            names, _ = _sniff(stream, header)
        if not names:
            raise InputError(f"{source} is empty")
        return names


def open_table(
    source: str, features: Sequence[str], others: Sequence[str] = (), *, header: bool = True
) -> Iterator[Any]:
    """One pass over CSV (plain or gzip; '-' is standard input) or Parquet, in record batches.

    Each batch has the columns `features`, float32 (true and false as 1 and 0) and null where a
    value is missing, and then `others`: text from CSV, their own type from Parquet. A name may be
    among both. A table without rows gives one empty batch.
    Raises InputError: missing or empty file, columns missing or named twice, a ragged line (with
    its number), a feature that is not a number (with its name).
    """
    with _errors(source, ()):
        _check_file(source)
        read = _read_parquet if is_parquet(source) else _read_csv
        yield from read(source, features, others, header)


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


@contextmanager
def _errors(source: str, columns: Sequence[str]) -> Iterator[None]:
    """Arrow's errors, and those of files, made ours; `columns` are all those of the file."""
    try:
        yield
    except (
        pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error
    ) as reason:  # fmt: skip
        again = (lambda: _open_bytes(source)) if os.path.isfile(source) else None  # noqa: PTH113
        raise InputError(explain(source, str(reason), columns, again)) from None


def _read_parquet(
    source: str, features: Sequence[str], others: Sequence[str], header: bool
) -> Iterator[Any]:
    with pq.ParquetFile(source, pre_buffer=False, buffer_size=_BLOCK_BYTES) as file:
        schema = file.schema_arrow
        _check_columns(source, schema.names, features, others)
        kinds = {name: schema.field(name).type for name in features}
        text = [f"{name} ({kind})" for name, kind in kinds.items() if not _is_number(kind)]
        if text:
            raise InputError(not_numbers(source, text))
        wanted = pa.schema([schema.field(name) for name in dict.fromkeys((*features, *others))])
        rows = max(1, min(_BATCH_ROWS, _BATCH_VALUES // max(1, len(wanted))))
        batches = file.iter_batches(rows, columns=wanted.names)
        yield from _converted(source, batches, wanted, features, others)


def _read_csv(
    source: str, features: Sequence[str], others: Sequence[str], header: bool
) -> Iterator[Any]:
    with closing(_Pushback(_open_bytes(source))) as stream:
        names, first_rows = _sniff(stream, header)
        if not names:
            raise InputError(f"{source} is empty")
        _check_columns(source, names, features, others)
        booleans = _booleans(names, first_rows)
        text = _texts(names, first_rows, set(features) - booleans)
        if text:
            raise InputError(not_numbers(source, text))
        kinds = {name: pa.bool_() if name in booleans else pa.float32() for name in features}
        wanted = pa.schema({**kinds, **{name: pa.string() for name in others}})
        batches: Iterable[Any] = ()
        # A line must fit into a block, or two.
        block = max(_BLOCK_BYTES, 2 * stream.looked_at())
        with _errors(source, names):
            if first_rows:
                batches = pyarrow.csv.open_csv(
                    pa.PythonFile(stream, mode="r"),
                    read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=block),
                    parse_options=pyarrow.csv.ParseOptions(
                        newlines_in_values=True,
                        # In a single column a blank line is a row that misses its value.
                        ignore_empty_lines=len(names) > 1,
                    ),
                    convert_options=pyarrow.csv.ConvertOptions(
                        column_types=wanted, include_columns=wanted.names
                    ),
                )
            yield from _converted(source, batches, wanted, features, others, booleans)


def _converted(
    source: str,
    batches: Iterable[Any],
    schema: Any,
    features: Sequence[str],
    others: Sequence[str],
    booleans: Iterable[str] = (),
) -> Iterator[Any]:
    """Batches of features cast to float32, then others; one empty batch where there is none."""

    def convert(batch: Any) -> Any:
        numbers = [_to_float32(source, name, batch.column(name), booleans) for name in features]
        rest = [batch.column(name) for name in others]
        return pa.RecordBatch.from_arrays([*numbers, *rest], names=[*features, *others])

    empty = True
    for batch in batches:
        yield convert(batch)
        empty = False
    if empty:
        no_rows = [pa.array([], field.type) for field in schema]
        yield convert(pa.RecordBatch.from_arrays(no_rows, schema=schema))


def _to_float32(source: str, name: str, column: Any, booleans: Iterable[str]) -> Any:
    """A column as float32; the text of a kept feature is read as Arrow's CSV reader would."""
    try:
        if pa.types.is_string(column.type):
            text = pc.utf8_trim_whitespace(column)
            missing = pc.is_in(text, value_set=pa.array(pyarrow.csv.ConvertOptions().null_values))
            text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
            column = pc.cast(text, pa.bool_()) if name in booleans else text
        return pc.cast(column, pa.float32(), safe=False)
    except pa.ArrowInvalid as reason:
        value = str(reason).partition("'")[2].rpartition("'")[0]
        raise InputError(not_numbers(source, [f"{name} ({value!r} is no number)"])) from None


def _check_columns(
    source: str, names: Sequence[str], features: Sequence[str], others: Sequence[str]
) -> None:
    missing = [name for name in others if name not in names]
    try:
        check_names(names, features)
        if missing:
            raise InputError(f"columns are missing: {', '.join(missing)} (got: {', '.join(names)})")
        check_names(names, others)
    except InputError as reason:
        raise InputError(f"{source}: {reason}") from None


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
    missing = set(pyarrow.csv.ConvertOptions().null_values)
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


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _open_bytes(source: str) -> BinaryIO:
    if source == STDIO:
        if sys.stdin is None:
            raise InputError("standard input is closed: give a file, or pipe CSV into the command")
        return sys.stdin.buffer
    if is_gzip(source):
        return gzip.open(source)  # type: ignore[return-value]
    return Path(source).open("rb")


class _Pushback:
    """A byte stream whose first lines can be looked at and then read again."""

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._head, self._rest = b"", rest

    def lines(self) -> Iterator[str]:
        while line := self._rest.readline():
            self._head += line
            yield line.decode("utf-8-sig" if len(self._head) == len(line) else "utf-8")

    def looked_at(self) -> int:
        return len(self._head)

    def drop_head(self) -> None:
        self._head = b""

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head[:size], self._head[size:]
            return head
        return self._rest.read(size)

    def close(self) -> None:
        self.closed = True
        if sys.stdin is None or self._rest is not sys.stdin.buffer:
            self._rest.close()


def _sniff(stream: _Pushback, header: bool) -> tuple[list[str], list[list[str]]]:
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
