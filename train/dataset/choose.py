"""Whether rows are trained on in memory or on disk."""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train import memory_budget
from train.dataset.dataset import Dataset, Say
from train.dataset.in_memory import InMemoryDataset
from train.dataset.on_disk import OnDiskDataset
from train.errors import TrainError
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.memory_budget import format_size
from train.recipe.recipe import Recipe
from train.tables.first_rows import look_at_first_rows
from train.tables.table_files import TableFiles, find_table_files


def choose_dataset(
    recipe: Recipe,
    device: torch.device,
    where: Path,
    say: Say,
    group: ProcessGroup = SINGLE_PROCESS,
    saved: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read the rows of `recipe`, into memory where they fit, and choose the penalty by them, unless
    it is `saved` in a checkpoint.

    Otherwise, and where several processes share the rows, they are kept on disk, in files in the
    folder `where`. Raises TrainError, InputError or DataError.
    """
    if group.size > 1 and recipe.data.file is None:
        raise TrainError("several processes share files: give DATA, or start one process")
    if recipe.data.file is not None:
        files = find_table_files(recipe.data, recipe.data.file)
        for note in files.notes:
            say(note)
        look_at_first_rows(files, recipe.data.drop, bool(recipe.data.features), say)
        needed, allowed = _needed(files), memory_budget.budget(recipe.data.memory) // group.size
        if needed > allowed:
            say(
                f"about {format_size(needed)} would be needed to train in memory, and "
                f"{format_size(allowed)} are allowed: rows are kept on disk, in {where}"
            )
        if needed > allowed or group.size > 1:
            return OnDiskDataset(recipe, files, where, allowed, say, device, group, saved)
        return InMemoryDataset(recipe, files, device, say, saved)
    return InMemoryDataset(recipe, None, device, say, saved)


def _needed(files: TableFiles) -> int:
    """About how many bytes of memory it takes to train on `files` in memory.

    The values exist twice as they were read, while they are joined or split, and twice as float32:
    standardised, and as served.
    """
    rows = files.rows if files.rows is not None else sum(map(_lines, files.paths))
    columns = len(files.names) + 1 + (files.weights is not None)
    return 2 * (np.dtype(files.number_type).itemsize + 4) * rows * columns


_HEAD = 1 << 20
"""Bytes at the beginning of a CSV by which its lines are counted."""
_GZIP = 5
"""How many times larger than a .csv.gz its text is taken to be: a little more than is usual."""


def _lines(path: str) -> int:
    """About how many lines a CSV file has, judged by the length of the first ones."""
    size = Path(path).stat().st_size
    if path.lower().endswith(".gz"):
        size *= _GZIP
        try:
            with gzip.open(path) as stream:
                head = stream.read(_HEAD)
        except (OSError, EOFError, zlib.error):  # reading it will report the error
            return 0
    else:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    if len(head) < _HEAD:
        return head.count(b"\n")
    return size * max(1, head.count(b"\n")) // max(1, len(head))
