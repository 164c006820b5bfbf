"""Rows on disk: read once, split, standardised, and ready to be trained on."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from train import memory
from train.affine import Trained
from train.cache import Cache, rows_in_block
from train.checkpoint import sample_positions
from train.design import Design
from train.digest import Digest
from train.errors import DataError, TrainError
from train.files import Files, find
from train.gradients import LOSSES, logits
from train.metrics import Metrics
from train.prepared import check_standardised, scaling
from train.recipe import Recipe
from train.scaling import Moments
from train.streamed import Streamed
from train.table import held_out

Float32 = npt.NDArray[np.float32]

_READING = 1 << 28
"""Bytes that Arrow's reader and what it reads ahead may take."""
_BINS, _REACH = 1 << 17, 64.0
"""Of logits from -64 to 64, for the area under the curve."""


class _Part:
    """Rows to train on, or to hold out, with all that is found out while they are read."""

    def __init__(self, where: Path, width: int, count: int) -> None:
        self.cache, self.digest = Cache(where, width), Digest(width)
        self.moments, self.positives = Moments(width), 0.0
        self._positions = sample_positions(count, width)
        self._sample: list[Float32] = []

    def add(self, features: Float32, labels: Float32) -> None:
        self.cache.append(features, labels, self._see)

    def finish(self) -> None:
        self.cache.finish(self._see)

    def sample(self) -> Float32:
        return np.concatenate(self._sample)

    def _see(self, features: Float32, labels: Float32) -> None:
        first = self.cache.count
        here = self._positions[(first <= self._positions) & (self._positions < first + len(labels))]
        self._sample.append(features[:, here - first].T.copy())
        self.digest.add(features, labels)
        self.moments.add(features)
        self.positives += float(labels.sum(dtype=np.float64))


class OnDisk:
    """See train.prepare.Prepared. Takes no more than about `allowed` bytes of memory.

    Raises TrainError where that is too little, InputError or DataError where rows cannot be
    trained on or kept.
    """

    on_disk = True

    def __init__(
        self,
        recipe: Recipe,
        files: Files,
        where: Path,
        allowed: int,
        say: Callable[[str], None],
    ) -> None:
        self.names, self._loss = files.names, recipe.optimizer.loss
        width = len(files.names)
        block = 4 * (width + 1) * rows_in_block(width)
        self._spare = allowed - memory.peak() - _READING - 4 * block
        if self._spare < 0:
            least = allowed - self._spare
            raise TrainError(
                f"data.memory = {recipe.data.memory!r} is too little: this process, Arrow's reader "
                f"and blocks of {memory.show(block)} need {memory.show(least)}"
            )
        self._where = where
        self._training, self._holdout = self._read(recipe, files)
        parts = {"training": self._training, "hold-out": self._holdout}
        there = {name: part for name, part in parts.items() if part}
        self.digests = {
            f"{name} rows": part.digest.hexdigest(self.names, self.classes.labels)
            for name, part in there.items()
        }
        self.moments = self._training.moments
        self.rows = self._training.cache.count
        self.holdout_rows = self._holdout.cache.count if self._holdout else 0
        self.positives = self._training.positives / self.rows
        self.scaling = scaling(
            self.moments, self.names, standardize=recipe.model.standardize, say=say
        )
        self._largest = torch.zeros(width + 1)
        self._largest[-1] = 1
        for name, part in there.items():
            self._standardise(part.cache, name)

    def design(self, *, batches: bool) -> Design:
        """See Prepared."""
        return Streamed(self._training.cache, self._largest, self._spare if batches else 0)

    def holdout(self) -> Design | None:
        """See Prepared."""
        return Streamed(self._holdout.cache, self._largest, 0) if self._holdout else None

    def sample(self) -> Float32:
        """See Prepared."""
        parts = [self._training, *([self._holdout] if self._holdout else [])]
        return np.concatenate([part.sample() for part in parts])

    def evaluate(self, served: nn.Sequential, trained: Trained) -> dict[str, Metrics]:
        """See Prepared; of the model as trained, on standardised rows."""
        theta = torch.tensor([*trained.weight.tolist(), trained.bias])
        parts = {"training": self.design(batches=False), "holdout": self.holdout()}
        return {name: _evaluated(data, theta, self._loss) for name, data in parts.items() if data}

    def _read(self, recipe: Recipe, files: Files) -> tuple[_Part, _Part | None]:
        """The rows to train on and to hold out, as they are."""
        source, part = str(recipe.data.file), recipe.data.holdout
        before, column = _stamps(files.paths), files.labels()
        if not len(column):
            raise DataError(f"{source} has no rows below its header")
        self.classes = column.classes(recipe.data.positive, source)
        labels = column.encode(self.classes, source)
        del column
        if isinstance(part, str):
            others = find(recipe.data, part, self.names)
            theirs = others.labels().encode(self.classes, part)
            holdout, _ = self._split(others, theirs, np.zeros(len(theirs), bool))
            out = np.zeros(len(labels), bool)
        else:
            holdout = None
            out = held_out(labels, part, recipe.model.seed) if part else np.zeros(len(labels), bool)
        _check_room(self._where, 4 * (len(self.names) + 1) * len(labels))
        training, split = self._split(files, labels, out)
        if _stamps(files.paths) != before:
            raise DataError(f"{source} changed while it was read: train on what stays as it is")
        return training, holdout or split

    def _split(
        self, files: Files, labels: Float32, out: npt.NDArray[np.bool_]
    ) -> tuple[_Part, _Part | None]:
        """The rows of `files`, those apart that are `out`."""
        width, held = len(self.names), int(out.sum())
        kept = _Part(self._where, width, len(labels) - held)
        apart = _Part(self._where, width, held) if held else None
        start = 0
        reading = tqdm(total=len(labels), unit=" rows", desc="reading", disable=None, leave=False)
        for features in files.batches():
            reading.update(features.shape[1])
            here = slice(start, start + features.shape[1])
            start = here.stop
            if start > len(labels):
                break
            if apart is None:
                kept.add(features, labels[here])
                continue
            for part, chosen in ((kept, ~out[here]), (apart, out[here])):
                part.add(features[:, chosen], labels[here][chosen])
        reading.close()
        if start != len(labels):
            raise DataError(f"{files.paths[0]}: the rows changed while they were read")
        for part in (kept, apart):
            if part:
                part.finish()
        return kept, apart

    def _standardise(self, cache: Cache, part: str) -> None:
        first = 0

        def apply(features: Float32) -> Float32:
            nonlocal first
            result = self.scaling.apply(features)
            check_standardised(result, self.names, part, first)
            first += result.shape[1]
            if cache is self._training.cache:
                reach = torch.from_numpy(np.maximum(result.max(1), -result.min(1)))
                self._largest[:-1] = torch.maximum(self._largest[:-1], reach)
            return result

        cache.change(apply)


def _stamps(paths: Sequence[str]) -> list[tuple[int, int]]:
    found = [Path(path).stat() for path in paths]
    return [(stat.st_size, stat.st_mtime_ns) for stat in found]


def _check_room(where: Path, needed: int) -> None:
    free = shutil.disk_usage(where).free
    if needed > free:
        raise DataError(
            f"rows that do not fit into memory need {memory.show(needed)} on disk, and {where} has "
            f"{memory.show(free)}: name another --out, or allow more memory"
        )


@torch.no_grad()
def _evaluated(data: Design, theta: Tensor, loss: str) -> Metrics:
    """As train.metrics.evaluate, in one pass; logits are rounded to a thousandth for the AUC."""
    cost = log_loss = right = 0.0
    counts = torch.zeros(2, _BINS, dtype=torch.int64)
    for rows in data.blocks():
        logit = logits(rows.features, theta)
        wide, labels = logit.double(), rows.labels.double()
        cost += float(LOSSES[loss].cost(wide, labels)) * len(labels)
        log_loss += float(LOSSES["bce"].cost(wide, labels)) * len(labels)
        right += float(((logit.sigmoid() >= 0.5) == (rows.labels == 1)).sum())
        place = (logit.clamp(-_REACH, _REACH) + _REACH) * ((_BINS - 1) / (2 * _REACH))
        for label, count in enumerate(counts):
            count += torch.bincount(place[rows.labels == label].long(), minlength=_BINS)
    negatives, positives = counts.double()
    below = negatives.cumsum(0) - negatives / 2  # a tie counts half
    pairs = float(negatives.sum() * positives.sum())
    return {
        "rows": float(data.count),
        "features": float(len(theta) - 1),
        "cost": cost / data.count,
        "accuracy": right / data.count,
        "auc": float((below * positives).sum()) / pairs if pairs else None,
        "log_loss": log_loss / data.count,
    }
