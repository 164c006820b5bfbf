"""What is said of a finished training: whether it has come to the minimum, and whether it is worse
than a guess."""

import math
from collections.abc import Callable
from functools import partial

from train.dataset.dataset import Dataset
from train.evaluate.metrics import Metrics
from train.gradients.source import GradientSource
from train.optimize.convergence import Columns, penalised_levels, separation, verdict
from train.optimize.fit import Fit
from train.recipe.keys import Optimizer


def judge(
    fit: Fit, rows: GradientSource, data: Dataset, asked: Optimizer, say: Callable[[str], None]
) -> None:
    """Say whether training has come to the minimum, or, with patience, which weights are kept."""
    spec = fit.spec
    design = data.layer.design
    columns = Columns(design.names, data.classes.labels, partial(_raw, data), design.sources)
    if spec.patience:
        say(
            f"kept the weights of epoch {fit.state.best_epoch:,}: their hold-out cost is the "
            f"lowest of {fit.state.epoch:,} epochs"
        )
    elif spec.loss == "bce" and spec.tolerance:
        now, early = fit.state, fit.state.epoch < spec.epochs and not fit.search
        remedy = "use --tolerance auto" if early else "raise --epochs"
        found = fit.theta, spec.penalty, now.updates, columns, fit.search, remedy, fit.l1
        say(verdict(rows, *found))
    elif (
        spec.loss == "bce" and asked.lr == "auto" and asked.tolerance is None
        and not spec.penalty and (said := separation(rows, fit.theta, columns))
    ):  # fmt: skip
        say(said)  # mini-batches end near the minimum, not at it, but there may be none
    if fit.l1:
        say(f"the L1 penalty leaves {int(fit.theta[:-1].count_nonzero()):,} of "
            f"{design.width:,} weights; the others are 0")  # fmt: skip
    if spec.loss == "bce" and (note := penalised_levels(rows, fit.theta, spec.penalty, columns)):
        say(note)


def warn_if_worse_than_guessing(share: float, metrics: Metrics, say: Callable[[str], None]) -> None:
    """Warn where always answering the `share` of positive rows has a lower log loss."""
    guess = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    reached = metrics["log_loss"]
    assert reached is not None
    if reached > guess + 1e-6:  # a model of zero weights may round to just above
        say(
            f"warning: a log loss of {reached:.4g} is worse than always answering the share of "
            f"positives ({guess:.4g}): try a smaller --lr, --standardize, or more --epochs"
        )


def _raw(data: Dataset, feature: int, value: float) -> float:
    """A standardised `value` of the feature at the position `feature`, in the unit of the table."""
    ends = data.moments.low[feature], data.moments.high[feature]
    scaling = data.layer.scaling
    raw = value * scaling.scale[feature] + scaling.mean[feature]
    nearest = min(ends, key=lambda end: abs(raw - end))
    # The end of a range, such as 0 of a flag, is not changed by standardising it and back.
    return float(nearest if abs(raw - nearest) <= 1e-6 * (ends[1] - ends[0]) else raw)
