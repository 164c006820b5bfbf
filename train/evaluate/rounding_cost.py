"""What it costs that rows are served in float32, where the values trained on have more digits.

Unix seconds are 128 apart in float32, and days written as 20240131 are 2 apart: what lies between
is lost when a row is scored, however well the weights were trained.
"""

from collections.abc import Iterator

import numpy as np

from serve_runtime.shown import listed, quoted
from train.dataset.dataset import Dataset
from train.evaluate.metrics import Metrics
from train.trained import Trained

_WORTH_SAYING = 1e-3
"""The change of a logit from which a feature is named: a thousandth of the odds."""
_MOST_FEATURES = 5


def rounding_cost(data: Dataset, trained: Trained, served: Metrics) -> Iterator[str]:
    """Lines that name the features whose rounding to float32 moves scores, and tell by how much.

    `served` are the metrics of the training rows as they are served; they are set beside those of
    the same rows with all digits of their source. No line where no logit moves by 0.001.
    """
    weight = np.abs(trained.line_weight)  # bends were trained on what is served
    rounding = data.moments.rounding[: len(weight)]
    names = [column.name for column in data.layer.design.numbers]
    cost = weight * rounding
    named = [int(i) for i in np.argsort(-cost, kind="stable") if cost[i] >= _WORTH_SAYING]
    if not named:
        return
    for i in named[:_MOST_FEATURES]:
        yield (
            f"warning: float32, in which rows are served, rounds {quoted(names[i])} by up to "
            f"{rounding[i]:.3g}, which moves a logit by up to {cost[i]:.2g}"
        )
    if more := [names[i] for i in named[_MOST_FEATURES:]]:
        yield f"warning: so it does, at less cost, with {listed(more)}"
    whole = data.evaluate_trained(trained)
    remedy = "give the difference to a reference as the feature, such as days since a date"
    before, after = f"{whole['auc']:.4f}", f"{served['auc']:.4f}"
    yield (
        f"the training rows' AUC is {after} as served, and {before} with all digits: {remedy}"
        if before != after
        else f"the training rows' AUC stays {after}; for logits as trained, {remedy}"
    )
