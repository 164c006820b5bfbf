"""From the [data] section of a recipe to checked features and labels in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64, Floats
from serve_runtime.bundle.card import Label
from serve_runtime.error_budgets import sigmoid
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.numbers import from_numpy
from train.errors import DataError
from train.gradients.numba_kernels import chunk_slices
from train.recipe.column_keys import Columns
from train.recipe.keys import Data
from train.tables.choose_columns import check_asked, chosen_features
from train.tables.columns.plan import read_as_found
from train.tables.columns.reading import Reading
from train.tables.columns.vocabulary import Int32, Vocabulary
from train.tables.finite import check_finite
from train.tables.labels import Classes, LabelColumn
from train.tables.row_digest import RowDigest
from train.tables.table_files import TableFiles, find_table_files
from train.tables.weights import counted_rows, positive_share, read_weights, scaled

_BUILTIN = ("breast_cancer", "digits", "iris", "wine")


@dataclass(frozen=True)
class Table:
    """Rows to train on or to hold out."""

    features: Floats
    """(k, n), C-contiguous: each number's values lie together, as in Arrow's columns; NaN where one
    is missing. float64 where the source holds what float32 may not, such as a CSV; else
    float32."""
    labels: Float32
    """(n,): 1 for the positive class, 0 for the negative one."""
    feature_names: tuple[str, ...]
    """Of all features, in the order of the source."""
    classes: Classes
    reading: Reading
    """Which features are the numbers, and which are categories, with the texts of their codes."""
    codes: tuple[Int32, ...] = ()
    """(n,) of each category: places in the texts of `reading.vocabularies`, -1 where missing."""
    weights: Float64 | None = None
    """(n,) as they are in the column of weights; None where there is none."""

    @property
    def rows(self) -> int:
        """Number of rows, n."""
        return len(self.labels)

    @property
    def vocabularies(self) -> tuple[tuple[str, ...], ...]:
        """The texts of each category, in the order of the codes."""
        return tuple(vocabulary.texts for vocabulary in self.reading.vocabularies)

    def take(self, index: npt.NDArray[np.intp]) -> "Table":
        """The rows at `index`, copied."""
        return replace(
            self,
            features=np.ascontiguousarray(self.features[:, index]),
            labels=self.labels[index],
            codes=tuple(codes[index] for codes in self.codes),
            weights=None if self.weights is None else self.weights[index],
        )

    def counted(self) -> npt.NDArray[np.intp]:
        """Which rows count, rising: all but those of weight 0."""
        return counted_rows(self.weights, self.rows)

    @cached_property
    def scaled_weights(self) -> Float32 | None:
        """The weights (n,) of rows that all count, scaled to a mean of 1."""
        return None if self.weights is None else scaled(self.weights)

    @property
    def positive_share(self) -> float:
        """The share of positive rows, each counting by its weight."""
        return positive_share(self.labels, self.scaled_weights)

    def ordered(self, numbers: tuple[str, ...]) -> "Table":
        """The same rows with the numbers in the order of the names `numbers`."""
        if numbers == self.reading.numbers:
            return self
        order = [self.reading.numbers.index(name) for name in numbers]
        return replace(
            self,
            features=np.ascontiguousarray(self.features[order]),
            reading=replace(self.reading, numbers=numbers),
        )

    def served(self) -> Float32:
        """The numbers in float32, in which rows are served; not copied where they are."""
        return self.features.astype(np.float32, copy=False)

    def chunks(self) -> Iterator[tuple[Floats, tuple[Int32, ...], Float32]]:
        """All rows, a chunk at a time, as views: numbers (k, m), codes (m,) each, labels (m,)."""
        for chunk in chunk_slices(len(self.feature_names), self.rows):
            codes = tuple(found[chunk] for found in self.codes)
            yield self.features[:, chunk], codes, self.labels[chunk]

    def digest(self) -> str:
        """SHA-256 of names, classes and values: the same for the same rows in any file format."""
        digest, texts, first = RowDigest(), self.vocabularies, 0
        for features, codes, labels in self.chunks():
            here = slice(first, first + len(labels))
            first = here.stop
            weights = None if self.scaled_weights is None else self.scaled_weights[here]
            digest.add(features, labels, codes, texts, weights)
        return digest.hexdigest(self.feature_names, self.classes.labels)


def load_table(
    data: Data, seed: int, files: TableFiles | None = None, asked: Columns | None = None
) -> Table:
    """The table that `data` describes.

    `seed` is the seed of a simulation; `files` are the files of `data`, where the caller has found
    them already; `asked` is what the recipe says of columns.

    Raises DataError or InputError: no such file or target, a value that no number or level can be,
    labels that are not two classes.
    """
    asked = asked or Columns()
    if data.file is not None:
        found = files or find_table_files(data, data.file)
        return read_as_found(found, data, asked, partial(_read, data, data.file, found))
    if data.points is not None:
        return _from_points(data, asked)
    if data.simulate is not None:
        return _simulated(data, seed, asked)
    if data.builtin is not None:
        return _builtin(data, asked)
    raise DataError("no data: give a file, or a recipe with data.file, points, simulate or builtin")


def load_holdout_table(data: Data, path: str, like: Table) -> Table:
    """The hold-out file of a recipe, read as the training table is, with its classes."""
    files = find_table_files(data, path, like.feature_names)
    return _read(data, path, files, like.reading, like.classes)


def _read(
    data: Data, source: str, files: TableFiles, reading: Reading, classes: Classes | None = None
) -> Table:
    labels = LabelColumn()
    features = [np.empty((len(reading.numbers), 0), reading.number_type)]
    codes = [tuple(np.empty(0, np.int32) for _ in reading.vocabularies)]
    with files.unchanged():
        for numbers, found in files.batches(reading, labels):
            features.append(numbers)
            codes.append(found)
        weights = read_weights(files)
    joined = tuple(map(np.concatenate, zip(*codes, strict=True)))
    return _table(
        source,
        np.concatenate(features, axis=1),
        labels,
        files.names,
        data,
        reading,
        joined,
        classes,
        weights,
    )


def _from_memory(
    data: Data,
    source: str,
    rows: npt.NDArray[np.float64],
    labels: list[Label],
    there: list[str],
    asked: Columns,
) -> Table:
    """A table out of `rows` (n, d), whose columns have the names `there`."""
    if data.target is not None:
        raise DataError(f"data.target names a column of a file; {source} brings its own labels")
    if data.weights is not None:
        raise DataError(f"data.weights names a column of a file; {source} has none: leave it out")
    names = chosen_features(data, source, there)
    check_asked(names, None, source, asked)
    columns = dict(zip(there, rows.T, strict=True))
    vocabularies = tuple(Vocabulary(name, ()) for name in names if name in asked.category)
    codes = tuple(
        vocabulary.encode(from_numpy(np.ascontiguousarray(columns[vocabulary.name])), source)
        for vocabulary in vocabularies
    )
    numbers = tuple(name for name in names if name not in asked.category)
    features = np.array([columns[name] for name in numbers]).reshape(len(numbers), len(rows))
    check_finite(features, numbers, source)
    column, reading = LabelColumn.of(labels, source), Reading(numbers, vocabularies)
    return _table(source, features, column, names, data, reading, codes)


def _from_points(data: Data, asked: Columns) -> Table:
    assert data.points is not None
    try:
        x = np.array(data.points["x"], np.float64)
        labels = list(data.points["y"])
    except (TypeError, ValueError, OverflowError) as reason:
        raise DataError(f"data.points must be rows of numbers and labels: {reason}") from None
    if x.ndim != 2 or len(x) != len(labels) or x.size == 0:
        raise DataError(
            f"data.points needs x as rows of equal length and one y for each; got x with shape "
            f"{x.shape} and {len(labels)} labels"
        )
    names = [f"x{i + 1}" for i in range(len(x[0]))]
    return _from_memory(data, "data.points", x, labels, names, asked)


def _simulated(data: Data, seed: int, asked: Columns) -> Table:
    assert data.simulate is not None
    s = data.simulate
    x = np.linspace(s["low"], s["high"], int(s["n"]))
    labels = np.random.default_rng(seed).random(len(x)) < sigmoid(s["w0"] + s["w1"] * x)
    return _from_memory(
        data, "data.simulate", x[:, None], labels.astype(int).tolist(), ["x"], asked
    )


def _builtin(data: Data, asked: Columns) -> Table:
    from sklearn import datasets

    if data.builtin not in _BUILTIN:
        raise DataError(
            f"no built-in data set {quoted(data.builtin)}; there are {listed(_BUILTIN)}"
        )
    bunch = getattr(datasets, f"load_{data.builtin}")()
    labels: list[Label] = [str(bunch.target_names[i]) for i in bunch.target]
    names = [str(name) for name in bunch.feature_names]
    return _from_memory(data, data.builtin, bunch.data, labels, names, asked)


def _table(
    source: str,
    features: Floats,
    labels: LabelColumn,
    names: tuple[str, ...],
    data: Data,
    reading: Reading,
    codes: tuple[Int32, ...],
    classes: Classes | None = None,
    weights: Float64 | None = None,
) -> Table:
    if not len(labels):
        raise DataError(f"{source} has no rows below its header")
    if weights is not None and len(weights) != len(labels):
        raise DataError(f"{source}: the rows changed while they were read")
    classes = classes or labels.classes(data.positive, source)
    return Table(features, labels.encode(classes, source), names, classes, reading, codes, weights)
