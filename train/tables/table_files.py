"""The CSV and Parquet files that a recipe names, read some rows at a time."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from serve_runtime.arrays import Floats
from serve_runtime.errors import InputError, ServeError
from serve_runtime.feature_names import check_names, column_at, did_you_mean
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.background import read_ahead
from serve_runtime.tables.csv.first_rows import check_header, may_be_data
from serve_runtime.tables.find import find_tables
from serve_runtime.tables.formats import holds_parquet
from serve_runtime.tables.parquet_table import row_group_sizes
from serve_runtime.tables.read import open_table, read_batches
from train.errors import DataError
from train.recipe.keys import Data
from train.tables.finite import check_finite
from train.tables.labels import LabelColumn

_TARGET_NAMES = ("target", "label", "y")
_NARROW = {
    pa.bool_(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.float16(), pa.float32()
}  # fmt: skip
"""Types of which float32 holds all values."""

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
    header: bool
    """Whether CSV files begin with column names."""
    rows: int | None
    """The number of rows, where all files are Parquet; else None."""
    number_type: type[np.floating]
    """Of the features as they are read: float32 where it holds all that the files' types hold,
    else float64, since a value may lose its digits when it is rounded before it is centred."""
    stamps: tuple[_Stamp | None, ...]
    """Size and time of each file before anything was read of it."""
    folder_columns: tuple[Mapping[str, Any], ...]
    """The columns that the folders of each of `paths` hold, see `TablePaths.folder_columns`."""
    notes: tuple[str, ...]
    """What a person should know of the choice of columns."""

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
                path, (), [self.target], header=self.header, folder_columns=folders
            ):
                labels.add(batch.column(self.target), path, first)
                first += batch.num_rows
        return labels

    def batches(
        self, labels: LabelColumn | None = None, rows: range | None = None
    ) -> Iterator[Floats]:
        """Yield the features (d, m) of all rows, or of `rows`, in order, some rows at a time.

        The labels of the same rows are appended to `labels`, if it is given. Of Parquet files,
        only row groups that hold some of `rows` are read.
        Raises InputError for what cannot be read, and DataError for a value that is missing or not
        finite, with file, row and column.
        """
        others = [] if labels is None else [self.target]
        wanted = range(sys.maxsize) if rows is None else rows
        before = 0  # rows of the tables before this one
        for path, folders in zip(self.paths, self.folder_columns, strict=True):
            here = range(max(0, wanted.start - before), wanted.stop - before)
            if len(here) == 0:
                return
            groups, first, end = _groups(path, here)
            with read_ahead(
                read_batches(
                    path,
                    self.names,
                    others,
                    header=self.header,
                    groups=groups,
                    folder_columns=folders,
                    number_type=pa.from_numpy_dtype(self.number_type),
                )
            ) as batches:
                for batch in batches:
                    start = max(0, here.start - first)
                    some = batch.slice(start, max(0, here.stop - first - start))
                    if some.num_rows:
                        yield self._features(some, path, first + start)
                        if labels is not None:
                            labels.add(some.column(len(self.names)), path, first + start)
                    first += batch.num_rows
                    if first >= here.stop:
                        break
            before += first if end is None else end

    def _features(self, batch: Any, path: str, first: int) -> Floats:
        features = np.empty((len(self.names), batch.num_rows), self.number_type)
        for row, column in zip(features, batch.columns, strict=False):
            row[:] = column.to_numpy(zero_copy_only=False)
        check_finite(features, self.names, path, first)
        return features


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
    columns, index, rows, narrow = _columns(data, paths, folders)
    path, asked = paths[0], {data.target, *(data.features or ()), *(like or ())}
    left_out = [name for name in index if name not in asked]
    columns = [name for name in columns if name not in left_out]
    target = _target(data, path, columns)
    if target in (data.features or ()):
        raise DataError(f"{path}: the target {quoted(target)} cannot be one of the features")
    chosen = replace(data, drop=[name for name in data.drop if name not in left_out])
    there = [name for name in columns if name != target]
    names = tuple(like or chosen_features(chosen, path, there))
    if "" in names:
        raise DataError(
            f"{path}: column {columns.index('') + 1} has no name: name it, leave it out with "
            "--features, or write the file without it (pandas: index=False)"
        )
    number_type = np.float32 if narrow.issuperset(names) else np.float64
    notes = [hint] if (hint := _header_hint(data, path, columns)) else []
    if left_out:
        notes.append(
            f"left out the index of a pandas frame: {listed(left_out, _SHOWN)} (name it with "
            "--features to train on it)"
        )
    if from_folders := [name for name in names if any(name in columns for columns in folders)]:
        notes.append(f"from the names of folders: {listed(from_folders, _SHOWN)}")
    return TableFiles(
        paths, names, target, data.header, rows, number_type, stamps, folders, tuple(notes)
    )


def chosen_features(data: Data, source: str, there: Sequence[str]) -> tuple[str, ...]:
    """The features that `data` chooses out of the columns `there`, which are without the target."""
    for option, columns in (("features", data.features or []), ("drop", data.drop)):
        unknown = [name for name in columns if name not in there]
        if unknown:
            raise DataError(
                f"{source}: data.{option} names {listed(unknown)}, which is not among the "
                f"features {listed(there)}{did_you_mean(unknown, there)}"
            )
        if twice := [name for name, count in Counter(columns).items() if count > 1]:
            raise DataError(f"{source}: data.{option} names a column twice: {listed(twice)}")
    names = tuple(name for name in data.features or there if name not in data.drop)
    if not names:
        raise DataError(f"{source}: no feature is left beside the target")
    return names


def _columns(
    data: Data, paths: Sequence[str], folders: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[str], int | None, set[str]]:
    """The columns, in the order of the first file, those of them that are the index of a pandas
    frame in any file, the number of all rows, if known, and the columns whose type in every file
    is one of which float32 holds all values."""
    first: list[str] = []
    index: list[str] = []
    rows: int | None = 0
    narrow: set[str] = set()
    for number, (path, further) in enumerate(zip(paths, folders, strict=True)):
        with open_table(path, header=data.header, folder_columns=further) as table:
            columns, count = table.names, table.rows
            index += [name for name in table.index_names if name not in index]
            found = {name for name, type_ in table.types.items() if type_ in _NARROW}
        narrow = found & narrow if number else found
        rows = None if rows is None or count is None else rows + count
        try:
            check_names(columns, columns)
        except InputError as reason:
            raise DataError(f"{path}: {reason}") from None
        if not holds_parquet(path) and (own := [name for name in columns if name not in further]):
            check_header(path, own)
        first = first or columns
        if columns != first and (other := set(columns) ^ set(first)) - set(index):
            odd = sorted(other - set(index))
            raise DataError(
                f"{path} has other columns than {paths[0]}: only one of them has {listed(odd)}; "
                "all tables must have the same"
            )
    return first, index, rows, narrow


def _target(data: Data, path: str, columns: Sequence[str]) -> str:
    target, hint = data.target, _header_hint(data, path, columns)
    if target is None:
        if not data.header and not holds_parquet(path):
            return columns[-1]
        usual = [name for name in columns if name.lower() in _TARGET_NAMES]
        if len(usual) == 1:
            return usual[0]
        raise DataError(
            f"{path}: say which column to predict with --target (or data.target); "
            f"there are {listed(columns, _SHOWN)}{'. ' * bool(hint)}{hint}"
        )
    if (found := column_at(target, columns)) is None:
        raise DataError(
            f"{path}: no target column {quoted(target)}; there are {listed(columns, _SHOWN)}"
            f"{did_you_mean([target], columns)}{'. ' * bool(hint)}{hint}"
        )
    return found


def _header_hint(data: Data, path: str, columns: Sequence[str]) -> str:
    """What to say where the first line of a CSV may be a row of data, else an empty text."""
    if not data.header or holds_parquet(path) or not may_be_data(columns, 0.5):
        return ""
    numbers = listed([name for name in columns if may_be_data([name], 1)], 3)
    return f"Names of columns are numbers ({numbers}): if the first line is data, say --no-header"
