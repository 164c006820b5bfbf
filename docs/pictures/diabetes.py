"""Diabetes of 759 patients: cost and accuracy by update, from two starts."""

import json

import numpy as np
from matplotlib.axes import Axes

from docs.pictures.experiments import Experiments, Training
from docs.pictures.picture import Picture, leave_margin
from report.figures.drawing import ACCENT, OTHER, drawing

STARTS = {
    "diabetes-zeros": ("zeros", ACCENT, 4.0),
    "diabetes-seed1": ("random numbers", OTHER, 1.6),
}
"""The two recipes: what the weights start from, and the colour and width of its lines, which lie
on each other in part."""


def diabetes(experiments: Experiments, table: str) -> Picture:
    """Both trainings on the table at this path, which is no part of the project."""
    with drawing(9, 3.6) as (figure, first):
        first.remove()
        leave_margin(figure)
        costs, accuracies = figure.subplots(1, 2)
        for recipe, (name, color, width) in STARTS.items():
            training = experiments.training(recipe, f"data.file={json.dumps(table)}", "log.every=1")
            _show(costs, accuracies, training, name, color, width)
        costs.set(xlabel="updates")
        costs.set_title("The cost falls evenly", loc="left", fontsize=11, fontweight="bold")
        costs.legend(loc="upper right", title="weights start from", alignment="left")
        accuracies.set(xlabel="updates", ylim=(40, 80), yticks=range(40, 81, 10))
        accuracies.set_title("Accuracy, %, jumps: rows change sides one by one", loc="left",
                             fontsize=11, fontweight="bold")  # fmt: skip
    return Picture(
        "Diabetes: cost and accuracy by update",
        "101 updates from zeros and from random numbers. Both costs fall evenly from 0.69 and 0.70 "
        "to 0.48; both accuracies rise by jumps to 77%.",
        figure,
    )


def _show(
    costs: Axes, accuracies: Axes, training: Training, name: str, color: str, width: float
) -> None:
    epochs = [record.epoch for record in training.records]
    costs.plot(epochs, [record.cost for record in training.records], color=color,
               linewidth=width, label=name)  # fmt: skip
    shares = 100 * np.array([record.accuracy for record in training.records])
    accuracies.plot(epochs, shares, color=color, linewidth=width, label=name)
