"""The Bernoulli curve as an animation: both trainings at once, and their costs.

It is SVG that moves by itself (SMIL), which stays sharp and is a fifth of a GIF. Who asks for less
motion sees its end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.pictures.bernoulli_curve import SIDES, show_data
from docs.pictures.experiments import Experiments
from docs.pictures.picture import Picture, leave_margin
from report.figures.drawing import ACCENT, OTHER, drawing
from report.figures.palette import LIGHT
from serve_runtime.arrays import Float64
from serve_runtime.error_budgets import sigmoid

FRAMES: Final = tuple(int(n) for n in np.unique(np.geomspace(1, 10_001, 45).round() - 1))
"""The updates after which the curves are shown, as many in each second."""
_SECONDS, _STILL = 9.0, 0.8
"""Of a round; the share of it in which something moves: then the end stays for a while."""
_COLORS: Final = {ACCENT: LIGHT["accent"], OTHER: LIGHT["other"]}
_STYLE: Final = (
    "<style>.still{display:none}@media(prefers-reduced-motion:reduce)"
    "{.moving{display:none}.still{display:inline}}</style>"
)


@dataclass(frozen=True)
class Moving(Picture):
    """A picture with parts that move on it."""

    parts: str
    """SVG elements, of which those of the class "moving" move; those of the class "still" are
    shown instead where less motion is asked for."""

    def svg(self, key: str) -> str:
        """The text of the SVG file."""
        text = super().svg(key).rstrip()
        return f"{text.removesuffix('</svg>')}{_STYLE}\n{self.parts}\n</svg>\n"


def learning(experiments: Experiments) -> Picture:
    """Points and curves on the left, the cost by update on the right."""
    with drawing(9, 4.1) as (figure, first):
        first.remove()
        leave_margin(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        show_data(left, experiments.training("bernoulli-curve"))
        left.set_ylabel("probability of a 1")
        steps = [experiments.training(recipe).steps[list(FRAMES)].astype(np.float64)
                 for recipe in SIDES]  # fmt: skip
        costs = [experiments.training("bernoulli-curve").costs(thetas) for thetas in steps]
        for (name, color), values in zip(SIDES.values(), costs, strict=True):
            right.plot(np.array(FRAMES) + 1, values, color=color, linewidth=1.2, alpha=0.5)
            below = color == ACCENT
            right.annotate(f"by {name.lower()}", (FRAMES[22] + 1, values[22]), color=color,
                           xytext=(-12, -8) if below else (6, 4), textcoords="offset points",
                           ha="right" if below else "left")  # fmt: skip
        right.set(xscale="log", xlabel="updates", ylabel="cross-entropy of both", ylim=(0.3, None),
                  xticks=[1, 11, 101, 1001, 10_001])  # fmt: skip
        right.set_xticklabels(["0", "10", "100", "1,000", "10,000"])
        right.minorticks_off()
        figure.set_dpi(72)  # as in the file
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        x = np.linspace(-1, 1, 51)
        parts = [_counter(*_points(figure, left, np.array([[-0.95, 0.78]]))[0])]
        for (_, color), thetas, values in zip(SIDES.values(), steps, costs, strict=True):
            curves = sigmoid(thetas[:, :1] * x + thetas[:, 1:])
            paths = [_path(_points(figure, left, np.stack([x, y], 1))) for y in curves]
            parts.append(_line(paths, _COLORS[color]))
            places = np.stack([np.array(FRAMES) + 1.0, values], 1)
            parts.append(_dot(_points(figure, right, places), _COLORS[color]))
    return Moving(
        "The curve while it is learned",
        "An animation of 10,000 updates: the model's curve moves from its start to the true curve, "
        "sooner by cross-entropy than by squared error. On the right the cross-entropy of both "
        "falls. It ends after 10,000 updates.",
        figure,
        "\n".join(parts),
    )


def _points(figure: Figure, axes: Axes, places: Float64) -> Float64:
    """Places (n, 2) in the units of the axes as points (n, 2) of the file, whose origin is at the
    top."""
    found: Float64 = axes.transData.transform(places)
    return np.stack([found[:, 0], figure.bbox.height - found[:, 1]], 1)


def _path(points: Float64) -> str:
    return "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _animate(name: str, values: list[str], mode: str = "linear") -> str:
    """The attribute `name` through the values of all frames, and a while at the last, for ever."""
    times = [*(f"{t:.4f}" for t in np.linspace(0, _STILL, len(values))), "1"]
    shown = ";".join([*values, values[-1]])
    return (
        f'<animate attributeName="{name}" dur="{_SECONDS:g}s" repeatCount="indefinite" '
        f'calcMode="{mode}" keyTimes="{";".join(times)}" values="{shown}"/>'
    )


def _line(paths: list[str], color: str) -> str:
    look = f'd="{paths[-1]}" fill="none" stroke="{color}" stroke-width="2.6"'
    return f'<path class="moving" {look}>{_animate("d", paths)}</path><path class="still" {look}/>'


def _dot(places: Float64, color: str) -> str:
    x, y = ([f"{value:.1f}" for value in values] for values in places.T)
    look = f'cx="{x[-1]}" cy="{y[-1]}" r="4.5" fill="{color}"'
    moves = _animate("cx", x) + _animate("cy", y)
    return f'<circle class="moving" {look}>{moves}</circle><circle class="still" {look}/>'


def _counter(x: float, y: float) -> str:
    """The number of updates, one text a frame, of which one is visible."""
    look = f'x="{x:.1f}" y="{y:.1f}" font-size="12" font-weight="bold" fill="{LIGHT["ink"]}"'
    texts = []
    for i, update in enumerate(FRAMES):
        shown = ["visible" if i == j else "hidden" for j in range(len(FRAMES))]
        texts.append(f'<text {look} visibility="hidden">{update:,} update{"s" * (update != 1)}'
                     f'{_animate("visibility", shown, "discrete")}</text>')  # fmt: skip
    return (
        f'<g class="moving">{"".join(texts)}</g>'
        f'<text class="still" {look}>{FRAMES[-1]:,} updates</text>'
    )
