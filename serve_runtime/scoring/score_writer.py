"""Write scored Arrow batches to a CSV or Parquet file, a pipe, or standard output."""

import base64
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from serve_runtime.errors import OutputError
from serve_runtime.outputs.direct import is_direct, is_stdout, open_direct
from serve_runtime.outputs.new_file import Notice, new_file, silent
from serve_runtime.scoring.batches import decode_labels
from serve_runtime.tables.arrow import pa, pacsv, pq
from serve_runtime.tables.background import write_behind
from serve_runtime.tables.formats import STDIO, is_gzip, is_parquet

_GROUP_ROWS, _GROUP_BYTES = 1 << 19, 1 << 25
"""Batches are collected into a Parquet row group until it has so many rows or bytes. Larger groups
take more memory; smaller ones make the file's footer, which every reader loads, longer."""


@contextmanager
def table_writer(
    destination: str, *, replace: bool = True, notice: Notice = silent
) -> Iterator[Callable[[Any], None]]:
    """Give a function that appends a batch of `score_pairs` to `destination`.

    A name that ends in .parquet or .pq makes a Parquet file, every other one CSV (gzip if it ends
    in .gz). A background thread writes a temporary file, which takes the place of `destination`
    when the block is left without an error; `replace` and `notice` are those of `new_file`. '-' is
    CSV on standard output; that, pipes and devices are written to directly, each batch as it comes.
    All batches must have the same schema.

    Raises OutputError, and BrokenPipeError if the program that reads standard output has ended.
    """
    with ExitStack() as stack:
        path = Path(destination)
        is_temporary = destination != STDIO and not is_direct(path)
        if is_temporary:
            path = stack.enter_context(new_file(path, replace=replace, notice=notice))
        stack.enter_context(_arrow_writing(destination))
        stream = _open_output(destination, path, is_temporary, stack)
        append = stack.enter_context(_appender(destination, stream))
        # Writing to a pipe may wait for its reader. Ctrl-C ends that wait in the main thread only.
        yield stack.enter_context(write_behind(append)) if is_temporary else append


@contextmanager
def _appender(destination: str, stream: Any) -> Iterator[Callable[[Any], None]]:
    """Give a function that writes a batch to `stream`; on leaving, complete the file."""
    make = _ParquetWriter if is_parquet(destination) else _CsvWriter
    writer: Any = None

    def append(batch: Any) -> None:
        nonlocal writer
        with _arrow_writing(destination):
            if writer is None:
                writer = make(stream, decode_labels(batch.slice(0, 0)).schema)
            writer.write_batch(batch)
            if not isinstance(stream, pa.NativeFile):  # a pipe's reader may wait for each batch
                stream.flush()

    try:
        yield append
    except BaseException:
        with suppress(pa.ArrowException, OSError):  # the first error is the one to report
            if writer is not None:
                writer.close()
        raise
    with _arrow_writing(destination):
        if writer is not None:
            writer.close()


@contextmanager
def _arrow_writing(destination: str) -> Iterator[None]:
    """Raise OutputError for what fails inside the block, but let BrokenPipeError through."""
    try:
        yield
    except (BrokenPipeError, OutputError):
        raise
    except (pa.ArrowException, OSError, UnicodeEncodeError) as reason:
        raise OutputError(f"cannot write {destination}: {reason}") from None


class _CsvWriter:
    """Writes batches of `score_pairs` as CSV, labels spelled out."""

    def __init__(self, stream: Any, schema: Any) -> None:
        self._writer = pacsv.CSVWriter(stream, schema)

    def write_batch(self, batch: Any) -> None:
        self._writer.write_batch(decode_labels(batch))

    def close(self) -> None:
        self._writer.close()


class _ParquetWriter:
    """Writes batches of `score_pairs` as Parquet; several batches make one row group."""

    def __init__(self, stream: Any, schema: Any) -> None:
        # Labels are written dictionary-encoded, as they come, which saves a sixth of all the work.
        # The Arrow schema stored in the file is that of decoded labels, so that reading the file
        # back with Arrow gives the columns of `schema`.
        *kept, _, label_name = schema.names
        label = pa.field(label_name, pa.dictionary(pa.int8(), schema.types[-1]))
        encoded = schema.set(len(schema) - 1, label)
        # Hardly any two probabilities are equal: a dictionary of them would only double the time.
        self._writer = pq.ParquetWriter(
            stream, encoded, use_dictionary=[*kept, label_name], store_schema=False
        )
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
            # Arrow keeps freed memory in pieces that it cannot use again: 15 % more memory at 20
            # million rows.
            pa.default_memory_pool().release_unused()
        self._batches, self._rows, self._bytes = [], 0, 0


def _open_output(destination: str, path: Path, is_temporary: bool, stack: ExitStack) -> Any:
    """Open the stream that Arrow writes to: the file `path`, if it is temporary, or `destination`.

    Closing it is left to `stack`.
    """
    if is_stdout(path):
        if sys.stdout is None:
            raise OutputError("standard output is closed: name a file with -o")
        return _write_all(sys.stdout.buffer)
    # A file that Arrow's writers open themselves would stay open after a failed write. Opening a
    # pipe waits for its reader; Ctrl-C does not end that wait in Arrow's own open.
    file = stack.enter_context(pa.OSFile(str(path), "wb") if is_temporary else open_direct(path))
    if is_gzip(destination):
        return stack.enter_context(pa.CompressedOutputStream(file, "gzip"))
    return file


def _write_all(stream: Any) -> Any:
    """The stream, buffered if it was not, so that each write takes all bytes that it is given.

    Arrow ignores how many bytes a write took, and an unbuffered stream (`python -u`) may take
    fewer than it was given.
    """
    if isinstance(stream, io.RawIOBase):
        return io.BufferedWriter(io.FileIO(stream.fileno(), "wb", closefd=False))
    return stream
