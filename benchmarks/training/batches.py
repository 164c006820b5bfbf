"""The section "batches": an epoch of shuffled mini-batches, beside learners of single rows."""

from functools import partial
from pathlib import Path

import torch
from sklearn.linear_model import SGDClassifier
from vowpalwabbit import Workspace

from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.result import Result, count_text, digits, ratio_text
from benchmarks.harness.timing import Call, limit_threads
from benchmarks.training.problems import THREADS, Problem, autograd, problem, resident, train
from export.text_table import TextTable
from train.recipe.keys import Optimizer


def measure(context: Context) -> Result:
    """Time batches of 256 and of 8192 rows."""
    data = problem(context.scale.rows, WIDTH)
    features, labels = torch.from_numpy(data.features), torch.from_numpy(data.labels)[:, None]
    calls: dict[str, Call] = {}
    for size in (256, 8192):
        spec = Optimizer(lr=0.1, epochs=1, batch_size=size)
        ours = resident(data.rows(), spec)
        calls[f"train, batches of {size:,}"] = partial(train, ours, spec)
        calls[f"autograd and torch.optim.SGD, batches of {size:,}"] = partial(
            autograd, features, labels, 1, size
        )
    sklearn = SGDClassifier(loss="log_loss", alpha=0, learning_rate="constant", eta0=0.01)
    calls["scikit-learn's SGDClassifier, row by row"] = partial(
        sklearn.partial_fit, data.features, data.labels, classes=[0, 1]
    )
    calls["Vowpal Wabbit, row by row, from its cache file"] = _vowpal_wabbit(data, context.folder)
    with limit_threads(THREADS):
        found = context.time(calls, 4)
    first = next(iter(calls))
    lines = [
        (
            name,
            digits(found.median(name)),
            digits(found.median(name) / context.scale.rows * 1e9),
            "" if name == first else ratio_text(found.ratio(name, first)),
        )
        for name in calls
    ]
    heading = (f"{context.scale.rows:,} × {WIDTH}, {count_text(found.rounds, 'round')}", "seconds",
               "ns a row", "to train, 256")  # fmt: skip
    return Result(
        [
            f"One epoch, every row once; {THREADS} threads where they are used. train, the plain "
            "loop and scikit-learn shuffle; Vowpal Wabbit takes rows as they lie, and has "
            "turned its text into its cache before. Row by row there is an update for each row, "
            "which learns more in an epoch.",
            TextTable(heading, lines),
        ]
    )


def _vowpal_wabbit(data: Problem, folder: Path) -> Call:
    text, cache = folder / "rows.vw", folder / "rows.cache"
    with text.open("w", encoding="ascii") as file:
        for label, row in zip(data.labels, data.features, strict=True):
            values = " ".join(f"{i}:{value:.6g}" for i, value in enumerate(row.tolist()))
            file.write(f"{'1' if label else '-1'} | {values}\n")
    options = f"--loss_function logistic --quiet -d {text} --cache_file {cache}"
    Workspace(f"{options} -k").finish()
    text.write_bytes(b"")  # what is timed reads the cache
    return lambda: Workspace(options).finish()
