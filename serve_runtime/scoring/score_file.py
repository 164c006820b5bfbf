"""Score files into files, in memory that does not grow with the number of rows."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serve_runtime.errors import InputError, OutputError
from serve_runtime.outputs.direct import is_direct
from serve_runtime.outputs.new_file import Notice, silent
from serve_runtime.predictor import Predictor
from serve_runtime.scoring.score_folder import score_into_folder
from serve_runtime.scoring.score_writer import table_writer
from serve_runtime.scoring.table_scorer import Progress, TableScorer
from serve_runtime.shown import quoted
from serve_runtime.tables.dialect import Told
from serve_runtime.tables.find import TablePaths, find_tables
from serve_runtime.tables.formats import ENDINGS, STDIO, ending


def score_file(
    predictor: Predictor,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    header: bool | None = None,
    dialect: Told = None,
    names: Mapping[str, str] | None = None,
    parts: str | None = None,
    resume: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> int:
    """Score all rows of `source` into `destination`; returns the number of rows scored.

    `source` is a table, a folder (all tables below it; one named key=value holds a column) or a
    glob. A table is Parquet, by its name (.parquet, .pq) or its first bytes, or else CSV, perhaps
    packed by gzip; '-' is CSV on standard input. `header` tells whether a CSV begins with names;
    without, its columns are f0, f1, …. `dialect` tells how a CSV is written, or parts of it:
    {"separator": ";"}; see `serve_runtime.tables.dialect.Dialect`. What is not told is as the
    model's card says, and else recognised from the first lines, for a folder from its first CSV.

    `destination` is one of two things. A file ending in .csv, .csv.gz, .parquet or .pq, or '-' for
    CSV on standard output, takes the rows of all tables in the order of their names. A folder
    takes one output file for each table, with the table's own name and ending, or the ending
    `parts` (".parquet"). It is a folder if it is one already, ends in '/', or, for several tables,
    has none of these endings. It must be empty or new; with `resume` it may hold the output of an
    earlier call with the same arguments that was cut off, and only output files are made that are
    missing or whose table has changed since.

    The output has the input columns `keep` (the unchanged text of a CSV), then `probability`
    (float32) and `label`, which `names` can give other names ({"probability": "p"}). Features are
    matched by name. A file appears complete or not at all, in the place and with the mode of a file
    that was there; one that cannot be replaced, such as a mount point, is written in place.
    Reading, scoring and writing run at the same time in three threads. `progress` is called after
    each batch, and after each table.

    Raises InputError if a table cannot be read, lacks a column, or holds a value that cannot be
    scored (RowError, with the data row and the feature), and OutputError if the output cannot be
    written there.

        score_file(Predictor("bundles/churn"), "customers.csv", "scores.csv", keep=["id"])
    """
    scorer = TableScorer(
        predictor, keep=keep, header=header, dialect=dialect, names=names, progress=progress
    )
    return score_with(scorer, source, destination, parts=parts, resume=resume)


def score_with(
    scorer: TableScorer,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    parts: str | None = None,
    resume: bool = False,
    notice: Notice = silent,
) -> int:
    """Score all rows of `source` into `destination` with `scorer`; the number of rows scored.

    `notice` takes lines for a person. Other arguments and errors are those of `score_file`.
    """
    source, destination = os.fspath(source), os.fspath(destination)
    if not source or not destination:
        raise InputError(f"the {'output' if source else 'input'} has no name: it is an empty text")
    if parts is not None and parts not in ENDINGS:
        raise OutputError(f"parts must end in {_ENDINGS}; got {quoted(parts)}")
    tables = find_tables(source)
    _check_apart(source, tables, destination)
    scorer.read_alike([tables.path(name) for name in tables.names])
    if _is_folder(tables, destination):
        return score_into_folder(
            scorer, tables, Path(destination), output_ending=parts, resume=resume, notice=notice
        )
    if resume or parts:
        raise OutputError(f"{destination} is one file: parts and resume are for a folder of files")
    scorer.expect([tables.path(name) for name in tables.names])
    with table_writer(destination, notice=notice) as write:
        return sum(
            scorer.score(tables.path(name), write, folder_columns=tables.folder_columns(name))
            for name in tables.names
        )


_ENDINGS = ", ".join(sorted(ENDINGS))


def _is_folder(tables: TablePaths, destination: str) -> bool:
    """Whether `destination` is a folder, which gets a file for each table, or one file for all.

    Raises OutputError if its name does not tell.
    """
    path = Path(destination)
    if destination == STDIO or is_direct(path):
        return False
    folder = path.is_dir() or destination.endswith(("/", os.sep))
    if not folder and ending(path):
        return False
    if not folder and not tables.many:
        raise OutputError(f"{destination} must end in {_ENDINGS}, be a folder, or '-'")
    if tables.names == (STDIO,):
        raise OutputError(f"{destination} is a folder; standard input has no name for a file in it")
    return True


def _check_apart(source: str, tables: TablePaths, destination: str) -> None:
    """Raise OutputError if the output is one of the input tables, or lies in the input folder,
    where it would be an input the next time."""
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
    except OSError:  # one of them does not exist, or cannot: opening it will tell
        return False
