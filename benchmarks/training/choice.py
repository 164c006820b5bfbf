"""The section "choice": the penalty chosen by folds and the fit with it, as scikit-learn does."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV

from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.result import Result, Target, at_most, digits, ratio_text
from benchmarks.harness.timing import Call, Times, limit_threads
from benchmarks.training.mixed import ADULT, flags, levels_problem
from benchmarks.training.problems import THREADS, problem, train
from export.text_table import TextTable
from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.optimize.curvature import resolve_learning_rate
from train.recipe.keys import Optimizer
from train.selection.draw import draw
from train.selection.folds import fold_of_rows
from train.selection.judge import Judge
from train.selection.path import FoldPath
from train.selection.sample import MOST_ROWS
from train.selection.search import STRENGTHS, along

OURS, FIT, PEER = "train, l2 = auto", "train, its fit alone", "LogisticRegressionCV"
_FOLDS, _TIMES_A_FIT = 5, 6


def measure(context: Context) -> Result:
    """Time the default of train and LogisticRegressionCV on tables of several kinds."""
    lines, targets = list[tuple[str, ...]](), list[Target]()
    with limit_threads(THREADS), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, rows in _tables(context):
            found = context.time(_calls(rows))
            lines.append((name, *_cells(found)))
            targets.append(at_most(f"{name}: train to scikit-learn", found.ratio(OURS, PEER), 1.0))
            if len(rows.labels) == context.scale.rows:
                ratio = found.ratio(OURS, FIT)
                targets.append(at_most(f"{name}: train to its fit alone", ratio, _TIMES_A_FIT))
    heading = ("table", "train, seconds", "scikit-learn, seconds", "to train", "the fit alone")
    return Result(
        [
            f"Five folds, cross-entropy, {THREADS} threads, standardised columns, and a fit of all "
            "rows with the strength that was chosen. train has categories as codes, takes up to 17 "
            f"strengths, and chooses by {MOST_ROWS:,} of the rows where there are more; "
            "LogisticRegressionCV has 10 strengths and a one-hot matrix, made before the clock "
            "starts, and else its defaults, with the log loss as the score.",
            TextTable(heading, lines),
        ],
        targets,
    )


def _tables(context: Context) -> Iterator[tuple[str, Rows]]:
    for name in ("breast_cancer", "wine", "digits"):
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        scale = x.std(0)
        x = (x - x.mean(0)) / np.where(scale > 0, scale, 1)
        x, y = np.ascontiguousarray(x.T, np.float32), (y >= np.median(y)).astype(np.float32)
        yield f"{name}, {x.shape[1]:,} × {len(x)}", Rows(torch.from_numpy(x), torch.from_numpy(y))
    count, numbers, sizes = ADULT
    count = min(count, context.scale.rows)
    name = f"{count:,} × {numbers} numbers and {len(sizes)} categories"
    yield name, levels_problem(count, numbers, sizes)
    for count in (10_000, context.scale.rows):
        correlated = problem(count, WIDTH, factors=5 * (count == 10_000)).rows()
        yield f"{count:,} × {WIDTH}", correlated


def _calls(rows: Rows) -> dict[str, Call]:
    parts = [rows.features.double().numpy().T]
    if rows.codes:
        pairs = zip(rows.codes, rows.categories.sizes, strict=True)
        parts += [flags(codes, size).toarray() for codes, size in pairs]
    x, y = np.hstack(parts), rows.labels.numpy()
    return {OURS: partial(_ours, rows), FIT: partial(_fit, rows, 1.0), PEER: partial(_peer, x, y)}


def _cells(found: Times) -> tuple[str, ...]:
    ratio = ratio_text(found.ratio(PEER, OURS))
    return digits(found.median(OURS)), digits(found.median(PEER)), ratio, digits(found.median(FIT))


def _ours(rows: Rows) -> None:
    count, some, weights = len(rows.labels), rows, None
    if count > MOST_ROWS:
        drawn = draw(rows.labels.numpy(), None, MOST_ROWS)
        some, weights = rows.at(torch.from_numpy(drawn.places)), drawn.weights
        some = replace(some, weights=torch.from_numpy(weights))
    labels = some.labels.numpy()
    path = FoldPath(some, fold_of_rows(labels, _FOLDS, 1), _FOLDS)
    judge = Judge(labels, weights, weights)
    losses = [judge.log_loss(logits) for logits in along(path, STRENGTHS, judge)]
    _fit(rows, STRENGTHS[int(np.argmin(losses))])


def _fit(rows: Rows, a: float) -> None:
    made = gradient_source(rows)
    spec = Optimizer(epochs=100_000, weight_decay=a / len(rows.labels))
    train(made, *resolve_learning_rate(made, spec))


def _peer(x: np.ndarray, y: np.ndarray) -> None:
    LogisticRegressionCV(
        Cs=10, cv=_FOLDS, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False
    ).fit(x, y)
