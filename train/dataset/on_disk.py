"""The dataset whose rows do not fit into memory, or are shared by processes."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from serve_runtime.arrays import Float32, Float64, Floats
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows
from train.dataset.block_file import check_room, row_bytes, rows_in_block
from train.dataset.dataset import WORDS, check_known, check_standardised, layer_of
from train.dataset.disk_gradients import DiskGradients
from train.dataset.disk_part import DiskPart
from train.dataset.layer import Layer, layer_moments
from train.dataset.split import Split, smallest_range
from train.errors import DataError
from train.evaluate.metrics import Blocks, Metrics, Scored, See, evaluate, served_logits
from train.gradients.design import logits
from train.gradients.gpu import GpuGradients, fits
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.gradients.source import GradientSource, Rows
from train.memory_budget import format_size, peak, require
from train.persistence.run_folder import Sample
from train.recipe.recipe import Recipe
from train.selection.choose import select
from train.standardize import Scaling
from train.tables.columns.plan import read_as_found
from train.tables.columns.reading import Reading
from train.tables.columns.refused import check_rows
from train.tables.columns.report import tell
from train.tables.load import decide_from_files
from train.tables.table_files import TableFiles, find_table_files
from train.tables.weights import class_factors, class_weights, say_if_unweighted
from train.trained import Trained

_READING = 1 << 28
"""Bytes of memory that Arrow's reader and what it reads ahead may take."""
_DISK_ROOM = 1 << 20
"""Bytes that a row may take: blocks have fewer rows then."""
_MOST_LOGITS = 1 << 17
"""Logits that are kept in memory for the AUC, which is exact to about 1e-5 where there are more."""


class OnDiskDataset:
    """A Dataset whose rows are in files in the folder `where`, which need no cleaning up.

    It takes no more than about `allowed` bytes of memory. Each process of `group` reads and keeps
    its share of the rows. Raises TrainError where `allowed` is too little, InputError or DataError
    where rows cannot be trained on or kept.
    """

    on_disk = True

    def __init__(
        self,
        recipe: Recipe,
        files: TableFiles,
        where: Path,
        allowed: int,
        say: Callable[[str], None],
        device: torch.device,
        group: ProcessGroup = SINGLE_PROCESS,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        """`saved` is what a checkpoint holds of the choice, where a training is resumed."""
        self._device, self._allowed, self._where = device, allowed, where
        self._loss, self._group = recipe.optimizer.loss, group
        require(peak() + _READING, allowed, recipe.data.memory, "this process and Arrow's reader")
        with files.unchanged():
            training, holdout = self._read(recipe, files, say, saved)
        self._parts = {"training": training} | ({"holdout": holdout} if holdout else {})
        for part in self._parts.values():
            part.finish(group)
        self.digests = {
            f"{WORDS[name]} rows": part.digest.hexdigest(files.names, self.classes.labels)
            for name, part in self._parts.items()
        }
        self.rows = training.count
        self.holdout_rows = holdout.count if holdout else 0
        self.positives = {name: part.positive_share for name, part in self._parts.items()}
        for name, part in self._parts.items():
            part.file.class_factors = class_factors(self.class_weights, self.positives[name])
        self.moments = layer_moments(training.moments, self._design, self.rows, training.further)
        self.layer = layer_of(
            self._design, self.moments, standardize=recipe.model.standardize, say=say
        )
        self._largest = torch.ones(self._design.width + 1)
        self._largest[: self._design.dense] = 0
        for name in self._parts:
            self._standardise(name)
        group.maximum(self._largest)

    def gradient_source(self, *, batches: bool) -> GradientSource:
        """The standardised rows to train on."""
        part = self._parts["training"]
        check_known(part.file.known)
        return self._streamed(part)

    def holdout(self) -> GradientSource | None:
        """The standardised rows held out, if any."""
        return self._streamed(self._parts["holdout"]) if "holdout" in self._parts else None

    def _streamed(self, part: DiskPart) -> GradientSource:
        if self._device.type == "cpu":
            return DiskGradients(part.file, part.count, self._largest, self._pool, self._group)
        row = row_bytes(self.layer, weighted=part.file.weighted)
        resident = fits(part.file.count * row, self._device)
        return GpuGradients(
            part.file.blocks,
            part.count,
            self._largest,
            self._device,
            resident=resident,
            group=self._group,
            categories=self.layer.categories,
        )

    def sample(self) -> Sample:
        """Some raw rows, on which export compares its artifacts with the model."""
        rows = RawRows.joined([part.sample for part in self._parts.values()])
        if self._design.is_numeric:
            return np.ascontiguousarray(rows.numbers.T, np.float32)
        return rows

    def histogram_rows(self) -> Float64:
        """The numbers of some rows to train on, as `Dataset` says."""
        return self._parts["training"].histogram_rows

    def evaluate(
        self, served: Affine, encoding: Encoding | None, see: Mapping[str, See]
    ) -> dict[str, Metrics]:
        """What the served model is worth on each part, as `Dataset` says.

        The rows on disk are standardised; raw ones are computed from them, to float32 rounding.
        """
        return {
            name: self._metrics(name, partial(self.scored, name, served, encoding), see[name])
            for name in self._parts
        }

    def evaluate_trained(self, trained: Trained) -> Metrics:
        """What the trained model is worth on the training rows."""
        theta = torch.from_numpy(trained.theta)

        def blocks() -> Scored:
            for rows in self._parts["training"].file.blocks(by_class=False):
                yield logits(rows, theta), rows.labels.numpy(), _weights_of(rows)

        return self._metrics("training", blocks)

    def _metrics(self, part: str, blocks: Blocks, see: See | None = None) -> Metrics:
        return evaluate(
            blocks,
            self._parts[part].count,
            len(self._design.columns),
            self._loss,
            part=WORDS[part],
            most_logits=_MOST_LOGITS,
            group=self._group,
            see=see,
        )

    def scored(self, part: str, served: Affine, encoding: Encoding | None) -> Scored:
        """The rows of a part with their logits, as `Dataset` says."""
        for rows in self._parts[part].file.blocks(by_class=False):
            codes = [found.numpy() for found in rows.codes]
            numbers, codes = self.layer.served(rows.features.numpy(), codes)
            logit = served_logits(served, encoding, numbers, codes)
            yield logit, rows.labels.numpy(), _weights_of(rows)

    def _read(
        self,
        recipe: Recipe,
        files: TableFiles,
        say: Callable[[str], None],
        saved: Mapping[str, Any] | None,
    ) -> tuple[DiskPart, DiskPart | None]:
        """Read the raw rows to train on and the raw rows held out.

        The target column is read first, in a pass of its own: which rows are held out depends on
        the labels of all. To write all rows first and split them on disk would take 4 % less time
        for a CSV of 1,000,000 × 30, and twice the space.
        """
        source, part = str(recipe.data.file), recipe.data.holdout
        column = files.labels()
        if not len(column):
            raise DataError(f"{source} has no rows below its header")
        self.classes = column.classes(recipe.data.positive, source)
        labels = column.encode(self.classes, source)
        del column
        size = np.dtype(files.number_type).itemsize
        check_room(self._where, size * (len(files.names) + 1) * len(labels))
        split = Split.drawn(recipe, files, labels, self.classes, say)
        self.total_weight = split.total_weight
        before = peak() + _READING
        decided, reading, sample = read_as_found(
            files,
            recipe.data,
            recipe.columns,
            lambda found: decide_from_files(recipe, files, found, labels, split.masks, split.own),
        )
        tell(decided, say)
        asked = recipe.model.class_weight
        self.class_weights = by_class = class_weights(asked, self.classes, split.positive_share)
        self.choice = select(
            recipe, decided.design, sample, say, self._group, saved, _DISK_ROOM, by_class
        )
        self._design, self.dialect = self.choice.design, reading.dialect_to_tell()
        check_room(self._where, 4 * (self._design.dense + 1) * len(labels))
        self._plan_blocks(recipe, reading, before)
        holdout = None
        if isinstance(part, str):
            others = find_table_files(recipe.data, part, files.names)
            with others.unchanged():
                if not len(held := others.labels()):
                    raise DataError(f"{part} has no rows below its header")
                apart = Split.whole(others, held.encode(self.classes, part))
                say_if_unweighted(part, split.own, apart.own, say)
                (holdout,) = self._read_parts(part, others, reading, apart)
        training, *drawn = self._read_parts(source, files, reading, split)
        return training, holdout or (drawn[0] if drawn else None)

    def _plan_blocks(self, recipe: Recipe, reading: Reading, before: int) -> None:
        """How many blocks mini-batches are drawn from at a time. Raises TrainError where they do
        not fit into memory; `before` are the bytes taken before the columns were decided."""
        design, layer = self._design, self._raw_layer
        rows = rows_in_block(design.dense, len(design.columns))
        weighted = recipe.data.weights is not None
        block = row_bytes(layer, weighted=weighted) * rows
        number = np.dtype(reading.number_type).itemsize
        beside = 1 + weighted
        filling = rows * (number * (len(design.numbers) + beside) + 4 * len(design.categories))
        # It depends on `allowed` alone, so that a resumed training draws the same batches.
        self._pool = max(1, self._allowed // 8 // block)
        # The levels of categories are in memory by now.
        least = max(before, peak()) + 2 * filling + self._pool * block
        what = f"this process, Arrow's reader and blocks of {format_size(block)}"
        require(least, self._allowed, recipe.data.memory, what)
        self.picking = f"from {self._pool} blocks of {rows} rows at a time"

    @property
    def _raw_layer(self) -> Layer:
        return Layer(self._design, Scaling.none(self._design.dense))

    def _read_parts(
        self, source: str, files: TableFiles, reading: Reading, split: Split
    ) -> list[DiskPart]:
        """Read the rows of `files`, those of `source`, into the parts of `split` that have rows.
        Raises DataError for one that the model refuses."""
        new = partial(DiskPart, self._where, self._raw_layer, reading, self._group)
        parts = [(new(some.labels, some.weights), some.mask) for some in split.parts()]
        wanted = smallest_range(np.flatnonzero(mask)[part.mine] for part, mask in parts)
        for part, mask in parts:
            part.skip(int(mask[: wanted.start].sum()))
        start = wanted.start
        for features, places in files.batches(reading, rows=wanted):
            here = slice(start, start + features.shape[1])
            start = here.stop
            if start > len(split.labels):
                break
            texts = [vocabulary.texts for vocabulary in reading.vocabularies]
            for part, mask in parts:
                of = np.flatnonzero(mask[here])
                whole = len(of) == features.shape[1]
                some = features if whole else features[:, of]
                found = places if whole else tuple(column[of] for column in places)
                check_rows(some, found, texts, self._design, source, here.start + of)
                part.add(some, found)
        if start != wanted.stop:
            raise DataError(f"{files.paths[0]}: the rows changed while they were read")
        return [part for part, _ in parts]

    def _standardise(self, name: str) -> None:
        rows = self._parts[name]
        first = rows.mine.start

        def apply(features: Floats) -> Float32:
            nonlocal first
            result = self.layer.features(features)
            check_standardised(result, self._design.names, WORDS[name], first)
            first += result.shape[1]
            if name == "training":
                reach = torch.from_numpy(np.maximum(result.max(1), -result.min(1)))
                dense = self._largest[: len(reach)]
                torch.maximum(dense, reach, out=dense)
            return result

        rows.file.change(apply)


def _weights_of(rows: Rows) -> Float32 | None:
    return None if rows.weights is None else rows.weights.numpy()
