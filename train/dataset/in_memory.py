"""Rows in memory: read, split, standardised, and ready to be trained on."""

import operator
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from train.dataset.dataset import Say, check_standardised, scaling
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
from train.trained import Trained

_ROWS_TO_COPY = 64
"""Parts of rows that are copied to a GPU at once, where not all fit into its memory."""


class InMemory:
    """See train.dataset.dataset.Prepared. Raises InputError or DataError."""

    on_disk = False
    picking = "from all rows"

    def __init__(self, recipe: Recipe, files: Files | None, device: torch.device, say: Say) -> None:
        self._device, self._loss = device, recipe.optimizer.loss
        self._table, self._holdout = _tables(recipe, files)
        table = self._table
        self.names, self.classes = table.feature_names, table.classes
        self.rows = table.rows
        self.holdout_rows = self._holdout.rows if self._holdout else 0
        self.positives = float(table.labels.mean())
        self.moments = reduce(operator.add, (Moments.of(x) for x, _ in table.parts()))
        self.scaling = scaling(
            self.moments, self.names, standardize=recipe.model.standardize, say=say
        )
        parts = {"training rows": table, "hold-out rows": self._holdout}
        self.digests = {name: part.digest() for name, part in parts.items() if part}

    def design(self, *, batches: bool) -> Design:
        """See Prepared."""
        return self._design(self._rows(self._table, "training"), batches=batches)

    def holdout(self) -> Design | None:
        """See Prepared."""
        if self._holdout is None:
            return None
        return self._design(self._rows(self._holdout, "hold-out"), batches=False)

    def sample(self) -> npt.NDArray[np.float32]:
        """See Prepared."""
        return sample_rows(*(t.features for t in (self._table, self._holdout) if t))

    def evaluate(self, served: nn.Sequential, trained: Trained) -> dict[str, Metrics]:
        """See Prepared; of the model as served, on raw rows."""
        metrics = {"training": evaluate(served, self._table, self._loss)}
        if self._holdout:
            metrics["holdout"] = evaluate(served, self._holdout, self._loss, part="hold-out")
        return metrics

    def _rows(self, table: Table, part: str) -> Rows:
        features = self.scaling.apply(table.features)
        check_standardised(features, self.names, part)
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


def _tables(recipe: Recipe, files: Files | None) -> tuple[Table, Table | None]:
    table, part = load(recipe.data, recipe.model.seed, files), recipe.data.holdout
    if isinstance(part, str):
        return table, load_holdout(recipe.data, part, table)
    return split(table, part, recipe.model.seed) if part else (table, None)
