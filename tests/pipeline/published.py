"""The published experiments as numbers: from shared/published where it is, else from here.

They are facts; the files beside the checkout hold the same ones, and a test compares the two.
"""

import json
from pathlib import Path
from typing import Any

SHARED = Path(__file__).parents[3] / "shared"


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def _trace(every: int, costs: str, accuracies: list[float] | None = None) -> list[dict[str, Any]]:
    rows = [{"epoch": i * every, "cost": cost} for i, cost in enumerate(_numbers(costs))]
    for row, accuracy in zip(rows, accuracies or [], strict=bool(accuracies)):
        row["accuracy_percent"] = accuracy
    return rows


_SIX_POINTS = {
    "x": [[1, 2], [2, 3], [3, 1], [4, 3], [5, 3], [6, 2]],
    "y": [0, 0, 0, 1, 1, 1],
}

_SEQUENTIAL_COSTS = """
    0.539713 0.614853 0.441875 0.373145 0.316358 0.266094 0.220498 0.182095 0.157299 0.144091
    0.134272 0.125769 0.118297 0.111680 0.105779 0.100483 0.095704 0.091369 0.087420 0.083806
    0.080486 0.077425 0.074595 0.071969 0.069526 0.067248 0.065118 0.063122 0.061247 0.059483
    0.057820 0.056250 0.054764 0.053357 0.052022 0.050753 0.049546 0.048396 0.047299 0.046252
    0.045251 0.044294 0.043376 0.042497 0.041653 0.040843 0.040064 0.039315 0.038593 0.037898
    0.037228 0.036582 0.035958 0.035356 0.034773 0.034210 0.033664 0.033137 0.032625 0.032130
    0.031649 0.031183 0.030730 0.030291 0.029864 0.029449 0.029046 0.028654 0.028272 0.027900
    0.027538 0.027186 0.026842 0.026507 0.026181 0.025862 0.025552 0.025248 0.024952 0.024663
    0.024381 0.024104 0.023835 0.023571 0.023313 0.023061 0.022814 0.022572 0.022336 0.022104
    0.021877 0.021655 0.021437 0.021224 0.021015 0.020810 0.020609 0.020412 0.020219 0.020029
    0.019843
"""

OWN: dict[str, dict[str, Any]] = {
    "six-points-zeros": {
        "data": _SIX_POINTS,
        "init": "zeros",
        "lr": 1.0,
        "updates": 1001,
        "trace": _trace(
            100,
            """0.693147 0.134722 0.080643 0.057900 0.045300 0.037261
               0.031673 0.027556 0.024394 0.021888 0.019852""",
        ),
        "trace_library_loss": _trace(
            100,
            """0.693147 0.134722 0.080643 0.057900 0.045300 0.037261
               0.031672 0.027556 0.024394 0.021888 0.019852""",
        ),
        "tolerance": 2e-6,
    },
    "six-points-sequential": {
        "data": _SIX_POINTS,
        "published_untrained_probabilities": [0.4020, 0.4147, 0.6556, 0.5948, 0.6788, 0.8061],
        "init": {"weight": [[0.36436453, -0.31207328]], "bias": [-0.13726963]},
        "lr": 1.0,
        "updates": 1001,
        "trace": _trace(
            10,
            _SEQUENTIAL_COSTS,
            [83.33, 66.67, 66.67, 83.33, 83.33, 83.33] + 95 * [100.0],
        ),
        "published_trained_probabilities": _numbers(
            "0.00027616 0.031595 0.038959 0.95624 0.99823 0.99969"
        ),
        "published_trained_weight": [[3.2534, 1.5181]],
        "published_trained_bias": [-14.4839],
        "tolerance_before_epoch_100": 5e-4,
        "tolerance_from_epoch_100": 3e-6,
        "weight_tolerance": 2e-4,
    },
    "diabetes-zeros": {
        "data_file": "data/data-03-diabetes.csv",
        "init": "zeros",
        "lr": 1.0,
        "updates": 101,
        "trace": _trace(
            10,
            """0.693148 0.572727 0.539493 0.519708 0.507066 0.498539
               0.492549 0.488209 0.484985 0.482543 0.480661""",
        ),
        "trace_library_loss": _trace(
            10,
            """0.693147 0.572727 0.539494 0.519708 0.507065 0.498539
               0.492549 0.488208 0.484985 0.482543 0.480661""",
        ),
        "training_accuracy_percent_at_the_end": 76.68,
        "first_five_probabilities_at_the_end": [0.4103, 0.9242, 0.23, 0.9411, 0.1772],
        "tolerance": 2e-6,
    },
    "diabetes-seed1": {
        "data_file": "data/data-03-diabetes.csv",
        "init": "default",
        "seed": 1,
        "lr": 1.0,
        "updates": 101,
        "trace": _trace(
            10,
            """0.704829 0.572391 0.539563 0.520042 0.507561 0.499125
               0.493177 0.488846 0.485612 0.483146 0.481234""",
            [45.72, 67.59, 73.25, 75.89, 76.15, 76.42, 77.21, 76.81, 76.28, 76.55, 76.81],
        ),
        "tolerance": 2e-6,
        "accuracy_tolerance_percent": 0.005,
    },
    "hours": {
        "data": {"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, 0, 1, 1]},
        "init": "default",
        "lr": 0.01,
        "updates": 1000,
        "ask": [[1.0], [7.0]],
        "above_one_half": [False, True],
    },
    "bernoulli-curve": {
        "simulate": {"n": 2000, "low": -1.0, "high": 1.0, "w0": -1.0, "w1": 5.0},
        "init": "default",
        "seed": 43052,
        "lr": 0.05,
        "updates": 10000,
        "losses": ["bce", "mse"],
    },
}


def shared(name: str) -> dict[str, Any] | None:
    """The figures in shared/published, without their prose; None where the folder is absent."""
    path = SHARED / "published" / f"{name}.json"
    if not path.is_file():
        return None
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del figures["what"]
    return figures


def load(name: str) -> dict[str, Any]:
    """The figures of one experiment, the shared file's where it is there."""
    return shared(name) or OWN[name]


def data_file(name: str) -> Path:
    """Where an experiment's data would be; it may be absent."""
    return SHARED / load(name)["data_file"]
