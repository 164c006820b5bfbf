"""Score a table from file to file in bounded memory."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from serve_runtime.atomic import new_file
from serve_runtime.errors import InputError, NonFiniteError, OutputError
from serve_runtime.predictor import Predictor
from serve_runtime.tables import STDIO, is_parquet, open_table

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

    Both are CSV or Parquet by their names (CSV may be read gzipped); '-' is CSV on standard input
    or output. Columns are matched by name. The output holds the input columns `keep` (from CSV as
    the text that they were), then `probability` (float32) and `label`. It appears whole or not at
    all. Memory does not grow with the number of rows. `progress` is called with the rows of each
    batch once it is written.
    Raises InputError (missing columns; a missing or non-finite value, with row and column; a file
    that cannot be read) or OutputError.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    names = predictor.card.feature_names
    _check_columns(keep)
    if source != STDIO and destination != STDIO and _same_file(source, destination):
        raise OutputError(f"{destination} is the input itself: write to another file")
    kept = [name for name in keep if name not in names]
    batches = open_table(source, names, kept, header=header)
    rows = 0
    with _writer(destination) as write:
        for batch in batches:
            try:
                write(_scored(predictor, batch, keep))
            except NonFiniteError as found:
                where = f"{source}: data row {rows + found.row + 1}"
                raise NonFiniteError(rows + found.row, found.feature, found.value, where) from None
            rows += batch.num_rows
            progress(batch.num_rows)
    return rows


def _scored(predictor: Predictor, batch: Any, keep: Sequence[str]) -> Any:
    """One batch of output: kept columns, probability, label."""
    probability = predictor.probability(batch)
    label = pa.array(predictor.label(probability))
    return pa.RecordBatch.from_arrays(
        [*(batch.column(name) for name in keep), pa.array(probability), label],
        names=[*keep, *SCORE_COLUMNS],
    )


def _check_columns(keep: Sequence[str]) -> None:
    clash = [name for name in keep if name in SCORE_COLUMNS]
    if clash:
        raise InputError(f"cannot keep {', '.join(clash)}: the scores are written under that name")
    if len(set(keep)) != len(keep):
        raise InputError(f"columns to keep must be named once; got {', '.join(keep)}")


def _same_file(source: str, destination: str) -> bool:
    paths = Path(source), Path(destination)
    return all(path.exists() for path in paths) and paths[0].samefile(paths[1])


@contextmanager
def _writer(destination: str) -> Iterator[Callable[[Any], None]]:
    """A function that appends a record batch to `destination`, which is completed on leaving."""
    with ExitStack() as stack:
        if destination == STDIO:
            sink: Any = sys.stdout.buffer
        else:
            sink = str(stack.enter_context(new_file(Path(destination))))
        make = pq.ParquetWriter if is_parquet(destination) else pyarrow.csv.CSVWriter
        writer: Any = None

        def write(batch: Any) -> None:
            nonlocal writer
            if writer is None:
                writer = stack.enter_context(make(sink, batch.schema))
            writer.write_batch(batch)

        yield write
