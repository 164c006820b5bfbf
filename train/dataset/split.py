"""Which rows of some files are trained on and which are held out, found before their features are
read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64
from train.dataset.dataset import Say
from train.recipe.recipe import Recipe
from train.tables.columns.profile import Indices, Mask
from train.tables.holdout import held_out
from train.tables.labels import Classes
from train.tables.table_files import TableFiles
from train.tables.weights import (
    check_both_classes,
    counted_rows,
    positive_share,
    read_weights,
    scaled,
    told_weights,
)


class Part(NamedTuple):
    """The rows to train on, or those held out, all of which count."""

    mask: Mask
    """(n,) which of all rows of the files they are."""
    labels: Float32
    """(m,)"""
    weights: Float32 | None
    """(m,) scaled to a mean of 1; None where all rows count alike."""


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Split:
    """The rows to train on and those held out; a row of weight 0 is neither."""

    labels: Float32
    """(n,) of all rows."""
    own: Float64 | None
    """(n,) the weights of all rows, as they are in the files; None where there are none."""
    masks: tuple[Mask, Mask]
    """(n,) each: which rows are trained on, and which are held out."""

    @classmethod
    def drawn(
        cls, recipe: Recipe, files: TableFiles, labels: Float32, classes: Classes, say: Say
    ) -> "Split":
        """The rows of `files` with these `labels`, of which the recipe's fraction is held out.

        Reads the weights. Raises InputError or DataError.
        """
        part, source, own = recipe.data.holdout, str(recipe.data.file), read_weights(files)
        counted = counted_rows(own, len(labels))
        if told := told_weights(files.weights, own, len(counted)):
            say(told)
            check_both_classes(labels[counted], classes, source)
        out = np.zeros(len(counted), bool)
        if part and not isinstance(part, str):
            out = held_out(labels[counted], part, recipe.model.seed)
        training, holdout = (_mask(counted[of], len(labels)) for of in (~out, out))
        return cls(labels, own, (training, holdout))

    @classmethod
    def whole(cls, files: TableFiles, labels: Float32) -> "Split":
        """All rows of `files` that count, as one part. Reads the weights."""
        own = read_weights(files)
        counted = counted_rows(own, len(labels))
        return cls(labels, own, (_mask(counted, len(labels)), np.zeros(len(labels), bool)))

    @property
    def total_weight(self) -> float | None:
        """The sum of the weights, as they are in the files, of the rows to train on."""
        return None if self.own is None else float(self.own[self.masks[0]].sum())

    @property
    def positive_share(self) -> float:
        """The share of positive rows among those to train on, each counting by its weight."""
        training = next(self.parts())
        return positive_share(training.labels, training.weights)

    def parts(self) -> Iterator[Part]:
        """The parts that have rows."""
        for mask in self.masks:
            if mask.any():
                own = None if self.own is None else scaled(self.own[mask])
                yield Part(mask, self.labels[mask], own)


def smallest_range(indices: Iterator[npt.NDArray[np.intp]]) -> range:
    """The smallest range that holds all `indices`, each of which is sorted."""
    there = [index for index in indices if len(index)]
    if not there:
        return range(0)
    return range(min(int(i[0]) for i in there), max(int(i[-1]) for i in there) + 1)


def _mask(rows: Indices, count: int) -> Mask:
    """The mask (count,) of `rows`."""
    mask = np.zeros(count, bool)
    mask[rows] = True
    return mask
