"""The dataset whose rows are all in memory."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from serve_runtime.arrays import Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows
from train.dataset.dataset import WORDS, Say, check_known, check_standardised, layer_of
from train.dataset.layer import further_moments, layer_moments
from train.design import Design
from train.evaluate.metrics import Blocks, Metrics, Scored, See, evaluate, served_logits
from train.gradients.cpu import gradient_source
from train.gradients.design import logits
from train.gradients.gpu import GpuGradients, fits, tensors_of
from train.gradients.processes import SINGLE_PROCESS
from train.gradients.source import GradientSource, Rows, are_known, chunks, largest
from train.memory_budget import budget
from train.persistence.run_folder import Sample, raw_rows, sample_positions, sample_rows
from train.profile.columns import histogram_positions
from train.recipe.recipe import Recipe
from train.selection.choose import select
from train.tables.columns.vocabulary import code_table, texts_at
from train.tables.load import load_tables
from train.tables.table import Table
from train.tables.table_files import TableFiles
from train.tables.weights import class_factors, class_weights, weights_by_class
from train.trained import Trained

_CHUNKS_TO_COPY = 64
"""Chunks that are copied to a GPU at once, where not all rows fit into its memory."""


class InMemoryDataset:
    """A Dataset in memory. Raises InputError or DataError where rows cannot be trained on."""

    on_disk = False
    picking = "from all rows"

    def __init__(
        self,
        recipe: Recipe,
        files: TableFiles | None,
        device: torch.device,
        say: Say,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        """`saved` is what a checkpoint holds of the choice, where a training is resumed."""
        self._device, self._loss = device, recipe.optimizer.loss
        tables = load_tables(recipe, files, say)
        table, holdout = tables.training, tables.holdout
        asked, share = recipe.model.class_weight, table.positive_share
        self.class_weights = class_weights(asked, table.classes, share)
        room = budget(recipe.data.memory) // (2 * table.rows)
        self.choice = select(
            recipe, tables.decided.design, tables.sample, say, SINGLE_PROCESS, saved, room,
            self.class_weights,
        )  # fmt: skip
        design = self.choice.design
        self._parts = {"training": table} | ({"holdout": holdout} if holdout else {})
        self.classes, self.dialect = table.classes, table.reading.dialect_to_tell()
        self.rows = table.rows
        self.holdout_rows = holdout.rows if holdout else 0
        self.positives = {name: part.positive_share for name, part in self._parts.items()}
        self.total_weight = None if table.weights is None else float(table.weights.sum())
        further = further_moments(design, table.features)
        self.moments = layer_moments(tables.moments, design, self.rows, further)
        self.layer = layer_of(design, self.moments, standardize=recipe.model.standardize, say=say)
        self.digests = {f"{WORDS[name]} rows": part.digest() for name, part in self._parts.items()}

    def gradient_source(self, *, batches: bool) -> GradientSource:
        """The standardised rows to train on; with `batches`, laid out for mini-batches."""
        rows = self._rows("training")
        check_known(are_known(rows))
        return self._gradient_source(rows, batches=batches)

    def holdout(self) -> GradientSource | None:
        """The standardised rows held out, if any."""
        if "holdout" not in self._parts:
            return None
        return self._gradient_source(self._rows("holdout"), batches=False)

    def sample(self) -> Sample:
        """Some raw rows, on which export compares its artifacts with the model."""
        design = self.layer.design
        if design.is_numeric:
            return sample_rows(*(table.features for table in self._parts.values()))
        parts = self._parts.values()
        return RawRows.joined([_raw_rows(table, design) for table in parts])

    def histogram_rows(self) -> Float64:
        """The numbers of some rows to train on, as `Dataset` says."""
        positions = histogram_positions(self.rows, len(self.layer.design.columns))
        return self._parts["training"].features[:, positions].astype(np.float64)

    def evaluate(
        self, served: Affine, encoding: Encoding | None, see: Mapping[str, See]
    ) -> dict[str, Metrics]:
        """What the served model is worth on each part, as `Dataset` says."""
        return {
            name: self._metrics(name, partial(self.scored, name, served, encoding), see[name])
            for name in self._parts
        }

    def evaluate_trained(self, trained: Trained) -> Metrics:
        """What the trained model is worth on the training rows."""

        def blocks() -> Scored:
            logit = logits(rows, torch.from_numpy(trained.theta))
            yield logit, rows.labels.numpy(), self._parts["training"].scaled_weights

        rows = self._rows("training")
        return self._metrics("training", blocks)

    def _metrics(self, part: str, blocks: Blocks, see: See | None = None) -> Metrics:
        rows, columns = self._parts[part].rows, len(self.layer.design.columns)
        return evaluate(blocks, rows, columns, self._loss, part=WORDS[part], see=see)

    def scored(self, part: str, served: Affine, encoding: Encoding | None) -> Scored:
        """The rows of a part with their logits, as `Dataset` says."""
        table = self._parts[part]
        design, numbers = self.layer.design, table.served()
        if encoding is None:
            yield served_logits(served, None, numbers), table.labels, table.scaled_weights
            return
        first = len(design.numbers) - len(design.center)
        if len(design.center):
            numbers = numbers.copy()
            numbers[first:] = table.features[first:] - design.center[:, None]
        texts = zip(design.categories, table.vocabularies, table.codes, strict=True)
        codes = [code_table(column, words).take(found) for column, words, found in texts]
        logit = served_logits(served, encoding, numbers, codes)
        yield logit, table.labels, table.scaled_weights

    def _rows(self, part: str) -> Rows:
        table, layer = self._parts[part], self.layer
        features = layer.features(table.features)
        check_standardised(features, layer.design.names, WORDS[part])
        codes = layer.codes(table.codes, table.vocabularies)
        factors = class_factors(self.class_weights, self.positives[part])
        weights = weights_by_class(table.scaled_weights, table.labels, factors)
        return Rows(
            torch.from_numpy(features),
            torch.from_numpy(table.labels),
            tuple(map(torch.from_numpy, codes)),
            layer.categories,
            None if weights is None else torch.from_numpy(weights),
        )

    def _gradient_source(self, rows: Rows, *, batches: bool) -> GradientSource:
        if self._device.type == "cpu":
            return gradient_source(rows, batches=batches)
        resident = fits(sum(tensor.nbytes for tensor in tensors_of(rows)), self._device)
        return GpuGradients(
            lambda: iter([rows]) if resident else chunks(rows, _CHUNKS_TO_COPY),
            len(rows.labels),
            largest(rows),
            self._device,
            resident=resident,
            categories=rows.categories,
        )


def _raw_rows(table: Table, design: Design) -> RawRows:
    """A sample of the rows of a table, as they are in it."""
    positions = sample_positions(table.rows, len(design.columns))
    texts = tuple(
        texts_at(words, codes[positions])
        for words, codes in zip(table.vocabularies, table.codes, strict=True)
    )
    return raw_rows(design, table.features[:, positions], texts)
