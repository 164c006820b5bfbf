"""From the [data] section of a recipe to checked features and labels in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Floats
from serve_runtime.bundle.card import Label
from serve_runtime.error_budgets import sigmoid
from serve_runtime.shown import listed, quoted
from train.errors import DataError
from train.gradients.numba_kernels import chunk_slices
from train.recipe.keys import Data
from train.tables.finite import check_finite
from train.tables.labels import Classes, LabelColumn
from train.tables.row_digest import RowDigest
from train.tables.table_files import TableFiles, chosen_features, find_table_files

_BUILTIN = ("breast_cancer", "digits", "iris", "wine")


@dataclass(frozen=True)
class Table:
    """Rows to train on or to hold out."""

    features: Floats
    """(d, n), C-contiguous: each feature's values lie together, as in Arrow's columns. float64
    where the source holds what float32 may not, such as a CSV; else float32."""
    labels: Float32
    """(n,): 1 for the positive class, 0 for the negative one."""
    feature_names: tuple[str, ...]
    classes: Classes

    @property
    def rows(self) -> int:
        """Number of rows, n."""
        return len(self.labels)

    def take(self, index: npt.NDArray[np.intp]) -> "Table":
        """The rows at `index`, copied."""
        return Table(
            np.ascontiguousarray(self.features[:, index]),
            self.labels[index],
            self.feature_names,
            self.classes,
        )

    def served(self) -> Float32:
        """The features in float32, in which rows are served; not copied where they are."""
        return self.features.astype(np.float32, copy=False)

    def chunks(self) -> Iterator[tuple[Floats, Float32]]:
        """All rows, a chunk at a time, as views: features (d, m) and labels (m,)."""
        for chunk in chunk_slices(*self.features.shape):
            yield self.features[:, chunk], self.labels[chunk]

    def digest(self) -> str:
        """SHA-256 of names, classes and values: the same for the same rows in any file format."""
        digest = RowDigest()
        for features, labels in self.chunks():
            digest.add(features, labels)
        return digest.hexdigest(self.feature_names, self.classes.labels)


def load_table(data: Data, seed: int, files: TableFiles | None = None) -> Table:
    """The table that `data` describes.

    `seed` is the seed of a simulation; `files` are the files of `data`, where the caller has found
    them already.

    Raises DataError or InputError: no such file or target, a feature that is no number or not
    finite, labels that are not two classes.
    """
    if data.file is not None:
        return _from_files(data, data.file, files or find_table_files(data, data.file))
    if data.points is not None:
        return _from_points(data)
    if data.simulate is not None:
        return _simulated(data, seed)
    if data.builtin is not None:
        return _builtin(data)
    raise DataError("no data: give a file, or a recipe with data.file, points, simulate or builtin")


def load_holdout_table(data: Data, path: str, like: Table) -> Table:
    """The hold-out file of a recipe, read with the training table's features and classes."""
    return _from_files(data, path, find_table_files(data, path, like.feature_names), like)


def _from_files(data: Data, source: str, files: TableFiles, like: Table | None = None) -> Table:
    labels = LabelColumn()
    none = np.empty((len(files.names), 0), files.number_type)
    with files.unchanged():
        features = np.concatenate([none, *files.batches(labels)], axis=1)
    return _table(source, features, labels, files.names, data, like)


def _from_memory(
    data: Data, source: str, rows: npt.NDArray[np.float64], labels: list[Label], there: list[str]
) -> Table:
    """A table out of `rows` (n, d), whose columns have the names `there`."""
    if data.target is not None:
        raise DataError(f"data.target names a column of a file; {source} brings its own labels")
    names = chosen_features(data, source, there)
    features = np.ascontiguousarray(rows.T[[there.index(name) for name in names]])
    check_finite(features, names, source)
    column = LabelColumn.of(labels, source)
    return _table(source, features, column, names, data)


def _from_points(data: Data) -> Table:
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
    return _from_memory(data, "data.points", x, labels, names)


def _simulated(data: Data, seed: int) -> Table:
    assert data.simulate is not None
    s = data.simulate
    x = np.linspace(s["low"], s["high"], int(s["n"]))
    labels = np.random.default_rng(seed).random(len(x)) < sigmoid(s["w0"] + s["w1"] * x)
    return _from_memory(data, "data.simulate", x[:, None], labels.astype(int).tolist(), ["x"])


def _builtin(data: Data) -> Table:
    from sklearn import datasets

    if data.builtin not in _BUILTIN:
        raise DataError(
            f"no built-in data set {quoted(data.builtin)}; there are {listed(_BUILTIN)}"
        )
    bunch = getattr(datasets, f"load_{data.builtin}")()
    labels: list[Label] = [str(bunch.target_names[i]) for i in bunch.target]
    names = [str(name) for name in bunch.feature_names]
    return _from_memory(data, data.builtin, bunch.data, labels, names)


def _table(
    source: str,
    features: Floats,
    labels: LabelColumn,
    names: tuple[str, ...],
    data: Data,
    like: Table | None = None,
) -> Table:
    if not len(labels):
        raise DataError(f"{source} has no rows below its header")
    classes = like.classes if like else labels.classes(data.positive, source)
    return Table(features, labels.encode(classes, source), names, classes)
