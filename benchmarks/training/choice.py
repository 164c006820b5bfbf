"""The section "choice": what train chooses by folds, and the fit with it, as scikit-learn does."""

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV

from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.result import Result, Target, at_most, digits, ratio_text
from benchmarks.harness.timing import Call, Times, limit_threads
from benchmarks.training.mixed import ADULT, flags
from benchmarks.training.problems import THREADS, problem, train
from export.text_table import TextTable
from serve_runtime.arrays import Float32
from train.dataset.in_memory import InMemoryDataset
from train.gradients.processes import SINGLE_PROCESS
from train.optimize.curvature import resolve_learning_rate
from train.recipe.keys import Optimizer
from train.recipe.recipe import Recipe
from train.selection.choose import select
from train.selection.sample import MOST_ROWS
from train.tables.load import load_tables
from train.tables.table_files import find_table_files

OURS, FIT, PEER = "train", "train, its fit alone", "LogisticRegressionCV"
_FOLDS, _TIMES_A_FIT, _ROOM = 5, 6, 1 << 20


def measure(context: Context) -> Result:
    """Time the default of train and LogisticRegressionCV on tables of several kinds."""
    lines, targets = list[tuple[str, ...]](), list[Target]()
    with limit_threads(THREADS), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, table in _tables(context):
            path = context.folder / "choice.parquet"
            table.to_parquet(path)
            race = _Race(path)
            found = context.time(race.calls())
            lines.append((f"{name}: {race.bent} bent, {race.columns} columns", *_cells(found)))
            targets.append(at_most(f"{name}: train to scikit-learn", found.ratio(OURS, PEER), 1.0))
            if len(table) == context.scale.rows:
                ratio = found.ratio(OURS, FIT)
                targets.append(at_most(f"{name}: train to its fit alone", ratio, _TIMES_A_FIT))
    heading = ("table", "train, seconds", "scikit-learn, seconds", "to train", "the fit alone")
    return Result(
        [
            f"Five folds, cross-entropy, {THREADS} threads. train chooses whether numbers are "
            "bent, by how many knots, and the strength of the penalty, from 9 and those beside the "
            f"best, by {MOST_ROWS:,} of the rows where there are more; then it fits all rows. "
            "LogisticRegressionCV is given the columns that train has chosen, standardised, levels "
            "as a one-hot matrix, made before the clock starts; it has 10 strengths, and else its "
            "defaults, with the log loss as the score.",
            TextTable(heading, lines),
        ],
        targets,
    )


class _Race:
    """The default of train and its peer on the table at `path`, whose target is y."""

    def __init__(self, path: Path) -> None:
        data = {"file": str(path), "target": "y", "holdout": 0.0}
        self._recipe = Recipe.from_dict({"data": data, "optimizer": {"device": "cpu"}})
        files = find_table_files(self._recipe.data, str(path))
        self._tables = load_tables(self._recipe, files, _quiet)
        dataset = InMemoryDataset(self._recipe, files, torch.device("cpu"), _quiet)
        self._rows, self._l2 = dataset.gradient_source(batches=False), dataset.choice.l2
        self.bent, self.columns = len(dataset.choice.design.bases), dataset.choice.design.width

    def calls(self) -> dict[str, Call]:
        """What is timed."""
        parts, labels = list[np.ndarray](), list[Float32]()
        for rows in self._rows.blocks():
            pairs = zip(rows.codes, rows.categories.sizes, strict=True)
            hot = [flags(codes, size).toarray() for codes, size in pairs]
            parts.append(np.hstack([rows.features.double().numpy().T, *hot]))
            labels.append(rows.labels.numpy())
        x, y = np.concatenate(parts), np.concatenate(labels)
        return {OURS: self._ours, FIT: self._fit, PEER: partial(_peer, x, y)}

    def _ours(self) -> None:
        design, sample = self._tables.decided.design, self._tables.sample
        select(self._recipe, design, sample, _quiet, SINGLE_PROCESS, None, _ROOM)
        self._fit()

    def _fit(self) -> None:
        spec = Optimizer(epochs=100_000, weight_decay=self._l2)
        train(self._rows, *resolve_learning_rate(self._rows, spec))


def _tables(context: Context) -> Iterator[tuple[str, pd.DataFrame]]:
    most = context.scale.rows
    for name in ("breast_cancer", "wine", "digits"):
        x, y = (part[:most] for part in getattr(datasets, f"load_{name}")(return_X_y=True))
        shape = f"{len(x):,} × {x.shape[1]}"
        yield f"{name}, {shape}", _table(x, y >= np.median(y))
    count, numbers, sizes = ADULT
    count = min(count, most)
    shape = f"{count:,} × {numbers} numbers and {len(sizes)} categories"
    yield shape, _curved(count, numbers, sizes)
    count = min(10_000, most)
    yield f"{count:,} × {WIDTH}", _curved(count, WIDTH)
    if most > count:
        straight = problem(most, WIDTH)
        yield f"{most:,} × {WIDTH}", _table(straight.features, straight.labels)


def _table(features: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    names = [f"c{i}" for i in range(features.shape[1])]
    return pd.DataFrame(features, columns=names).assign(y=labels.astype(np.int8))


def _curved(count: int, numbers: int, sizes: tuple[int, ...] = ()) -> pd.DataFrame:
    """A table whose log odds are curves of the numbers, and weights of the levels of categories."""
    rng = np.random.default_rng(count)
    x = rng.standard_normal((count, numbers), np.float32)
    logit = np.sin(2 * x) @ rng.standard_normal(numbers) / np.sqrt(numbers / 6)
    texts = {}
    for place, size in enumerate(sizes):
        codes = np.minimum((size * rng.random(count) ** 2).astype(np.int64), size - 1)
        codes[:size] = np.arange(size)  # every level occurs
        logit += 0.5 * rng.standard_normal(size)[codes]
        texts[f"t{place}"] = np.array([f"level {code}" for code in range(size)])[codes]
    labels = rng.random(count) < 1 / (1 + np.exp(-logit))
    return _table(x, labels).assign(**texts)


def _cells(found: Times) -> tuple[str, ...]:
    ratio = ratio_text(found.ratio(PEER, OURS))
    return digits(found.median(OURS)), digits(found.median(PEER)), ratio, digits(found.median(FIT))


def _peer(x: np.ndarray, y: np.ndarray) -> None:
    LogisticRegressionCV(
        Cs=10, cv=_FOLDS, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False
    ).fit(x, y)


def _quiet(_: str) -> None:
    pass
