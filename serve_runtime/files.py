"""Score a table from file to file in bounded memory."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from serve_runtime.atomic import new_file
from serve_runtime.errors import InputError, OutputError, RowError
from serve_runtime.predictor import Predictor
from serve_runtime.tables import STDIO, is_gzip, is_parquet, open_table

# After serve_runtime.tables, which says what to install where pyarrow is missing.
# isort: split
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

SCORE_COLUMNS = ("probability", "label")


def score_file(
    predictor: Predictor,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    header: bool = True,
    progress: Callable[[int], object] = lambda rows: None,
) -> int:
    """Score the table `source` into `destination`; returns the number of rows.

    Both are CSV or Parquet by their names (CSV gzipped where it ends in .gz); '-' is CSV on
    standard input or output. Columns are matched by name. The output holds the input columns
    `keep` (from CSV as the text that they were), then `probability` (float32) and `label`. It
    appears whole or not at all. Memory does not grow with the number of rows. `progress` is
    called with the rows of each batch once it is written.
    Raises InputError (missing columns; a missing or non-finite value, with row and column; a file
    that cannot be read) or OutputError.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    _check_kept(keep)
    if source != STDIO and destination != STDIO and _same_file(source, destination):
        raise OutputError(f"{destination} is the input itself: write to another file")
    names = predictor.card.feature_names
    rows = 0
    with _writer(destination) as write:
        for batch in open_table(source, names, keep, header=header):
            try:
                write(_scored(predictor, batch))
            except RowError as found:
                row = rows + found.row
                raise found.at(row, f"{source}: data row {row + 1}") from None
            rows += batch.num_rows
            progress(batch.num_rows)
    return rows


def _scored(predictor: Predictor, batch: Any) -> Any:
    """One batch of output: the columns behind the features, probability, label."""
    width = predictor.n_features_in_
    kept = range(width, batch.num_columns)
    probability = predictor.probability(batch.select(list(range(width))))
    columns = [batch.column(i) for i in kept]
    columns += [pa.array(probability), pa.array(predictor.label(probability))]
    return pa.RecordBatch.from_arrays(
        columns, names=[*(batch.schema.names[i] for i in kept), *SCORE_COLUMNS]
    )


def _check_kept(keep: Sequence[str]) -> None:
    clash = [name for name in keep if name in SCORE_COLUMNS]
    if clash:
        raise InputError(f"cannot keep {', '.join(clash)}: the scores are written under that name")
    if len(set(keep)) != len(keep):
        raise InputError(f"columns to keep must be named once; got {', '.join(keep)}")


def _same_file(source: str, destination: str) -> bool:
    try:
        return Path(source).samefile(destination)
    except OSError:  # one is not there, or cannot be: whoever opens it will say so
        return False


@contextmanager
def _writer(destination: str) -> Iterator[Callable[[Any], None]]:
    """A function that appends a record batch to `destination`, which is completed on leaving."""
    with ExitStack() as stack:
        sink = _sink(destination, stack)
        make = pq.ParquetWriter if is_parquet(destination) else pyarrow.csv.CSVWriter
        writer: Any = None

        def write(batch: Any) -> None:
            nonlocal writer
            try:
                if writer is None:
                    writer = stack.enter_context(make(sink, batch.schema))
                writer.write_batch(batch)
                if destination == STDIO:
                    sink.flush()
            except BrokenPipeError:
                raise
            except (pa.ArrowException, OSError) as reason:
                raise OutputError(f"cannot write {destination}: {reason}") from None

        yield write


def _sink(destination: str, stack: ExitStack) -> Any:
    """What Arrow's writers write to: aside and renamed at the end where it is a plain file."""
    if destination == STDIO:
        if sys.stdout is None:
            raise OutputError("standard output is closed: name a file with -o")
        return sys.stdout.buffer
    path = Path(destination)
    try:
        special = path.exists() and not path.is_file() and not path.is_dir()
    except OSError as reason:  # a name too long, say
        raise OutputError(f"cannot write {destination}: {reason.strerror}") from None
    if special:  # a pipe, a device
        try:
            return stack.enter_context(pa.OSFile(destination, "wb"))
        except OSError as reason:
            raise OutputError(f"cannot write {destination}: {reason}") from None
    aside = str(stack.enter_context(new_file(path.resolve())))  # a link stays a link
    if is_gzip(destination):
        return stack.enter_context(pa.CompressedOutputStream(aside, "gzip"))
    return aside
