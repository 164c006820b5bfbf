"""The dataset whose rows do not fit into memory, or are shared by processes."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from serve_runtime.arrays import Float32, Floats
from serve_runtime.bundle.affine import Affine
from train.dataset.block_file import rows_in_block
from train.dataset.dataset import WORDS, check_standardised, require_numbers, scaling
from train.dataset.disk_gradients import DiskGradients
from train.dataset.disk_part import DiskPart
from train.errors import DataError, TrainError
from train.evaluate.metrics import Metrics, evaluate
from train.gradients.gpu import GpuGradients, fits
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.gradients.source import GradientSource
from train.memory_budget import format_size, peak
from train.recipe.recipe import Recipe
from train.tables.columns.plan import read_as_found
from train.tables.columns.report import tell
from train.tables.holdout import held_out
from train.tables.load import decide_from_files
from train.tables.table_files import TableFiles, find_table_files

_READING = 1 << 28
"""Bytes of memory that Arrow's reader and what it reads ahead may take."""
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
    ) -> None:
        self._device = device
        self.names, self._loss, self._group = files.names, recipe.optimizer.loss, group
        width = len(files.names)
        block = 4 * (width + 1) * rows_in_block(width)
        raw = 2 * np.dtype(files.number_type).itemsize // 4  # blocks' memory while rows are read
        # It depends on `allowed` alone, so that a resumed training draws the same batches.
        self._pool = max(1, allowed // 8 // block)
        least = peak() + _READING + (raw + self._pool) * block
        if least > allowed:
            raise TrainError(
                f"{format_size(allowed)} of memory (data.memory = {recipe.data.memory!r}) are too "
                f"little: this process, Arrow's reader and blocks of {format_size(block)} need "
                f"{format_size(least)}"
            )
        self.picking = f"from {self._pool} blocks of {rows_in_block(width)} rows at a time"
        self._where = where
        with files.unchanged():
            training, holdout = self._read(recipe, files, say)
        self._parts = {"training": training} | ({"holdout": holdout} if holdout else {})
        for part in self._parts.values():
            part.finish(group)
        self.digests = {
            f"{WORDS[name]} rows": part.digest.hexdigest(self.names, self.classes.labels)
            for name, part in self._parts.items()
        }
        self.moments = training.moments
        self.rows = training.count
        self.holdout_rows = holdout.count if holdout else 0
        self.positives = {name: part.positives / part.count for name, part in self._parts.items()}
        self.scaling = scaling(
            self.moments, self.names, standardize=recipe.model.standardize, say=say
        )
        self._largest = torch.zeros(width + 1)
        self._largest[-1] = 1
        for name in self._parts:
            self._standardise(name)
        group.maximum(self._largest)

    def gradient_source(self, *, batches: bool) -> GradientSource:
        """The standardised rows to train on."""
        return self._streamed(self._parts["training"])

    def holdout(self) -> GradientSource | None:
        """The standardised rows held out, if any."""
        return self._streamed(self._parts["holdout"]) if "holdout" in self._parts else None

    def _streamed(self, part: DiskPart) -> GradientSource:
        if self._device.type == "cpu":
            return DiskGradients(part.file, part.count, self._largest, self._pool, self._group)
        resident = fits(part.file.count * (part.file.width + 1), self._device)
        return GpuGradients(
            part.file.blocks,
            part.count,
            self._largest,
            self._device,
            resident=resident,
            group=self._group,
        )

    def sample(self) -> Float32:
        """Some raw rows (k, d), on which export compares its artifacts with the model."""
        return np.concatenate([part.sample for part in self._parts.values()])

    def evaluate(self, model: Affine, *, standardised: bool = False) -> dict[str, Metrics]:
        """What the model is worth on each part, as `Dataset` says.

        The rows on disk are standardised; raw ones are computed from them, to float32 rounding.
        """
        return {
            name: evaluate(
                partial(self._blocks, part, standardised),
                part.count,
                model,
                self._loss,
                part=WORDS[name],
                most_logits=_MOST_LOGITS,
                group=self._group,
            )
            for name, part in self._parts.items()
        }

    def _blocks(self, part: DiskPart, standardised: bool) -> Iterator[tuple[Float32, Float32]]:
        for rows in part.file.blocks():
            features = rows.features.numpy()
            yield features if standardised else self.scaling.undo(features), rows.labels.numpy()

    def _read(
        self, recipe: Recipe, files: TableFiles, say: Callable[[str], None]
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
        _check_room(self._where, size * (len(self.names) + 1) * len(labels))
        out = np.zeros(len(labels), bool)
        if part and not isinstance(part, str):
            out = held_out(labels, part, recipe.model.seed)
        decided, reading = read_as_found(
            files,
            recipe.data,
            recipe.columns,
            lambda reading: decide_from_files(recipe, files, reading, ~out),
        )
        tell(decided, say)
        require_numbers(decided)
        self._reading = replace(reading, numbers=self.names)
        holdout = None
        if isinstance(part, str):
            others = find_table_files(recipe.data, part, self.names)
            with others.unchanged():
                if not len(held := others.labels()):
                    raise DataError(f"{part} has no rows below its header")
                theirs = held.encode(self.classes, part)
                holdout, _ = self._split(others, theirs, np.zeros(len(theirs), bool))
        training, split = self._split(files, labels, out)
        return training, holdout or split

    def _split(
        self, files: TableFiles, labels: Float32, out: npt.NDArray[np.bool_]
    ) -> tuple[DiskPart, DiskPart | None]:
        """Read the rows of `files` into two parts: to train on, and those in the mask `out`."""
        width, held = len(self.names), int(out.sum())
        new = partial(DiskPart, self._where, width, files.number_type, self._group)
        kept, apart = new(len(labels) - held), new(held) if held else None
        parts = [(kept, ~out), *([(apart, out)] if apart else [])]
        wanted = _range([np.flatnonzero(mask)[part.mine] for part, mask in parts])
        for part, mask in parts:
            part.skip(int(mask[: wanted.start].sum()))
        start = wanted.start
        reading = tqdm(total=len(wanted), unit=" rows", desc="reading", disable=None, leave=False)
        for features, _ in files.batches(self._reading, rows=wanted):
            reading.update(features.shape[1])
            here = slice(start, start + features.shape[1])
            start = here.stop
            if start > len(labels):
                break
            for part, mask in parts:
                if mask[here].all():
                    part.add(features, labels[here])
                else:
                    part.add(features[:, mask[here]], labels[here][mask[here]])
        reading.close()
        if start != wanted.stop:
            raise DataError(f"{files.paths[0]}: the rows changed while they were read")
        return kept, apart

    def _standardise(self, name: str) -> None:
        rows = self._parts[name]
        first = rows.mine.start

        def apply(features: Floats) -> Float32:
            nonlocal first
            result = self.scaling.apply(features)
            check_standardised(result, self.names, WORDS[name], first)
            first += result.shape[1]
            if name == "training":
                reach = torch.from_numpy(np.maximum(result.max(1), -result.min(1)))
                self._largest[:-1] = torch.maximum(self._largest[:-1], reach)
            return result

        rows.file.change(apply)


def _range(indices: Sequence[npt.NDArray[np.intp]]) -> range:
    """The smallest range that holds all `indices`, each of which is sorted."""
    there = [index for index in indices if len(index)]
    if not there:
        return range(0)
    return range(min(int(i[0]) for i in there), max(int(i[-1]) for i in there) + 1)


def _check_room(where: Path, needed: int) -> None:
    free = shutil.disk_usage(where).free
    if needed > free:
        raise DataError(
            f"rows that do not fit into memory need {format_size(needed)} on disk, and {where} has "
            f"{format_size(free)}: name another --out, or allow more memory"
        )
