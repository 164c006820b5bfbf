"""The CSV and Parquet files that a recipe names, read some rows at a time."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from serve_runtime.arrays import Floats
from serve_runtime.commands.progress import Count
from serve_runtime.errors import InputError, ServeError
from serve_runtime.feature_names import check_names
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.background import read_ahead
from serve_runtime.tables.csv.first_rows import check_header
from serve_runtime.tables.dialect import PLAIN
from serve_runtime.tables.find import find_tables
from serve_runtime.tables.formats import holds_parquet
from serve_runtime.tables.parquet_table import row_group_sizes
from serve_runtime.tables.read import open_table, read_batches
from train.errors import DataError
from train.recipe.keys import Data
from train.tables.choose_columns import (
    chosen_features,
    chosen_target,
    chosen_weights,
    header_hint,
)
from train.tables.columns.reading import Reading
from train.tables.columns.types import NARROW, kind_of
from train.tables.columns.vocabulary import Int32
from train.tables.finite import check_finite
from train.tables.labels import LabelColumn
from train.tables.remedies import drop_remedy

_LEAST_ROWS, _MOST_ROWS, _MOST_VALUES = 20, 2_000, 1 << 18
"""So many first rows are looked at, and of a wide table so many values: some 0.1 s."""

_Stamp = tuple[int, int]

_SHOWN = 20
"""Most columns that a message lists."""


@dataclass(frozen=True)
class TableFiles:
    """The files of one table, in the order of their names; all have the same columns."""

    paths: tuple[str, ...]
    names: tuple[str, ...]
    """The columns that are features."""
    target: str
    """The column that holds the labels."""
    weights: str | None
    """The column that holds the weights of rows."""
    rows: int | None
    """The number of rows, where all files are Parquet; else None."""
    narrow: frozenset[str]
    """The columns of which float32 holds all values, by their types in the files."""
    kinds: Mapping[str, frozenset[str]]
    """By feature, what its types in Parquet files hold; nothing where all are CSV."""
    dialect: Mapping[str, Any]
    """What the recipe tells of how CSV files are written."""
    stamps: tuple[_Stamp | None, ...]
    """Size and time of each file before anything was read of it."""
    folder_columns: tuple[Mapping[str, Any], ...]
    """The columns that the folders of each of `paths` hold, see `TablePaths.folder_columns`."""
    notes: tuple[str, ...]
    """What a person should know of the choice of columns."""

    @property
    def number_type(self) -> type[np.floating]:
        """Of the numbers as they are read, if all features are."""
        return np.float32 if self.narrow.issuperset(self.names) else np.float64

    @property
    def from_folders(self) -> frozenset[str]:
        """The columns that names of folders hold."""
        return frozenset(name for columns in self.folder_columns for name in columns)

    @cached_property
    def first_rows(self) -> Any:
        """The features of the first rows of the first file, a record batch: texts of a CSV, else in
        the types of the file. A wide table gives fewer. Raises InputError."""
        batches = read_batches(
            self.paths[0],
            (),
            self.names,
            folder_columns=self.folder_columns[0],
            dialect=self.dialect,
        )
        with closing(batches):
            rows = max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_VALUES // len(self.names)))
            return next(batches).slice(0, rows)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Raise DataError where one of the files is another one, or has changed, after the `with`
        block has read them, or has failed to: what its passes have read does not belong together.
        """
        try:
            yield
        except ServeError:
            self._check_unchanged()
            raise
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        for path, before in zip(self.paths, self.stamps, strict=True):
            if _stamp(path) != before:
                raise DataError(f"{path} changed while it was read: train on what stays as it is")

    def labels(self) -> LabelColumn:
        """The labels of all rows. Raises InputError and DataError."""
        labels = LabelColumn()
        for path, folders in zip(self.paths, self.folder_columns, strict=True):
            first = 0
            for batch in read_batches(
                path, (), [self.target], folder_columns=folders,
                dialect=self.dialect,
            ):  # fmt: skip
                labels.add(batch.column(self.target), path, first)
                first += batch.num_rows
        return labels

    def batches(
        self, reading: Reading, labels: LabelColumn | None = None, rows: range | None = None
    ) -> Iterator[tuple[Floats, tuple[Int32, ...]]]:
        """Yield numbers (k, m), NaN where one is missing, and the codes (m,) of each category, of
        all rows, or of `rows`, in order, some rows at a time.

        New texts are added to the vocabularies of `reading`. The labels of the same rows are
        appended to `labels`, if it is given. Of Parquet files, only row groups that hold some of
        `rows` are read.
        Raises InputError for what cannot be read, and DataError for a number that is infinite and
        for what no level can be, with file, row and column.
        """
        others = [] if labels is None else [self.target]
        wanted = range(sys.maxsize) if rows is None else rows
        count = Count("reading", "rows", self.rows if rows is None else len(rows))
        before = 0  # rows of the tables before this one
        for path, folders in zip(self.paths, self.folder_columns, strict=True):
            here = range(max(0, wanted.start - before), wanted.stop - before)
            if len(here) == 0:
                return
            groups, first, end = _groups(path, here)
            with read_ahead(
                read_batches(
                    path,
                    [*reading.numbers, *reading.categories],
                    others,
                    groups=groups,
                    folder_columns=folders,
                    number_type=pa.from_numpy_dtype(reading.number_type),
                    dialect=reading.dialect,
                    texts=reading.categories,
                    times=reading.times,
                )
            ) as batches:
                for batch in batches:
                    start = max(0, here.start - first)
                    some = batch.slice(start, max(0, here.stop - first - start))
                    if some.num_rows:
                        yield self._rows(some, reading, path, first + start)
                        if labels is not None:
                            labels.add(some.column(some.num_columns - 1), path, first + start)
                        count.update(some.num_rows)
                    first += batch.num_rows
                    if first >= here.stop:
                        break
            before += first if end is None else end

    def _rows(
        self, batch: Any, reading: Reading, path: str, first: int
    ) -> tuple[Floats, tuple[Int32, ...]]:
        features = np.empty((len(reading.numbers), batch.num_rows), reading.number_type)
        for values, name in zip(features, reading.numbers, strict=True):
            values[:] = batch.column(name).to_numpy(zero_copy_only=False)
        check_finite(features, reading.numbers, path, first)
        codes = tuple(
            vocabulary.encode(batch.column(vocabulary.name), path, first)
            for vocabulary in reading.vocabularies
        )
        return features, codes


def _groups(path: str, rows: range) -> tuple[list[int] | None, int, int | None]:
    """Which row groups of a Parquet file hold some of `rows`, the first row of the first of them,
    and the number of rows of the file; (None, 0, None) for CSV, which has no row groups."""
    if not holds_parquet(path):
        return None, 0, None
    sizes = row_group_sizes(path)
    starts = list(accumulate(sizes, initial=0))
    found = [
        group
        for group, size in enumerate(sizes)
        if starts[group] < rows.stop and starts[group] + size > rows.start
    ]
    return found, starts[found[0]] if found else starts[-1], starts[-1]


def _stamp(path: str) -> _Stamp | None:
    """Size and time of the last change of a file, None where there is none. Its inode's number is
    left out: some network file systems give a file another one while it is open."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def find_table_files(data: Data, source: str, like: Sequence[str] | None = None) -> TableFiles:
    """Find the files of `source` (a file, a folder or a glob) and decide which columns are read.

    The features are those that `data` chooses, or `like` if it is given. Raises InputError or
    DataError where a column is missing, or where it is not clear which one is the target.
    """
    if source == "-":
        raise DataError("training reads its data more than once: give a file, not standard input")
    tables = find_tables(source)
    paths = tuple(map(tables.path, tables.names))
    stamps = tuple(map(_stamp, paths))
    folders = tuple(map(tables.folder_columns, tables.names))
    columns, index, rows, types = _columns(data, paths, folders)
    path, asked = paths[0], {data.target, data.weights, *(data.features or ()), *(like or ())}
    left_out = [name for name in index if name not in asked]
    columns = [name for name in columns if name not in left_out]
    target = chosen_target(data, path, columns)
    if target in (data.features or ()):
        raise DataError(f"{path}: the target {quoted(target)} cannot be one of the features")
    chosen = replace(data, drop=[name for name in data.drop if name not in left_out])
    weights = chosen_weights(data, path, columns, target, required=like is None)
    there = [name for name in columns if name not in (target, weights)]
    names = tuple(like or chosen_features(chosen, path, there))
    if "" in names:
        raise DataError(
            f"{path}: column {columns.index('') + 1} has no name, as the index of a pandas frame: "
            f"name it. {drop_remedy([*chosen.drop, ''])}"
        )
    kinds = {
        name: frozenset(kind_of(path, name, found[name]) for found in types if name in found)
        for name in names
    }
    narrow = frozenset(name for name in names if all(found.get(name) in NARROW for found in types))
    notes = [hint] if (hint := header_hint(data, path, columns)) else []
    if left_out:
        notes.append(
            f"left out the index of a pandas frame: {listed(left_out, _SHOWN)} (name it with "
            "--features to train on it)"
        )
    if from_folders := [name for name in names if any(name in columns for columns in folders)]:
        notes.append(f"from the names of folders: {listed(from_folders, _SHOWN)}")
    return TableFiles(
        paths, names, target, weights, rows, narrow, kinds, data.dialect(), stamps, folders,
        tuple(notes),
    )  # fmt: skip


def _columns(
    data: Data, paths: Sequence[str], folders: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[str], int | None, list[Mapping[str, Any]]]:
    """The columns, in the order of the first file, those of them that are the index of a pandas
    frame in any file, the number of all rows, if known, and of each file the types of columns."""
    first: list[str] = []
    index: list[str] = []
    rows: int | None = 0
    types: list[Mapping[str, Any]] = []
    for path, further in zip(paths, folders, strict=True):
        with open_table(path, folder_columns=further, dialect=data.dialect()) as table:
            columns, count, dialect = table.names, table.rows, table.dialect or PLAIN
            index += [name for name in table.index_names if name not in index]
            types.append(table.types)
        rows = None if rows is None or count is None else rows + count
        try:
            check_names(columns, [name for name in columns if name and name not in data.drop])
        except InputError as reason:
            hint = "" if holds_parquet(path) else "; if the first line is data, say --no-header"
            raise DataError(f"{path}: {reason}{hint}") from None
        if not holds_parquet(path) and (own := [name for name in columns if name not in further]):
            check_header(path, own, dialect)
        first = first or columns
        if columns != first and (other := set(columns) ^ set(first)) - set(index):
            odd = sorted(other - set(index))
            raise DataError(
                f"{path} has other columns than {paths[0]}: only one of them has {listed(odd)}; "
                "all tables must have the same"
            )
    return first, index, rows, types
