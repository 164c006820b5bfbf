"""Points of a known curve, and the model's curve while it is trained, by either cost."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from docs.pictures.experiments import Experiments, Training
from docs.pictures.picture import Picture, leave_margin, signed
from report.figures.drawing import ACCENT, INK, MUTED, NEGATIVE, OTHER, POSITIVE, drawing
from serve_runtime.arrays import Float64
from serve_runtime.error_budgets import sigmoid

SIDES = {
    "bernoulli-curve": ("Cross-entropy", ACCENT),
    "bernoulli-curve-mse": ("Squared error", OTHER),
}
"""The two recipes: what the cost is called, and its colour in all pictures."""
SHOWN = (0, 100, 1000, 10_000)
"""The updates whose curves are shown."""
_SPREAD = 0.04
_APART = 0.068
"""The least distance of two labels, in the unit of a probability."""


def bernoulli_curve(experiments: Experiments) -> Picture:
    """Both trainings side by side."""
    with drawing(9, 4.1) as (figure, first):
        first.remove()
        leave_margin(figure)
        sides = figure.subplots(1, 2, sharey=True)
        for axes, (recipe, (name, color)) in zip(sides, SIDES.items(), strict=True):
            training = experiments.training(recipe)
            show_data(axes, training)
            _curves(axes, training, color)
            weight, bias = training.end
            axes.set_title(
                f"{name}: w = {weight:.2f}, b = {signed(bias)} at the end",
                loc="left", color=color, fontsize=11, fontweight="bold",
            )  # fmt: skip
        sides[0].set_ylabel("probability of a 1")
    return Picture(
        "The same model trained by two costs",
        "2,000 points x from -1 to 1, each 1 with probability sigmoid(-1 + 5x). The model's curve "
        "at the start, after 100, 1,000 and 10,000 updates. By cross-entropy it ends on the true "
        "curve; by squared error it is still flatter than that.",
        figure,
    )


def true_curve(training: Training, x: Float64) -> Float64:
    """The probabilities with which labels at `x` were drawn."""
    said = training.recipe.data.simulate
    assert said is not None
    return sigmoid(said["w0"] + said["w1"] * x)


def show_data(axes: Axes, training: Training) -> None:
    """The points and the true curve, with the words for both."""
    (x,), labels = training.data
    # Golden-ratio steps fill the band evenly, without chance.
    jitter = (np.arange(len(x)) * 0.6180339887 % 1 - 0.5) * 2 * _SPREAD
    for label, color, x_said, y_said in ((0, NEGATIVE, 0.7, 0.07), (1, POSITIVE, -0.97, 0.93)):
        of_class = labels == label
        axes.text(x_said, y_said, f"{label}s drawn", color=color, va="center")
        _dots(axes, x[of_class], label + jitter[of_class], color, f"points-{label}")
    line = np.linspace(-1, 1, 101)
    axes.plot(line, true_curve(training, line), "--", color=INK, linewidth=1.4, label="true")
    axes.annotate(
        "true curve", (-0.02, true_curve(training, np.array([-0.02]))[0]), (-0.62, 0.47),
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7}, va="center",
    )  # fmt: skip
    axes.set(xlim=(-1, 1), ylim=(-0.07, 1.09), xlabel="x",
             xticks=[-1, -0.5, 0, 0.5, 1], yticks=[0, 0.25, 0.5, 0.75, 1])  # fmt: skip
    axes.grid(visible=False, axis="x")


def _dots(axes: Axes, x: Float64, y: Float64, color: str, name: str) -> None:
    """Points as one path of lines without length, which is a tenth of as many markers."""
    ends = np.repeat(np.stack([x, y], 1), 2, axis=0)
    path = Path(ends, np.tile([Path.MOVETO, Path.LINETO], len(x)))
    path.should_simplify = False  # it would leave out what has no length
    dots = PathPatch(path, fill=False, edgecolor=color, linewidth=1.8, capstyle="round")
    dots.set(label=name, alpha=0.6)
    axes.add_patch(dots)


def _curves(axes: Axes, training: Training, color: str) -> None:
    x = np.linspace(-1, 1, 101)
    ends = []
    for update in SHOWN:
        weight, bias = training.at(update)
        curve = sigmoid(weight * x + bias)
        last, first = update == SHOWN[-1], update == 0
        axes.plot(
            x, curve, color=MUTED if first else color, linewidth=2.6 if last else 1.3,
            label=f"curve-{update}",
        )  # fmt: skip
        ends.append(curve[-1])
    for update, height in zip(SHOWN, _apart(ends), strict=True):
        axes.text(
            1.03, height, "start" if not update else f"{update:,}", va="center",
            color=color if update else MUTED, fontweight="bold" if update == SHOWN[-1] else None,
        )  # fmt: skip
    axes.text(1.03, 1.085, "updates", va="center", color=MUTED, fontsize=9)


def _apart(heights: list[float]) -> list[float]:
    """Rising heights of labels, moved down where one would touch the one above."""
    found = heights[-1:]
    for height in heights[-2::-1]:
        found.append(min(height, found[-1] - _APART))
    return found[::-1]
