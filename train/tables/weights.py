"""How much rows count: weights from a column of the table, and weights of the two classes.

A row of weight 0 is no row: it is neither trained on nor held out. The others are scaled to a mean
of 1, so that only their ratios count.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64
from serve_runtime.errors import InputError
from serve_runtime.evaluation.labels import class_of
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.read import read_batches
from train.errors import DataError
from train.tables.labels import Classes
from train.tables.table_files import TableFiles

ByClass: TypeAlias = tuple[float, float]
"""Of a row of the negative and of the positive class."""


def read_weights(files: TableFiles) -> Float64 | None:
    """The weights (n,) of all rows of `files`, None where they have no column of weights.

    Raises InputError for what is no number, and DataError for a weight that is missing, negative or
    not finite, with its row, and where all are 0.
    """
    name = files.weights
    if name is None:
        return None
    found = [np.empty(0)]
    for path, folders in zip(files.paths, files.folder_columns, strict=True):
        first = 0
        try:
            for batch in read_batches(
                path, [name], folder_columns=folders, number_type=pa.float64(),
                dialect=files.dialect,
            ):  # fmt: skip
                found.append(batch.column(name).to_numpy(zero_copy_only=False))
                _check(found[-1], name, path, first)
                first += batch.num_rows
        except InputError as reason:
            said = str(reason).replace("features must be", "weights must be", 1)
            raise InputError(said) from None
    weights: Float64 = np.concatenate(found)
    with np.errstate(over="ignore"):
        total = weights.sum()
    if len(weights) and not 0 < total < np.inf:
        problem = "are 0, and rows of weight 0 do not count: give some a weight above 0"
        if total:
            problem = "add up to more than float64 holds: divide them by the same number"
        raise DataError(f"{files.paths[0]}: all weights in {quoted(name)} {problem}")
    return weights


def _check(weights: Float64, name: str, path: str, first: int) -> None:
    """Raise DataError for a weight that no row can have; the first is that of data row `first`."""
    odd = ~((weights >= 0) & (weights < np.inf))
    if odd.any():
        row = int(odd.argmax())
        what = "is missing" if np.isnan(weights[row]) else f"is {weights[row]:g}"
        raise DataError(
            f"{path}: data row {first + row + 1}: its weight in {quoted(name)} {what}; weights "
            "must be finite numbers, 0 or more: correct it, or give 0 to leave the row out"
        )


def counted_rows(weights: Float64 | None, rows: int) -> npt.NDArray[np.intp]:
    """Which of `rows` rows count, rising: those of a weight above 0, as float32 holds it beside the
    largest one."""
    if weights is None or not len(weights):
        return np.arange(rows)
    return np.flatnonzero((weights / weights.max()).astype(np.float32))


def scaled(weights: Float64) -> Float32:
    """The `weights` (n,) of rows that count, times what makes their mean 1."""
    result: Float32 = (weights / weights.mean()).astype(np.float32)
    return result


def positive_share(labels: Float32, weights: Float32 | None) -> float:
    """The share of positive rows, each counting by its weight."""
    if weights is None:
        return float(labels.sum(dtype=np.float64)) / len(labels)
    wide = weights.astype(np.float64)
    return float(wide[labels == 1].sum() / wide.sum())


def check_both_classes(labels: Float32, classes: Classes, source: str) -> None:
    """Raise DataError where the rows that count, with these `labels` (n,), are of one class."""
    for place, label in enumerate(classes.labels):
        if not (labels == place).any():
            raise DataError(
                f"{source}: all rows that are {quoted(label)} have the weight 0, so one class is "
                "left: both need rows of a weight above 0"
            )


def told_weights(name: str | None, weights: Float64 | None, counted: int) -> str:
    """A line for a person on the `weights` of all rows, of which some are `counted`; empty where
    there are none."""
    if weights is None:
        return ""
    there = weights[weights > 0]
    zeros = len(weights) - counted
    left_out = f"; {zeros:,} rows of weight 0 are left out" if zeros else ""
    return f"rows count by {quoted(name)}, from {there.min():.4g} to {there.max():.4g}{left_out}"


def say_if_unweighted(
    source: str, training: Float64 | None, holdout: Float64 | None, say: Callable[[str], object]
) -> None:
    """Say that the rows held out, those of the file `source`, count alike though those to train on
    do not: its metrics are of another kind then."""
    if training is not None and holdout is None:
        say(f"note: {source} has no column of weights, so its rows count alike in its metrics")


def class_weights(
    asked: str | Mapping[str, float] | None, classes: Classes, share: float
) -> ByClass | None:
    """What a recipe has `asked` for: "balanced", so that both classes count alike where `share` of
    the rows to train on are positive, or a number for each label, 1 where none is given.

    Raises DataError for a label that is none of the classes.
    """
    if asked is None:
        return None
    if isinstance(asked, str):
        return 1 / (2 * (1 - share)), 1 / (2 * share)
    found: dict[int, float] = {}
    for label, weight in asked.items():
        place = class_of(label, classes.labels)
        if place is None:
            raise DataError(
                f"model.class_weight names {quoted(label)}, and the classes are "
                f"{listed(classes.labels, joint=' and ')}: name one of these"
            )
        if place in found:
            raise DataError(
                f"model.class_weight names the class {quoted(classes.labels[place])} twice"
            )
        found[place] = float(weight)
    return found.get(0, 1.0), found.get(1, 1.0)


def class_factors(weights: ByClass | None, share: float) -> ByClass | None:
    """The weights of the classes, if there are any, times what makes their mean 1 over rows of
    which `share` are positive."""
    if weights is None:
        return None
    negative, positive = weights
    mean = negative * (1 - share) + positive * share
    return negative / mean, positive / mean


def weights_by_class(
    weights: Float32 | None, labels: Float32, factors: ByClass | None
) -> Float32 | None:
    """The `weights` (n,) of rows times the `factors` of their classes; None where all count
    alike."""
    if factors is None:
        return weights
    of_class: Float32 = np.array(factors, np.float32)[labels.astype(np.intp)]
    return of_class if weights is None else weights * of_class
