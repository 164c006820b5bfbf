"""The dataset whose rows are all in memory."""

import operator
from collections.abc import Iterator
from functools import partial, reduce

import numpy as np
import numpy.typing as npt
import torch

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from train.dataset.dataset import WORDS, Say, check_standardised, require_numbers, scaling
from train.evaluate.metrics import Metrics, evaluate
from train.gradients.cpu import gradient_source
from train.gradients.gpu import GpuGradients, fits
from train.gradients.source import GradientSource, Rows, chunks, largest
from train.recipe.recipe import Recipe
from train.run_folder import sample_rows
from train.standardize import Moments, Scaling
from train.tables.load import load_tables
from train.tables.table import Table
from train.tables.table_files import TableFiles

_CHUNKS_TO_COPY = 64
"""Chunks that are copied to a GPU at once, where not all rows fit into its memory."""


class InMemoryDataset:
    """A Dataset in memory. Raises InputError or DataError where rows cannot be trained on."""

    on_disk = False
    picking = "from all rows"

    def __init__(
        self, recipe: Recipe, files: TableFiles | None, device: torch.device, say: Say
    ) -> None:
        self._device, self._loss = device, recipe.optimizer.loss
        tables = load_tables(recipe, files, say)
        require_numbers(tables.decided)
        names = tables.training.feature_names
        table = tables.training.ordered(names)
        holdout = tables.holdout.ordered(names) if tables.holdout else None
        self._parts = {"training": table} | ({"holdout": holdout} if holdout else {})
        self.names, self.classes = table.feature_names, table.classes
        self.rows = table.rows
        self.holdout_rows = holdout.rows if holdout else 0
        self.positives = {name: float(part.labels.mean()) for name, part in self._parts.items()}
        self.moments = reduce(operator.add, (Moments.of(x) for x, *_ in table.chunks()))
        self.scaling = scaling(
            self.moments, self.names, standardize=recipe.model.standardize, say=say
        )
        self.digests = {f"{WORDS[name]} rows": part.digest() for name, part in self._parts.items()}

    def gradient_source(self, *, batches: bool) -> GradientSource:
        """The standardised rows to train on; with `batches`, laid out for mini-batches."""
        return self._gradient_source(self._rows("training"), batches=batches)

    def holdout(self) -> GradientSource | None:
        """The standardised rows held out, if any."""
        if "holdout" not in self._parts:
            return None
        return self._gradient_source(self._rows("holdout"), batches=False)

    def sample(self) -> npt.NDArray[np.float32]:
        """Some raw rows (k, d), on which export compares its artifacts with the model."""
        return sample_rows(*(table.features for table in self._parts.values()))

    def evaluate(self, model: Affine, *, standardised: bool = False) -> dict[str, Metrics]:
        """What the model is worth on each part, as `Dataset` says."""
        scaling = self.scaling if standardised else None
        return {
            name: evaluate(
                partial(_whole, table, scaling), table.rows, model, self._loss, part=WORDS[name]
            )
            for name, table in self._parts.items()
        }

    def _rows(self, part: str) -> Rows:
        table = self._parts[part]
        features = self.scaling.apply(table.features)
        check_standardised(features, self.names, WORDS[part])
        return Rows(torch.from_numpy(features), torch.from_numpy(table.labels))

    def _gradient_source(self, rows: Rows, *, batches: bool) -> GradientSource:
        if self._device.type == "cpu":
            return gradient_source(rows, batches=batches)
        resident = fits(rows.features.numel() + rows.labels.numel(), self._device)
        return GpuGradients(
            lambda: iter([rows]) if resident else chunks(rows, _CHUNKS_TO_COPY),
            len(rows.labels),
            largest(rows),
            self._device,
            resident=resident,
        )


def _whole(table: Table, scaling: Scaling | None) -> Iterator[tuple[Float32, Float32]]:
    yield scaling.apply(table.features) if scaling else table.served(), table.labels
