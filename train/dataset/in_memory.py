"""Rows in memory: read, split, standardised, and ready to be trained on."""

import operator
from collections.abc import Iterator
from functools import partial, reduce

import numpy as np
import numpy.typing as npt
import torch

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from train.dataset.dataset import WORDS, Say, check_standardised, scaling
from train.evaluate.metrics import Metrics, evaluate
from train.gradients.cpu import design
from train.gradients.gpu import OnGpu, fits
from train.gradients.source import Design, Rows, largest, parts
from train.recipe.recipe import Recipe
from train.run_folder import sample_rows
from train.standardize import Moments
from train.tables.holdout import split
from train.tables.table import Table, load, load_holdout
from train.tables.table_files import Files

_ROWS_TO_COPY = 64
"""Parts of rows that are copied to a GPU at once, where not all fit into its memory."""


class InMemory:
    """See train.dataset.dataset.Prepared. Raises InputError or DataError."""

    on_disk = False
    picking = "from all rows"

    def __init__(self, recipe: Recipe, files: Files | None, device: torch.device, say: Say) -> None:
        self._device, self._loss = device, recipe.optimizer.loss
        table, holdout = _tables(recipe, files)
        self._parts = {"training": table} | ({"holdout": holdout} if holdout else {})
        self.names, self.classes = table.feature_names, table.classes
        self.rows = table.rows
        self.holdout_rows = holdout.rows if holdout else 0
        self.positives = {name: float(part.labels.mean()) for name, part in self._parts.items()}
        self.moments = reduce(operator.add, (Moments.of(x) for x, _ in table.parts()))
        self.scaling = scaling(
            self.moments, self.names, standardize=recipe.model.standardize, say=say
        )
        self.digests = {f"{WORDS[name]} rows": part.digest() for name, part in self._parts.items()}

    def design(self, *, batches: bool) -> Design:
        """The standardised rows to train on; with `batches`, laid out for mini-batches."""
        return self._design(self._rows("training"), batches=batches)

    def holdout(self) -> Design | None:
        """The standardised rows held out, if any."""
        if "holdout" not in self._parts:
            return None
        return self._design(self._rows("holdout"), batches=False)

    def sample(self) -> npt.NDArray[np.float32]:
        """Some raw rows (k, d), for the proof at export."""
        return sample_rows(*(table.features for table in self._parts.values()))

    def evaluate(self, served: Affine) -> dict[str, Metrics]:
        """What the model as served is worth on each part: "training" and "holdout"."""
        return {
            name: evaluate(partial(_whole, table), table.rows, served, self._loss, part=WORDS[name])
            for name, table in self._parts.items()
        }

    def _rows(self, part: str) -> Rows:
        table = self._parts[part]
        features = self.scaling.apply(table.features)
        check_standardised(features, self.names, WORDS[part])
        return Rows(torch.from_numpy(features), torch.from_numpy(table.labels))

    def _design(self, rows: Rows, *, batches: bool) -> Design:
        if self._device.type == "cpu":
            return design(rows, batches=batches)
        resident = fits(rows.features.numel() + rows.labels.numel(), self._device)
        return OnGpu(
            lambda: iter([rows]) if resident else parts(rows, _ROWS_TO_COPY),
            len(rows.labels),
            largest(rows),
            self._device,
            resident=resident,
        )


def _whole(table: Table) -> Iterator[tuple[Float32, Float32]]:
    yield table.features, table.labels


def _tables(recipe: Recipe, files: Files | None) -> tuple[Table, Table | None]:
    table, part = load(recipe.data, recipe.model.seed, files), recipe.data.holdout
    if isinstance(part, str):
        return table, load_holdout(recipe.data, part, table)
    return split(table, part, recipe.model.seed) if part else (table, None)
