"""The section "minimum": time until the cost is within a millionth of the least cost."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.result import Result, Target, at_most, count_text, digits, ratio_text
from benchmarks.harness.timing import Call, limit_threads
from benchmarks.training.problems import THREADS, Problem, problem, train
from export.text_table import TextTable
from serve_runtime.arrays import Float64
from train.gradients.cpu import gradient_source
from train.model import new_model
from train.optimize.curvature import resolve_learning_rate
from train.optimize.fit import Fit
from train.recipe.keys import Optimizer

GAP = 1e-6
OURS = f"train, lr = auto, until {GAP:g}"
_TOLERANCES = [10.0**-e for e in range(1, 13)]
_FACTORS = 5


def measure(context: Context) -> Result:
    """Time train and scikit-learn on independent and on strongly correlated features."""
    tables: list[TextTable] = []
    targets: list[Target] = []
    with limit_threads(THREADS):
        for kind, factors in (("independent", 0), ("strongly correlated", _FACTORS)):
            data = problem(context.scale.rows, WIDTH, factors=factors)
            table, target = _race(context, data, kind)
            tables.append(table)
            targets.append(target)
    return Result(
        [
            f"{context.scale.rows:,} × {WIDTH}, no penalty, {THREADS} threads, standardised data "
            "in memory for all: float32 for train, float64 for scikit-learn. Each is given the "
            "loosest tolerance (train: the fewest epochs) at which its mean cost is within "
            f"{GAP:g} of the least, which newton-cholesky finds. Of the correlated features nine "
            f"tenths are {_FACTORS} shared factors. The last line is what train does by default: "
            "it goes on until four digits of every weight are right, and proves it.",
            *tables,
        ],
        targets,
    )


def _race(context: Context, data: Problem, kind: str) -> tuple[TextTable, Target]:
    wide, labels = data.features.astype(np.float64), data.labels.astype(np.float64)
    least = _cost(wide, labels, _fitted(wide, labels, "newton-cholesky", 1e-12))
    calls: dict[str, Call] = {}
    for solver in ("lbfgs", "newton-cholesky"):
        tolerance = next(
            t for t in _TOLERANCES if _cost(wide, labels, _fitted(wide, labels, solver, t))
            <= least + GAP
        )  # fmt: skip
        calls[f"scikit-learn, {solver}, tol = {tolerance:g}"] = partial(
            _fitted, wide, labels, solver, tolerance
        )
    epochs = _epochs(data, lambda theta: _cost(wide, labels, theta) <= least + GAP)
    rows = data.rows()

    def ours(**settings: object) -> torch.Tensor:
        made = gradient_source(rows)
        return train(made, *resolve_learning_rate(made, Optimizer(**settings)))  # type: ignore[arg-type]

    calls = {
        OURS: partial(ours, epochs=epochs, tolerance=0),
        **calls,
        "train, lr = auto, until four digits are right": partial(ours, epochs=100_000),
    }
    found = context.time(calls, 6)
    lines = [
        (
            name.replace(f"until {GAP:g}", f"{epochs} epochs"),
            digits(found.median(name)),
            "" if name == OURS else ratio_text(found.ratio(name, OURS)),
        )
        for name in calls
    ]
    lbfgs = next(name for name in calls if "lbfgs" in name)
    heading = (f"{kind} features, {count_text(found.rounds, 'round')}", "seconds", "to train")
    claim = f"{kind} features: train to lbfgs, to within {GAP:g} of the least cost"
    return TextTable(heading, lines), at_most(claim, found.ratio(OURS, lbfgs), 1)


def _fitted(x: Float64, y: Float64, solver: str, tolerance: float) -> Float64:
    peer = LogisticRegression(C=np.inf, solver=solver, tol=tolerance, max_iter=10_000)
    peer.fit(x, y)
    return np.append(peer.coef_[0], peer.intercept_)


def _cost(x: Float64, y: Float64, theta: Float64) -> float:
    logit = x @ theta[:-1] + theta[-1]
    return float(np.mean(np.logaddexp(0, logit) - y * logit))


def _epochs(data: Problem, near: Callable[[Float64], bool]) -> int:
    """The fewest epochs of train after which `near(weights)` holds, found to within 5 %.

    Weights and bias (d + 1,) are tried after epochs 1, 2, …, each about 5 % later than the last.
    """
    made = gradient_source(data.rows())
    spec, preconditioner = resolve_learning_rate(made, Optimizer(epochs=100_000, tolerance=0))
    fit = Fit(
        new_model(WIDTH, "zeros", 0),
        spec,
        made,
        every=10**9,
        shuffle=torch.Generator(),
        preconditioner=preconditioner,
    )
    look = 1
    for epoch, _ in enumerate(fit):
        if epoch == look:
            if near(fit.theta.double().numpy()):
                return epoch
            look = max(epoch + 1, epoch * 21 // 20)
    raise AssertionError("it did not come near the least cost")
