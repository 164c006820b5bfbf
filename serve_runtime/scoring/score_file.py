"""Score tables from files to files in bounded memory."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from serve_runtime.errors import InputError, OutputError
from serve_runtime.predictor import Predictor
from serve_runtime.scoring.batches import check_call
from serve_runtime.scoring.score_folder import score_parts
from serve_runtime.scoring.score_writer import is_special, table_writer
from serve_runtime.scoring.table_scorer import Progress as Progress
from serve_runtime.scoring.table_scorer import TableScores
from serve_runtime.tables.find import TablePaths, find_tables
from serve_runtime.tables.formats import ENDINGS, STDIO, ending


def score_file(
    predictor: Predictor,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    header: bool = True,
    parts: str | None = None,
    resume: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> int:
    """Score the table or tables `source` into `destination`; returns the number of rows scored.

    `source` is a CSV or Parquet file by its name (CSV gzipped where it ends in .gz), '-' for CSV
    on standard input, a folder (all tables below it) or a glob. `destination` is a file with one
    of those endings, which takes all tables in the order of their names; '-' for CSV on standard
    output; or a folder, which takes a part for each table, under the same name and with the
    table's ending or the ending `parts`. A folder is what is one, ends in '/', or, for many
    tables, has no such ending. It must be empty, or hold the parts of the same job that died:
    with `resume` only those are made that are missing or whose table has changed.

    Columns are matched by name. The output holds the input columns `keep` (from CSV as the text
    that they were), then `probability` (float32) and `label`. A file appears whole or not at all.
    Reading, scoring and writing overlap, each in a thread of its own, in memory that does not
    grow with the number of rows. `progress` is called after each batch, and after each table.
    Raises InputError (missing columns; a missing or non-finite value, with row and column; a file
    that cannot be read) or OutputError.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    check_call(predictor, keep)
    if not source or not destination:
        raise InputError(f"the {'output' if source else 'input'} has no name: it is an empty text")
    if parts is not None and parts not in ENDINGS:
        raise OutputError(f"parts must end in {_ENDINGS}; got {parts!r}")
    tables = find_tables(source)
    scores = TableScores(predictor, keep=keep, header=header, progress=progress)
    _check_apart(source, tables, destination)
    if _is_folder(tables, destination):
        return score_parts(scores, tables, Path(destination), form=parts, resume=resume)
    if resume or parts:
        raise OutputError(f"{destination} is one file: only a folder has parts, and can be resumed")
    paths = [tables.path(name) for name in tables.names]
    scores.expect(paths)
    with table_writer(destination) as write:
        return sum(scores.score(path, write) for path in paths)


_ENDINGS = ", ".join(sorted(ENDINGS))


def _is_folder(tables: TablePaths, destination: str) -> bool:
    """Whether each table becomes a part in `destination`; OutputError where its name is unclear."""
    path = Path(destination)
    if destination == STDIO or is_special(path):
        return False
    folder = path.is_dir() or destination.endswith(("/", os.sep))
    if not folder and ending(path):
        return False
    if not folder and not tables.many:
        raise OutputError(f"{destination} must end in {_ENDINGS}, be a folder, or '-'")
    if tables.names == (STDIO,):
        raise OutputError(f"{destination} is a folder; standard input has no name for its part")
    return True


def _check_apart(source: str, tables: TablePaths, destination: str) -> None:
    """Raise OutputError where the output is an input, or would be one the next time."""
    if STDIO in (source, destination):
        return
    target = Path(os.path.realpath(destination))
    for path in map(tables.path, tables.names):
        if _same_file(path, destination):
            raise OutputError(f"{destination} is the input itself: write to another file")
        if Path(os.path.realpath(path)).is_relative_to(target):
            raise OutputError(f"{path}, an input, is inside of {destination}: write elsewhere")
    if Path(source).is_dir() and target.is_relative_to(os.path.realpath(source)):
        raise OutputError(f"{destination} is inside of the input {source}: write beside it")


def _same_file(source: str, destination: str) -> bool:
    try:
        return Path(source).samefile(destination)
    except OSError:  # one is not there, or cannot be: whoever opens it will say so
        return False
