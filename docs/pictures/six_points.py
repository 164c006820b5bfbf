"""Six points of two classes, the line that parts them, and the probability as a shade."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from docs.pictures.experiments import Experiments
from docs.pictures.picture import Picture, leave_margin
from report.figures.drawing import INK, NEGATIVE, POSITIVE, drawing
from report.figures.palette import LIGHT
from serve_runtime.arrays import Float64
from serve_runtime.error_budgets import sigmoid

_X1, _X2 = np.array([0.0, 7.0]), np.array([0.0, 4.4])
_SHADES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.997, 0.999])
_NAMED = {0.01: "1%", 0.1: "10%", 0.5: "50%", 0.9: "90%", 0.99: "99%"}


def six_points(experiments: Experiments) -> Picture:
    """The trained model, and where its boundary was at the start."""
    training = experiments.training("six-points-sequential")
    points, labels = training.data
    theta = training.end
    with drawing(7, 4.6) as (figure, axes):
        leave_margin(figure)
        colors = LinearSegmentedColormap.from_list(
            "classes", [LIGHT["negative"], LIGHT["paper"], LIGHT["positive"]]
        )
        # The logit is linear, so four corners are enough for exact contours.
        logit = theta[0] * _X1 + (theta[1] * _X2 + theta[2])[:, None]
        steps = np.log(_SHADES / (1 - _SHADES))
        axes.contourf(_X1, _X2, logit, steps, cmap=colors, extend="both", alpha=0.4)
        for share, said in _NAMED.items():
            x = boundary(theta, _X2, np.log(share / (1 - share)))
            middle = share == 0.5
            axes.plot(x, _X2, color=INK, linewidth=2 if middle else 0.6, label=f"line-{share}")
            axes.annotate(said, (x[1], _X2[1]), (0, 5), textcoords="offset points", ha="center",
                          fontweight="bold" if middle else None, fontsize=9)  # fmt: skip
        axes.plot(
            boundary(training.start, _X2, 0.0),
            _X2,
            "--",
            color=INK,
            linewidth=1,
            label="line-start",
        )
        axes.text(1.0, 0.5, "boundary at the start", color=INK)
        for label, color in ((0, NEGATIVE), (1, POSITIVE)):
            for x1, x2 in points.T[labels == label]:
                answer = sigmoid(np.array(theta[0] * x1 + theta[1] * x2 + theta[2]))
                axes.plot(x1, x2, "o", color=color, markersize=10, markeredgecolor=LIGHT["paper"],
                          markeredgewidth=1.2)  # fmt: skip
                axes.annotate(f"{float(answer):.2%}", (x1, x2), (0, -15), ha="center",
                              textcoords="offset points", color=INK, va="center",
                              bbox={"facecolor": LIGHT["paper"], "alpha": 0.6, "pad": 0.8,
                                    "edgecolor": "none"})  # fmt: skip
            axes.text(*((6.75, 4.0) if label else (0.25, 4.0)), f"class {label}", va="center",
                      ha="right" if label else "left", fontweight="bold")  # fmt: skip
        axes.set(xlim=_X1, ylim=_X2, xlabel="x₁", ylabel="x₂", yticks=range(5))
        axes.grid(visible=False)
    return Picture(
        "Six points and the probability of the second class",
        "Three points of either class, shaded by the model's probability. The boundary, where it "
        "is one half, is a straight line between the classes; the lines of 1, 10, 90 and 99% are "
        "parallel to it. At the start the boundary lay elsewhere.",
        figure,
    )


def boundary(theta: Float64, x2: Float64, logit: float) -> Float64:
    """The x₁ at which w₁x₁ + w₂x₂ + b is `logit`."""
    x1: Float64 = (logit - theta[2] - theta[1] * x2) / theta[0]
    return x1
