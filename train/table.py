"""From a recipe's data to features and labels: float32, feature-major, checked."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.budgets import sigmoid
from serve_runtime.card import Label
from serve_runtime.columnar import check_names
from serve_runtime.errors import InputError
from train.errors import DataError
from train.labels import Classes, find_classes
from train.recipe import Data

Float32 = npt.NDArray[np.float32]

_TARGET_NAMES = ("target", "label", "y")
_BUILTIN = ("breast_cancer", "digits", "iris", "wine")


@dataclass(frozen=True)
class Table:
    """Rows to train on or to hold out."""

    features: Float32
    """(d, n), C-contiguous: each feature's values lie together, as in Arrow's columns."""
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

    def digest(self) -> str:
        """SHA-256 of names, classes and values: the same for the same rows in any file format."""
        labels = [str(label).casefold() for label in self.classes.labels]  # True, "true": one
        sha = hashlib.sha256(repr((self.feature_names, labels)).encode())
        sha.update(self.features.astype("<f4").tobytes())
        sha.update(self.labels.astype("<f4").tobytes())
        return sha.hexdigest()


def load(data: Data, seed: int) -> Table:
    """The table that `data` describes; `seed` is that of a simulation.

    Raises DataError or InputError: no such file or target, a feature that is no number or not
    finite, labels that are not two classes.
    """
    if data.file is not None:
        return _from_file(data, data.file)
    if data.points is not None:
        return _from_points(data)
    if data.simulate is not None:
        return _simulated(data, seed)
    if data.builtin is not None:
        return _builtin(data)
    raise DataError("no data: give a file, or a recipe with data.file, points, simulate or builtin")


def load_holdout(data: Data, path: str, like: Table) -> Table:
    """The hold-out file of a recipe, read with the training table's features and classes."""
    return _from_file(data, path, like)


def split(table: Table, fraction: float, seed: int) -> tuple[Table, Table]:
    """Training and hold-out rows: a seeded random split that keeps the classes' proportions."""
    from sklearn.model_selection import train_test_split

    try:
        train, holdout = train_test_split(
            np.arange(table.rows), test_size=fraction, random_state=seed, stratify=table.labels
        )
    except ValueError as reason:
        raise DataError(
            f"cannot hold out {fraction:g} of {table.rows} rows ({reason}): "
            "give more rows, another fraction, or data.holdout = 0"
        ) from None
    return table.take(np.sort(train)), table.take(np.sort(holdout))


def _from_file(data: Data, path: str, like: Table | None = None) -> Table:
    from serve_runtime.csv_tables import check_separator
    from serve_runtime.tables import is_parquet, open_table, read_column_names

    if path == "-":
        raise DataError("training reads its data more than once: give a file, not standard input")
    columns = read_column_names(path, header=data.header)
    try:
        check_names(columns, columns)
    except InputError as reason:
        raise DataError(f"{path}: {reason}") from None
    if not is_parquet(path):
        check_separator(path, columns)
    target = _target(data, path, columns)
    if target in (data.features or ()):
        raise DataError(f"{path}: the target {target!r} cannot be one of the features")
    if like is None:
        names = _chosen(data, path, [name for name in columns if name != target])
    else:
        names = like.feature_names
    if "" in names:
        raise DataError(
            f"{path}: column {columns.index('') + 1} has no name: name it, leave it out with "
            "--features, or write the file without it (pandas: index=False)"
        )
    batches = list(open_table(path, names, [target], header=data.header))
    if not sum(batch.num_rows for batch in batches):
        raise DataError(f"{path} has no rows below its header")
    labels = [label for batch in batches for label in batch.column(target).to_pylist()]
    features = np.empty((len(names), len(labels)), np.float32)
    for row, name in zip(features, names, strict=True):
        chunks = [batch.column(name).to_numpy(zero_copy_only=False) for batch in batches]
        np.concatenate(chunks, out=row)
    return _checked(path, features, labels, names, data, like)


def _chosen(data: Data, source: str, there: Sequence[str]) -> tuple[str, ...]:
    """The features to learn from, out of the columns `there` (without the target)."""
    for option, columns in (("features", data.features or []), ("drop", data.drop)):
        unknown = [name for name in columns if name not in there]
        if unknown:
            raise DataError(
                f"{source}: data.{option} names {', '.join(unknown)}, which is not among the "
                f"features {', '.join(there)}"
            )
        if len(set(columns)) != len(columns):
            raise DataError(f"{source}: data.{option} names a column twice: {', '.join(columns)}")
    names = tuple(name for name in data.features or there if name not in data.drop)
    if not names:
        raise DataError(f"{source}: no feature is left beside the target")
    return names


def _from_memory(
    data: Data, source: str, rows: npt.NDArray[np.float64], labels: list[Label], there: list[str]
) -> Table:
    """A table out of `rows` (n, d) whose features are called `there`."""
    if data.target is not None:
        raise DataError(f"data.target names a column of a file; {source} brings its own labels")
    names = _chosen(data, source, there)
    with np.errstate(over="ignore", under="ignore"):  # what overflows is reported as infinite
        features = rows.T[[there.index(name) for name in names]].astype(np.float32)
    return _checked(source, np.ascontiguousarray(features), labels, names, data)


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
        raise DataError(f"no built-in data set {data.builtin!r}; there are {', '.join(_BUILTIN)}")
    bunch = getattr(datasets, f"load_{data.builtin}")()
    labels: list[Label] = [str(bunch.target_names[i]) for i in bunch.target]
    names = [str(name) for name in bunch.feature_names]
    return _from_memory(data, data.builtin, bunch.data, labels, names)


def _checked(
    source: str,
    features: Float32,
    labels: Sequence[Label | None],
    names: tuple[str, ...],
    data: Data,
    like: Table | None = None,
) -> Table:
    if not np.isfinite(features).all():
        row, feature = map(int, np.argwhere(~np.isfinite(features.T))[0])
        value = float(features[feature, row])
        found = "missing" if np.isnan(value) else f"{value} as float32"
        raise DataError(
            f"{source}: data row {row + 1}, column {names[feature]!r} is {found}; every value "
            "must be finite: drop the row or fill the value"
        )
    classes = like.classes if like is not None else find_classes(labels, data.positive, source)
    return Table(features, classes.encode(labels, source), names, classes)


def _target(data: Data, path: str, columns: Sequence[str]) -> str:
    from serve_runtime.tables import is_parquet

    target = data.target
    if target is None:
        if not data.header and not is_parquet(path):
            return columns[-1]
        usual = [name for name in columns if name.lower() in _TARGET_NAMES]
        if len(usual) == 1:
            return usual[0]
        raise DataError(
            f"{path}: say which column to predict with --target (or data.target); "
            f"there are {', '.join(columns)}"
        )
    if target in columns:
        return str(target)
    try:
        position = int(target)
    except ValueError:
        position = len(columns)
    if not -len(columns) <= position < len(columns):
        raise DataError(f"{path}: no target column {target!r}; there are {', '.join(columns)}")
    return columns[position]
