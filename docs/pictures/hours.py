"""Hours studied and the exam: four points, the curve, and its answers at 1 and at 7 hours."""

import numpy as np

from docs.pictures.experiments import Experiments
from docs.pictures.picture import Picture, leave_margin
from report.figures.drawing import ACCENT, INK, MUTED, NEGATIVE, POSITIVE, drawing
from report.figures.palette import LIGHT
from serve_runtime.error_budgets import sigmoid

ASKED = (1.0, 7.0)
"""Hours that the model is asked about."""


def hours(experiments: Experiments) -> Picture:
    """The curve before and after training, with the answers on it."""
    training = experiments.training("hours")
    (studied,), passed = training.data
    weight, bias = training.end
    line = np.linspace(0, 8, 101)
    with drawing(7, 3.9) as (figure, axes):
        leave_margin(figure)
        axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
        axes.plot([-bias / weight] * 2, [0.5, 1.06], ":", color=MUTED, linewidth=0.8, label="half")
        axes.annotate(f"one half at {-bias / weight:.2f} hours", (-bias / weight, 0.86), (-6, 0),
                      textcoords="offset points", ha="right", va="center",
                      color=MUTED)  # fmt: skip
        first_weight, first_bias = training.start
        axes.plot(line, sigmoid(first_weight * line + first_bias), color=MUTED, linewidth=1.2)
        axes.text(4.6, 0.82, "before training", color=MUTED)
        axes.plot(line, sigmoid(weight * line + bias), color=ACCENT, linewidth=2.6, label="curve")
        for label, color, said in ((0, NEGATIVE, "failed"), (1, POSITIVE, "passed")):
            of_class = studied[passed == label]
            axes.plot(of_class, np.full(len(of_class), label), "o", color=color, markersize=8,
                      clip_on=False, zorder=4)  # fmt: skip
            axes.annotate(said, (of_class[-1], label), (10, 0), textcoords="offset points",
                          va="center", color=color)  # fmt: skip
        for hour, place, side in zip(ASKED, ((12, -5), (0, -22)), ("left", "center"), strict=True):
            answer = float(sigmoid(np.array(weight * hour + bias)))
            axes.plot(hour, answer, "o", color=ACCENT, markerfacecolor=LIGHT["paper"],
                      markersize=10, markeredgewidth=2.2, label=f"answer-{hour:g}",
                      zorder=5)  # fmt: skip
            plural = "" if hour == 1 else "s"
            axes.annotate(f"{hour:g} hour{plural}: {answer:.0%}", (hour, answer), place,
                          textcoords="offset points", ha=side, va="center", color=INK,
                          fontweight="bold")  # fmt: skip
        axes.set(xlim=(0, 8), ylim=(-0.04, 1.06), xlabel="hours studied",
                 ylabel="probability of passing", yticks=[0, 0.25, 0.5, 0.75, 1])  # fmt: skip
        axes.grid(visible=False, axis="x")
    return Picture(
        "Hours studied, and the chance of passing",
        "Students who studied 1 and 2 hours failed, 3 and 4 hours passed. The model's curve after "
        "1,000 short updates, with its answers at 1 hour, below one half, and at 7 hours, above.",
        figure,
    )
