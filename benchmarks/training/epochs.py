"""The section "epochs": an epoch of full batches, beside the plain torch loop and one read."""

from functools import partial

import torch

from benchmarks.harness.context import Context
from benchmarks.harness.result import (
    Result,
    Target,
    at_least,
    at_most,
    count_text,
    digits,
    milliseconds,
    ratio_text,
)
from benchmarks.harness.timing import Call, Times, limit_threads
from benchmarks.training.problems import THREADS, autograd, problem, resident, train
from export.text_table import TextTable
from train.gradients.cpu import TorchGradients
from train.recipe.keys import Optimizer

OURS, LOOP, PRODUCTS, READ = (
    "train",
    "autograd and torch.optim.SGD",
    "the same gradient by two products of torch",
    "one read (torch.sum)",
)


def measure(context: Context) -> Result:
    """Time epochs at sizes from six rows to a million."""
    most = context.scale.rows
    large = (most, 30)
    sizes = ((6, 2), (1000, 30), (min(100_000, most), 30), large, (most // 5, 200))
    tables: list[TextTable] = []
    targets: list[Target] = []
    with limit_threads(THREADS):
        for rows, width in sizes:
            found, epochs = _timed(context, rows, width)
            tables.append(_table(found, rows, width, epochs))
            title = f"{rows:,} × {width}, full batch"
            if (rows, width) == (6, 2):
                targets.append(at_least(f"{title}: {LOOP} to train", found.ratio(LOOP, OURS), 3.5))
            if (rows, width) == large:
                targets.append(at_least(f"{title}: {LOOP} to train", found.ratio(LOOP, OURS), 4))
                share = found.ratio(OURS, READ) / 2
                targets.append(at_most(f"{title}: train to two reads", share, 1.25))
    return Result(
        [
            f"Whole epochs of full batches, {THREADS} threads: gradient, update, and for train the "
            "check that cost and weights are finite. Starting up is left out: each figure is that "
            "of many epochs at once, over their number.",
            *tables,
        ],
        targets,
    )


def _timed(context: Context, rows: int, width: int) -> tuple[Times, int]:
    epochs = max(50, min(2000, context.scale.calls, 600_000_000 // (rows * width)))
    data, spec = problem(rows, width), Optimizer(lr=0.1, epochs=epochs)
    features, labels = torch.from_numpy(data.features), torch.from_numpy(data.labels)[:, None]
    ours = resident(data.rows(), spec)
    calls: dict[str, Call] = {
        OURS: partial(train, ours, spec),
        LOOP: partial(autograd, features, labels, epochs),
        PRODUCTS: partial(train, TorchGradients(data.rows()), spec),
        READ: lambda: [features.sum() for _ in range(epochs)],
    }
    return context.time(calls, 2), epochs


def _table(found: Times, rows: int, width: int, epochs: int) -> TextTable:
    title = f"{rows:,} × {width}, {count_text(found.rounds, 'round')}"
    heading = (title, "ms an epoch", "ns a row", "to one read", "to train")
    lines = [
        (
            name,
            milliseconds(found.median(name) / epochs),
            digits(found.median(name) / epochs / rows * 1e9),
            f"{found.ratio(name, READ):.2f}×",
            "" if name == OURS else ratio_text(found.ratio(name, OURS)),
        )
        for name in found.seconds
    ]
    return TextTable(heading, lines)
