"""CSV and Parquet tables as a stream of Arrow batches, features as float32.

Training and scoring read through this one module, so a value that was trained on and a value
that is scored come from the same parser with the same idea of what is missing.
"""

import csv
import gzip
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from serve_runtime.columnar import check_names
from serve_runtime.errors import InputError, MissingDependencyError

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
_BATCH_ROWS = 1 << 16
_SNIFFED_LINES = 64


def is_parquet(path: str | Path) -> bool:
    """Whether the name says Parquet; everything else is CSV, gzipped where it ends in .gz."""
    return str(path).lower().endswith((".parquet", ".pq"))


def read_column_names(source: str, *, header: bool = True) -> list[str]:
    """Names of all columns of a CSV or Parquet file; f0, f1, … for CSV without a `header`."""
    with _errors(source):
        _check_file(source)
        if is_parquet(source):
            return list(pq.read_schema(source).names)
        with closing(_Pushback(_open_bytes(source))) as stream:
            return _sniff(stream, header)[0]


def open_table(
    source: str, features: Sequence[str], others: Sequence[str] = (), *, header: bool = True
) -> Iterator[Any]:
    """One pass over CSV (plain or gzip; '-' is standard input) or Parquet, in record batches.

    Each batch has the columns `features`, float32 (true and false as 1 and 0) and null where a
    value is missing, and then `others`: text from CSV, their own type from Parquet. A table
    without rows gives one empty batch.
    Raises InputError: missing or empty file, columns missing or named twice, a ragged line (with
    its number), a feature that is not a number (with its name).
    """
    wanted = [*features, *others]
    with _errors(source, wanted):
        _check_file(source)
        read = _read_parquet if is_parquet(source) else _read_csv
        yield from read(source, features, others, header)


def _check_file(source: str) -> None:
    path = Path(source)
    if source == STDIO:
        return
    if path.is_dir() or not path.exists():
        raise InputError(
            f"{path} {'is a folder, not a file' if path.is_dir() else 'does not exist'}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")


@contextmanager
def _errors(source: str, wanted: Sequence[str] = ()) -> Iterator[None]:
    """Arrow's errors, and those of files, made ours."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error) as reason:
        raise InputError(_explain(source, str(reason), wanted)) from None


def _read_parquet(
    source: str, features: Sequence[str], others: Sequence[str], header: bool
) -> Iterator[Any]:
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        _check_columns(source, schema.names, [*features, *others])
        kinds = {name: schema.field(name).type for name in features}
        text = [f"{name} ({kind})" for name, kind in kinds.items() if not _is_number(kind)]
        if text:
            raise InputError(_not_numbers(source, text))
        wanted = pa.schema([schema.field(name) for name in (*features, *others)])
        batches = file.iter_batches(_BATCH_ROWS, columns=wanted.names)
        yield from _converted(batches, wanted, features)


def _read_csv(
    source: str, features: Sequence[str], others: Sequence[str], header: bool
) -> Iterator[Any]:
    with closing(_Pushback(_open_bytes(source))) as stream:
        names, first_rows = _sniff(stream, header)
        if not names:
            raise InputError(f"{source} is empty")
        _check_columns(source, names, [*features, *others])
        booleans = _booleans(names, first_rows)
        kinds = {name: pa.bool_() if name in booleans else pa.float32() for name in features}
        wanted = pa.schema({**kinds, **{name: pa.string() for name in others}})
        batches: Iterable[Any] = ()
        if first_rows:
            batches = pyarrow.csv.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=wanted, include_columns=wanted.names
                ),
            )
        yield from _converted(batches, wanted, features)


def _converted(batches: Iterable[Any], schema: Any, features: Sequence[str]) -> Iterator[Any]:
    """The batches with features cast to float32; one empty batch where there is none."""
    numbers, empty = set(features), True
    for batch in batches:
        yield _cast(batch, schema.names, numbers)
        empty = False
    if empty:
        no_rows = [pa.array([], field.type) for field in schema]
        yield _cast(pa.RecordBatch.from_arrays(no_rows, schema=schema), schema.names, numbers)


def _cast(batch: Any, names: Sequence[str], numbers: set[str]) -> Any:
    columns = [
        pc.cast(column, pa.float32(), safe=False) if name in numbers else column
        for name, column in ((name, batch.column(name)) for name in names)
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def _check_columns(source: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    try:
        check_names(names, wanted)
    except InputError as reason:
        raise InputError(f"{source}: {reason}") from None


def _explain(source: str, reason: str, wanted: Sequence[str]) -> str:
    """Arrow's message with the column's name and the line's number in place of positions."""
    ragged = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if ragged:
        width, found = ragged.groups()
        return f"{source}{_ragged_line(source, int(width))}: expected {width} values, got {found}"
    column = re.search(r"In CSV column #(\d+):(?: Row #(\d+):)? (.*)", reason, re.DOTALL)
    if column:
        number, row, detail = column.groups()
        value = re.search(r"invalid value '(.*)'", detail, re.DOTALL)
        found = f"{value.group(1)!r} is no number" if value else detail
        where = f", data row {row}" if row else ""
        return _not_numbers(source, [f"{wanted[int(number)]} ({found}{where})"])
    return f"cannot read {source}: {reason}"


def _not_numbers(source: str, columns: Sequence[str]) -> str:
    return (
        f"{source}: features must be numbers; these columns are not: {', '.join(columns)}. "
        "Leave them out or encode them as numbers"
    )


def _ragged_line(source: str, width: int) -> str:
    """Where the first line of another width is: read again, as Arrow does not count blank lines."""
    if source == STDIO:
        return ""
    with _open_bytes(source) as stream:
        reader = csv.reader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        before = 0
        for row in reader:
            if row and len(row) != width:
                return f", line {before + 1}"
            before = reader.line_num
    return ""


def _booleans(names: Sequence[str], rows: Sequence[Sequence[str]]) -> set[str]:
    """Columns that hold nothing but true and false in `rows`, as pandas writes them."""
    columns = zip(*(row for row in rows if len(row) == len(names)), strict=True)
    return {
        name
        for name, values in zip(names, columns, strict=False)
        if {value.lower() for value in values} <= {"true", "false"}
    }


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _open_bytes(source: str) -> BinaryIO:
    if source == STDIO:
        return sys.stdin.buffer
    if source.lower().endswith(".gz"):
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

    def drop(self, size: int) -> None:
        self._head = self._head[size:]

    def looked_at(self) -> int:
        return len(self._head)

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head[:size], self._head[size:]
            return head
        return self._rest.read(size)

    def close(self) -> None:
        self.closed = True
        if self._rest is not sys.stdin.buffer:
            self._rest.close()


def _sniff(stream: _Pushback, header: bool) -> tuple[list[str], list[list[str]]]:
    """Column names and the first rows; leaves `stream` at the first row of data."""
    reader = csv.reader(stream.lines())
    names = next(reader, [])
    if header:
        stream.drop(stream.looked_at())
    else:
        names = [f"f{i}" for i in range(len(names))]
    return names, [row for row, _ in zip(reader, range(_SNIFFED_LINES), strict=False)]
