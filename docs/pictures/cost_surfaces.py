"""Both costs as landscapes over weight and bias, with the ways that trainings take through them."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from docs.pictures.bernoulli_curve import SIDES
from docs.pictures.experiments import Experiments, Training
from docs.pictures.picture import Picture, leave_margin
from report.figures.drawing import INK, MUTED, drawing
from report.figures.palette import LIGHT

STARTS: Final = {"A": (-1.0, -10.0), "B": (-8.0, 4.0), "C": (-10.0, -8.0), "D": (12.0, 8.0)}
"""Where trainings begin: (weight, bias) by name."""
TRUE: Final = np.array([5.0, -1.0])
"""Weight and bias of the curve from which the labels were drawn."""
_WEIGHTS, _BIASES = np.linspace(-14, 17, 63), np.linspace(-13, 11, 49)
_LEVELS = {
    "bernoulli-curve": [0.35, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    "bernoulli-curve-mse": [0.11, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
                            0.75, 0.8],
}  # fmt: skip
_VERDICTS = {
    "bernoulli-curve": "one bowl, all paths lead to ★",
    "bernoulli-curve-mse": "plateaus hold A, B and C",
}


def cost_surfaces(experiments: Experiments) -> Picture:
    """The two landscapes, and below each a section through it."""
    with drawing(9, 6.6) as (figure, first):
        first.remove()
        leave_margin(figure)
        grid = figure.subplots(2, 2, height_ratios=(2.4, 1))
        for column, recipe in zip(grid.T, SIDES, strict=True):
            name, color = SIDES[recipe]
            trainings = {
                start: experiments.from_start(recipe, *place) for start, place in STARTS.items()
            }
            _landscape(column[0], recipe, trainings, color)
            column[0].set_title(f"{name}: {_VERDICTS[recipe]}", loc="left", color=color,
                                fontsize=11, fontweight="bold")  # fmt: skip
            _section(column[1], trainings["A"], color)
        grid[0, 0].set_ylabel("bias b")
        grid[1, 0].set_ylabel("cost")
    return Picture(
        "Why cross-entropy, and not squared error",
        "Contours of both costs over weight and bias, with the paths of 10,000 updates from four "
        "starts A to D. Cross-entropy is one bowl, and all four paths end beside the true values, "
        "w = 5 and b = -1. Squared error has plateaus: from A the weights hardly move, B ends "
        "where every answer is near 1 and C where every answer is near 0, and D has only come "
        "half of the way. Below, each cost along the line from A to the true values and on: a "
        "bowl, and a valley beside a plain.",
        figure,
    )


def _landscape(axes: Axes, recipe: str, trainings: dict[str, Training], color: str) -> None:
    levels = _LEVELS[recipe]
    places = np.stack(np.meshgrid(_WEIGHTS, _BIASES), axis=-1)
    costs = trainings["A"].costs(places.reshape(-1, 2)).reshape(places.shape[:2])
    shades = LinearSegmentedColormap.from_list("cost", [LIGHT["paper"], "#b9c2cd"])
    axes.contourf(_WEIGHTS, _BIASES, costs, levels, cmap=shades, extend="both")
    lines = axes.contour(_WEIGHTS, _BIASES, costs, levels, colors=MUTED, linewidths=0.5)
    axes.clabel(lines, levels[1::2], fontsize=8, colors=INK, fmt="%g")
    a, b = np.array(STARTS["A"]), TRUE
    axes.plot(*np.stack([a, b], 1), ":", color=INK, linewidth=1.2, label="section")
    for name, training in trainings.items():
        axes.plot(*training.steps[:: len(training.steps) // 250].T, color=color, linewidth=2,
                  label=f"path-{name}")  # fmt: skip
        axes.plot(*training.start, "o", color=color, markerfacecolor=LIGHT["paper"], markersize=7)
        axes.plot(*training.end, "o", color=color, markersize=6, label=f"end-{name}")
        axes.annotate(name, STARTS[name], (9 if name == "D" else -9, 0), va="center",
                      textcoords="offset points", ha="left" if name == "D" else "right",
                      fontweight="bold", color=color)  # fmt: skip
    axes.plot(*TRUE, "*", color=INK, markersize=11, markeredgecolor=LIGHT["paper"])
    axes.grid(visible=False)
    axes.set(xlabel="weight w")


def _section(axes: Axes, training: Training, color: str) -> None:
    """The cost along the line from A to the true values, and on to the other side."""
    start = training.start
    share = np.linspace(-0.3, 2.3, 105)
    costs = training.costs(start + share[:, None] * (TRUE - start))
    of_start, of_true = training.costs(np.stack([start, TRUE]))
    axes.plot(share, costs, color=color, linewidth=2.2, label="cost")
    axes.plot(0, of_start, "o", color=color, markerfacecolor=LIGHT["paper"],
              markersize=7)  # fmt: skip
    axes.plot(1, of_true, "*", color=INK, markersize=11)
    axes.annotate("A", (0, of_start), (0, 8), textcoords="offset points", ha="center",
                  color=color, fontweight="bold")  # fmt: skip
    axes.set(xticks=[0, 1], xticklabels=["at A", "true values ★"], ylim=(0, None))
    axes.set_xlabel("along the dotted line", color=MUTED)
    axes.margins(y=0.2)
