"""Arrow batches into a CSV or Parquet file, a pipe, or standard output."""

import base64
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from serve_runtime.atomic import new_file
from serve_runtime.errors import OutputError
from serve_runtime.scoring.batches import SCORE_COLUMNS, with_plain_label
from serve_runtime.tables.arrow import pa, pacsv, pq
from serve_runtime.tables.background import behind
from serve_runtime.tables.formats import STDIO, is_gzip, is_parquet

_GROUP_ROWS, _GROUP_BYTES = 1 << 19, 1 << 25
"""A row group of Parquet is gathered until it has as many. Larger ones cost memory, and smaller
ones leave a footer that grows with the rows."""


@contextmanager
def table_writer(destination: str) -> Iterator[Callable[[Any], None]]:
    """A function that appends batches of `score_pairs` to `destination`.

    A file ending in .parquet or .pq is Parquet, else CSV, gzipped where it ends in .gz. It is
    built aside, by a thread, and renamed into place. '-' is CSV on standard output; that, pipes and
    devices are written to at once. All batches must have one schema. Raises OutputError, and
    BrokenPipeError from standard output.
    """
    with ExitStack() as stack:
        sink, aside = _sink(destination, stack)
        append = stack.enter_context(_appender(destination, sink))
        # Whoever waits for a pipe's reader can be interrupted; a thread that does so cannot.
        yield stack.enter_context(behind(append)) if aside else append


@contextmanager
def _appender(destination: str, sink: Any) -> Iterator[Callable[[Any], None]]:
    """Writes batches of one schema to `sink`, and on leaving what completes the file."""
    make = _ParquetGroups if is_parquet(destination) else _CsvRows
    writer: Any = None

    def append(batch: Any) -> None:
        nonlocal writer
        with _writing(destination):
            if writer is None:
                writer = make(sink, with_plain_label(batch.slice(0, 0)).schema)
            writer.write_batch(batch)
            if not isinstance(sink, pa.NativeFile):  # somebody may wait for each batch
                sink.flush()

    try:
        yield append
    except BaseException:
        with suppress(pa.ArrowException, OSError):  # what failed first is to be told
            if writer is not None:
                writer.close()
        raise
    with _writing(destination):
        if writer is not None:
            writer.close()


@contextmanager
def _writing(destination: str) -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, OutputError):
        raise
    except (pa.ArrowException, OSError, UnicodeEncodeError) as reason:
        raise OutputError(f"cannot write {destination}: {reason}") from None


class _CsvRows:
    """A CSV file."""

    def __init__(self, sink: Any, schema: Any) -> None:
        self._writer = pacsv.CSVWriter(sink, schema)

    def write_batch(self, batch: Any) -> None:
        self._writer.write_batch(with_plain_label(batch))

    def close(self) -> None:
        self._writer.close()


class _ParquetGroups:
    """A Parquet file whose row groups are gathered from batches."""

    def __init__(self, sink: Any, schema: Any) -> None:
        # Labels go in as they are encoded, a sixth of all the work less; but whoever reads the
        # file back with Arrow shall get the columns of `schema`.
        label = pa.field(SCORE_COLUMNS[1], pa.dictionary(pa.int8(), schema.types[-1]))
        encoded = schema.set(len(schema) - 1, label)
        # Hardly two probabilities are the same: to look for those that are doubles the time.
        repeating = [name for name in schema.names if name != SCORE_COLUMNS[0]]
        self._writer = pq.ParquetWriter(sink, encoded, use_dictionary=repeating, store_schema=False)
        self._writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(schema.serialize())})
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def write_batch(self, batch: Any) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        with closing(self._writer):
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            group = pa.Table.from_batches(self._batches)
            self._writer.write_table(group, row_group_size=self._rows)
            # What Arrow frees it keeps for itself, in odd pieces: 15 % more at 20 million rows.
            pa.default_memory_pool().release_unused()
        self._batches, self._rows, self._bytes = [], 0, 0


def _sink(destination: str, stack: ExitStack) -> tuple[Any, bool]:
    """What Arrow's writers write to, and whether it is a file aside, renamed at the end."""
    if destination == STDIO:
        if sys.stdout is None:
            raise OutputError("standard output is closed: name a file with -o")
        return _buffered(sys.stdout.buffer), False
    path = Path(destination)
    if is_special(path):
        stack.enter_context(_writing(destination))
        # Arrow's own way to open it cannot be interrupted while a pipe has no reader.
        return stack.enter_context(path.open("wb")), False
    with _writing(destination):
        path = Path(os.path.realpath(path))  # a link stays a link
    aside = str(stack.enter_context(new_file(path)))
    stack.enter_context(_writing(destination))
    # Arrow would keep a file open that it has opened itself and failed to write to.
    file = stack.enter_context(pa.OSFile(aside, "wb"))
    if is_gzip(destination):
        return stack.enter_context(pa.CompressedOutputStream(file, "gzip")), True
    return file, True


def _buffered(stream: Any) -> Any:
    """The same stream, such that what is written to it is written whole.

    Arrow does not look at how much a write has taken, and an unbuffered stream (`python -u`) may
    take less than it was given.
    """
    if isinstance(stream, io.RawIOBase):
        return io.BufferedWriter(io.FileIO(stream.fileno(), "wb", closefd=False))
    return stream


def is_special(path: Path) -> bool:
    """Whether there is something at `path` that is no file and no folder: a pipe, a device."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError as reason:  # a name too long, say
        raise OutputError(f"cannot write {os.fspath(path)}: {reason.strerror}") from None
