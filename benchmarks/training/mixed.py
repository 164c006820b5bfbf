"""The section "mixed": tables with categories, until four digits of every weight are right."""

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np
import scipy.sparse
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.context import Context
from benchmarks.harness.result import Result, at_most, count_text, digits, ratio_text
from benchmarks.harness.timing import Call, Times, limit_threads
from benchmarks.training.problems import THREADS, train
from export.text_table import TextTable
from serve_runtime.arrays import Float64
from train.gradients.cpu import gradient_source
from train.gradients.source import Categories, Rows
from train.optimize.curvature import resolve_learning_rate
from train.recipe.keys import Optimizer

OURS = "train, lr = auto"
NEWTON, LBFGS = "scikit-learn, newton-cholesky", "scikit-learn, lbfgs"
ADULT = _ADULT_ROWS, _ADULT_NUMBERS, _ADULT_SIZES = 32_561, 6, (9, 16, 7, 15, 6, 5, 2, 42)
"""Rows, numbers and sizes of categories, as in the Adult table of the UCI repository."""
_WIDE_COLUMNS, _WIDE_LEVELS = 10, 10_000
_MOST_ITERATIONS = 200


def measure(context: Context) -> Result:
    """Time train and scikit-learn on a table of few levels, and on one of very many."""
    rows = min(_ADULT_ROWS, context.scale.rows)
    many = context.scale.rows
    levels = min(_WIDE_LEVELS, many // 100)  # of few rows, few levels
    small = f"{rows:,} × {_ADULT_NUMBERS} numbers and {len(_ADULT_SIZES)} categories"
    wide = f"{many:,} × {_WIDE_COLUMNS} categories of {levels:,} levels"
    with limit_threads(THREADS):
        few = _Race(levels_problem(rows, _ADULT_NUMBERS, _ADULT_SIZES))
        few_found = context.time(few.calls({NEWTON: 1000, LBFGS: 1000}), 4)
        large = _Race(levels_problem(many, 0, (levels,) * _WIDE_COLUMNS))
        large_found = context.time(large.calls({LBFGS: _MOST_ITERATIONS}))
    return Result(
        [
            f"Cross-entropy and the penalty of C = 1, {THREADS} threads, random rows and labels "
            "drawn from a logistic model. train goes on until four digits of every weight are "
            "right, on codes; scikit-learn has standardised numbers and a one-hot matrix (dense "
            "for the first table, sparse for the second), made before the clock starts, with tol = "
            f"1e-8 and at most 1,000 iterations, or {_MOST_ITERATIONS} on the second table. The "
            "last column is the largest difference of a weight from that of train, relative to the "
            "largest weight.",
            few.table(small, few_found),
            large.table(wide, large_found),
        ],
        [
            at_most(f"{small}: train to newton-cholesky", few_found.ratio(OURS, NEWTON), 0.5),
            at_most(f"{small}: train to lbfgs", few_found.ratio(OURS, LBFGS), 0.5),
            at_most(f"{wide}: train to lbfgs", large_found.ratio(OURS, LBFGS), 0.2),
        ],
    )


class _Race:
    """train and scikit-learn on the same rows; keeps the weights that each comes to."""

    def __init__(self, rows: Rows) -> None:
        self._rows, self._weights = rows, dict[str, Float64]()
        self._iterations: dict[str, int] = {}
        sizes = rows.categories.sizes
        hot = [flags(c, size) for c, size in zip(rows.codes, sizes, strict=True)]
        numbers = rows.features.double().numpy().T
        if len(rows.features):
            self._x = np.hstack([numbers, *(matrix.toarray() for matrix in hot)])
        else:
            self._x = scipy.sparse.hstack(hot, format="csr")

    def calls(self, solvers: dict[str, int]) -> dict[str, Call]:
        """train, and each solver with its most iterations."""
        fits: dict[str, Call] = {
            name: partial(self._fit, name, most) for name, most in solvers.items()
        }
        return {OURS: self._train, **fits}

    def table(self, title: str, found: Times) -> TextTable:
        """Seconds of each call, iterations, and how far its weights are from those of train."""
        ours = self._weights[OURS]
        lines = [
            (name, digits(found.median(name)),
             "" if name == OURS else ratio_text(found.ratio(name, OURS)),
             str(self._iterations.get(name, "")),
             f"{np.abs(weights - ours).max() / np.abs(ours).max():.1e}" if name != OURS else "")
            for name, weights in self._weights.items()
        ]  # fmt: skip
        heading = (f"{title}, {count_text(found.rounds, 'round')}", "seconds", "to train",
                   "iterations", "largest difference")  # fmt: skip
        return TextTable(heading, lines)

    def _train(self) -> None:
        made = gradient_source(self._rows)
        spec = Optimizer(epochs=100_000, weight_decay=1 / len(self._rows.labels))
        theta = train(made, *resolve_learning_rate(made, spec))
        self._weights[OURS] = theta[:-1].double().numpy()

    def _fit(self, name: str, iterations: int) -> None:
        peer = LogisticRegression(C=1, solver=name.rsplit(" ", 1)[1], tol=1e-8, max_iter=iterations)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the table says how far it came
            peer.fit(self._x, self._rows.labels.numpy())
        self._weights[name], self._iterations[name] = peer.coef_[0], int(peer.n_iter_[0])


def flags(codes: torch.Tensor, size: int) -> scipy.sparse.csr_array:
    """The one-hot matrix (n, size) of codes (n,)."""
    count = len(codes)
    ones, ends = np.ones(count), np.arange(count + 1)
    return scipy.sparse.csr_array((ones, codes.numpy(), ends), shape=(count, size))


def levels_problem(count: int, numbers: int, sizes: Sequence[int]) -> Rows:
    """Standardised numbers, and categories of so many levels, the first ones the most frequent."""
    rng = np.random.default_rng(count)
    features = rng.standard_normal((numbers, count), np.float32)
    logit = rng.standard_normal(numbers, np.float32) @ features
    codes, shares = [], []
    for size in sizes:
        drawn = np.minimum((size * rng.random(count) ** 2).astype(np.int64), size - 1)
        drawn[:size] = np.arange(size)  # every level occurs
        logit += 0.5 * rng.standard_normal(size, np.float32)[drawn]
        kind = np.uint8 if size < 256 else np.int16
        codes.append(torch.from_numpy(drawn.astype(kind)))
        shares.append(torch.from_numpy(np.bincount(drawn, minlength=size) / count))
    labels = rng.random(count) < 1 / (1 + np.exp(-logit))
    return Rows(
        torch.from_numpy(features),
        torch.from_numpy(labels.astype(np.float32)),
        tuple(codes),
        Categories(tuple(shares)),
    )
