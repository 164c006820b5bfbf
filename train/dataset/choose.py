"""From a recipe's data to what is trained on: in memory where it fits, else on disk."""

import gzip
import zlib
from pathlib import Path

import torch

from train import memory_budget
from train.dataset.dataset import Prepared, Say
from train.dataset.in_memory import InMemory
from train.dataset.on_disk import OnDisk
from train.errors import TrainError
from train.gradients.processes import ALONE, Group
from train.recipe.recipe import Recipe
from train.tables.table_files import Files, find


def prepare(
    recipe: Recipe, device: torch.device, where: Path, say: Say, group: Group = ALONE
) -> Prepared:
    """The rows of `recipe`; those that do not fit into memory are kept in the folder `where`.

    So are those of several processes, which share the rows, and the memory.
    """
    if group.size > 1 and recipe.data.file is None:
        raise TrainError("several processes share files: give DATA, or start one process")
    if recipe.data.file is not None:
        files = find(recipe.data, recipe.data.file)
        needed, allowed = _needed(files), memory_budget.budget(recipe.data.memory) // group.size
        if needed > allowed:
            say(
                f"about {memory_budget.show(needed)} would be needed to train in memory, and "
                f"{memory_budget.show(allowed)} are allowed: rows are kept on disk, in {where}"
            )
        if needed > allowed or group.size > 1:
            return OnDisk(recipe, files, where, allowed, say, device, group)
        return InMemory(recipe, files, device, say)
    return InMemory(recipe, None, device, say)


_COPIES = 4
"""Of the values, while they are read, standardised and ordered for training."""


def _needed(files: Files) -> int:
    """Bytes of memory, roughly, to train on `files` in memory."""
    rows = files.rows if files.rows is not None else sum(map(_lines, files.paths))
    return _COPIES * 4 * rows * (len(files.names) + 1)


_HEAD = 1 << 20
_GZIP = 5
"""What numbers in text shrink by, and a little more."""


def _lines(path: str) -> int:
    """Lines of a CSV file, by the length of the first ones."""
    size = Path(path).stat().st_size
    if path.lower().endswith(".gz"):
        size *= _GZIP
        try:
            with gzip.open(path) as stream:
                head = stream.read(_HEAD)
        except (OSError, EOFError, zlib.error):  # whoever reads it says so
            return 0
    else:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    if len(head) < _HEAD:
        return head.count(b"\n")
    return size * max(1, head.count(b"\n")) // max(1, len(head))
