"""Which columns of a table are features and which is the target, by what a recipe says."""

from collections import Counter
from collections.abc import Sequence

from serve_runtime.feature_names import column_at, did_you_mean
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.csv.first_rows import may_be_data
from serve_runtime.tables.formats import holds_parquet
from train.errors import DataError
from train.recipe.column_keys import Columns
from train.recipe.keys import Data

_SHOWN = 20
"""Most columns that a message lists."""
_TARGET_NAMES = ("target", "label", "y")


def chosen_features(data: Data, source: str, there: Sequence[str]) -> tuple[str, ...]:
    """The features that `data` chooses out of the columns `there`, which are without the target."""
    drop = [name for name in data.drop if name]  # an empty one may come from an empty variable
    for option, columns in (("features", data.features or []), ("drop", drop)):
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


def check_asked(names: Sequence[str], target: str | None, source: str, asked: Columns) -> None:
    """Raise DataError unless all columns that a recipe says something of are among the features
    `names` of `source`, and none is two kinds."""
    for option, said in (
        ("columns.category", asked.category),
        ("columns.number", asked.number),
        ("columns.bend", asked.bend if isinstance(asked.bend, list) else []),
        ("[columns]", list(asked.own)),
    ):
        if target is not None and target in said:
            raise DataError(
                f"{option} names the target {quoted(target)}: only features have a kind"
                f"{' and can be bent' * (option == 'columns.bend')}, labels stay as they are"
            )
        if unknown := [name for name in said if name not in names]:
            raise DataError(
                f"{source}: {option} names {listed(unknown)}, which is not among the features "
                f"{listed(names)}{did_you_mean(unknown, names)}"
            )
    if both := sorted({*asked.category} & {*asked.number}):
        raise DataError(f"a column is a category or a number, not both: {listed(both)}")
    if isinstance(asked.bend, list) and (both := sorted({*asked.category} & {*asked.bend})):
        raise DataError(
            f"columns.bend names {listed(both)}, and columns.category too: only numbers are bent, "
            "each level of a category has a weight of its own"
        )


def chosen_target(data: Data, path: str, columns: Sequence[str]) -> str:
    """The column of `path` that holds the labels. Raises DataError where that is not clear."""
    target, hint = data.target, header_hint(data, path, columns)
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


def chosen_weights(
    data: Data, path: str, columns: Sequence[str], target: str, *, required: bool
) -> str | None:
    """The column of `path` that holds the weights of rows, if `data` names one.

    Raises DataError where it is not there, unless it is not `required`, and where it is said to be
    something else too.
    """
    name = data.weights
    if name is None or (name not in columns and not required):
        return None
    if name not in columns:
        raise DataError(
            f"{path}: no column {quoted(name)} of weights; there are {listed(columns, _SHOWN)}"
            f"{did_you_mean([name], columns)}"
        )
    if name == target:
        raise DataError(f"{path}: {quoted(name)} is the target: the weights need another column")
    for option, names in (("features", data.features or []), ("drop", data.drop)):
        if required and name in names:
            raise DataError(
                f"{path}: data.{option} names {quoted(name)}, which holds the weights and is no "
                f"feature: leave it out of data.{option}, or do without data.weights"
            )
    return name


def header_hint(data: Data, path: str, columns: Sequence[str]) -> str:
    """What to say where the first line of a CSV may be a row of data, else an empty text."""
    if not data.header or holds_parquet(path) or not may_be_data(columns, 0.5):
        return ""
    numbers = listed([name for name in columns if may_be_data([name], 1)], 3)
    return f"Names of columns are numbers ({numbers}): if the first line is data, say --no-header"
