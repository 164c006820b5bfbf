"""profile.json: how the training rows and the scores lie, of which reports make pictures."""

from collections.abc import Mapping
from typing import Any

from serve_runtime.arrays import Float64
from train.design import Design
from train.profile.columns import column_profiles


def profile(
    design: Design,
    numbers: Float64,
    importance: Mapping[str, float],
    scores: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """What profile.json holds: the columns of `design`, of whose `numbers` (k, m) of m training
    rows histograms are made, and the scores of each part, as `ScoreCounts.finish` gives them.

    `classes` are rows of the negative and the positive class; where rows have weights, the counts
    of scores are sums of weights that are 1 on average.
    """
    parts = ("training", "holdout")
    found = {part: dict(scores[part]) if part in scores else None for part in parts}
    return {
        "rows": numbers.shape[1],
        "columns": column_profiles(design, numbers, importance),
        "classes": {part: score and score.pop("rows") for part, score in found.items()},
        "weights": any(score.pop("weights") for score in found.values() if score),
        "scores": found,
    }
