"""The two diagrams of the network: as neurons, and as layers.

Each is a list of nodes and arrows, drawn by Graphviz's dot where it is installed, else by
matplotlib: the same content both ways.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch

from docs.pictures.experiments import Experiments
from docs.pictures.picture import Picture, leave_margin, svg_file
from report.figures.drawing import ACCENT, INK, MUTED, NEGATIVE, PAPER, POSITIVE, drawing
from report.figures.palette import LIGHT

_COLORS: Final = {
    INK: "ink", MUTED: "muted", ACCENT: "accent", NEGATIVE: "negative", POSITIVE: "positive",
}  # fmt: skip
_UNIT: Final = 0.5
"""Inches of the unit in which nodes are placed; a circle has a radius of 0.5."""


@dataclass(frozen=True)
class Node:
    """A circle, or a box where its text has several lines."""

    text: str
    x: float
    y: float
    color: str = INK

    @property
    def half_width(self) -> float:
        """In the unit of x: from the centre to where arrows begin."""
        longest = max(map(len, self.text.split("\n")))
        return 0.5 if self.is_circle else 0.08 * longest + 0.35

    @property
    def is_circle(self) -> bool:
        """Whether its text is short enough for a circle."""
        return "\n" not in self.text


@dataclass(frozen=True)
class Diagram:
    """Nodes, and arrows between two of them with a text."""

    title: str
    description: str
    nodes: Sequence[Node]
    arrows: Sequence[tuple[int, int, str]]


NEURONS: Final = Diagram(
    "Logistic regression as a neuron",
    "Inputs x_1 to x_d, each times its weight w_1 to w_d, and 1 times the bias b, are summed to "
    "the logit z; its sigmoid is the probability ŷ.",
    [
        Node("1", 0, 0, MUTED), Node("x_1", 0, -1.3, NEGATIVE), Node("x_2", 0, -2.6, NEGATIVE),
        Node("…", 0, -3.9, NEGATIVE), Node("x_d", 0, -5.2, NEGATIVE),
        Node("sum\nz = w·x + b", 4.2, -2.6, ACCENT),
        Node("sigmoid\n1 / (1 + e⁻ᶻ)", 8.1, -2.6, ACCENT), Node("ŷ", 11.3, -2.6, POSITIVE),
    ],
    [(0, 5, "b"), (1, 5, "w_1"), (2, 5, "w_2"), (3, 5, ""), (4, 5, "w_d"), (5, 6, "z"), (6, 7, "")],
)  # fmt: skip
LAYERS: Final = Diagram(
    "Logistic regression as layers",
    "n rows of d columns, X, go through a Linear layer with d weights and a bias, and through a "
    "Sigmoid, and come out as n probabilities ŷ.",
    [
        Node("X\n(n, d)", 0, 0, NEGATIVE),
        Node("Linear\nX · wᵀ + b\nw (1, d), b (1,)", 3.7, 0, ACCENT),
        Node("Sigmoid\n1 / (1 + e⁻ᶻ)", 8.8, 0, ACCENT), Node("ŷ\n(n, 1)", 12.3, 0, POSITIVE),
    ],
    [(0, 1, ""), (1, 2, "z (n, 1)"), (2, 3, "")],
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A diagram as dot has drawn it."""

    diagram: Diagram
    text: str
    """The SVG file that dot wrote."""

    def svg(self, key: str) -> str:
        """The text of the file in the look of the other pictures."""
        size = re.search(r'viewBox="0(?:\.00)? 0(?:\.00)? ([\d.]+) ([\d.]+)"', self.text)
        assert size
        width, height = map(float, size.groups())
        content = self.text[self.text.index(">", self.text.index("<svg")) + 1 :]
        content = re.sub(r"<!--.*?-->|<title>.*?</title>|<polygon fill=\"white\".*?/>", "", content,
                         flags=re.DOTALL)  # fmt: skip
        content = re.sub(r' font-family="[^"]*"', "", content).replace('<g id="', f'<g id="{key}-')
        diagram = self.diagram
        return svg_file(key, diagram.title, diagram.description, (width, height), content)


def neurons(_: Experiments) -> Picture | Drawn:
    """Inputs, weights, sum and sigmoid."""
    return _drawn(NEURONS)


def layers(_: Experiments) -> Picture | Drawn:
    """X → Linear → Sigmoid → ŷ with shapes."""
    return _drawn(LAYERS)


def _drawn(diagram: Diagram) -> Picture | Drawn:
    program = shutil.which("dot")
    return by_dot(diagram, program) if program else by_matplotlib(diagram)


def by_dot(diagram: Diagram, program: str) -> Drawn:
    """The diagram as Graphviz's dot lays it out."""
    done = subprocess.run(
        [program, "-Tsvg"], input=dot_source(diagram), capture_output=True, text=True, check=True,
        encoding="utf-8",
    )  # fmt: skip
    return Drawn(diagram, done.stdout)


def dot_source(diagram: Diagram) -> str:
    """The diagram in dot's language."""
    lines = ['rankdir=LR; pad=0.25; nodesep=0.25; ranksep=0.75; splines=line; node [fontsize=11];',
             f'edge [color="{LIGHT["muted"]}", fontsize=11];']  # fmt: skip
    for i, node in enumerate(diagram.nodes):
        shape = (
            "circle, width=0.7, fixedsize=true"
            if node.is_circle
            else 'box, style=rounded, margin="0.2,0.12"'
        )
        label, color = node.text.replace("\n", "\\n"), LIGHT[_COLORS[node.color]]
        lines.append(f'n{i} [label="{label}", shape={shape}, color="{color}", penwidth=1.6];')
    lines += [f'n{a} -> n{b} [label="{text}"];' for a, b, text in diagram.arrows]
    return "digraph {\n" + "\n".join(lines) + "\n}\n"


def by_matplotlib(diagram: Diagram) -> Picture:
    """The diagram with its nodes where it says."""
    nodes = diagram.nodes
    left, right = -nodes[0].half_width - 0.3, max(n.x + n.half_width for n in nodes) + 0.3
    low, high = min(n.y for n in nodes) - 0.95, max(n.y for n in nodes) + 0.95
    with drawing((right - left) * _UNIT + 0.24, (high - low) * _UNIT + 0.2) as (figure, axes):
        leave_margin(figure)
        axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
        axes.set_axis_off()
        for node in nodes:
            axes.add_patch(_outline(node))
            first, *others = node.text.split("\n")
            bold = "bold" if others else None
            axes.text(node.x, node.y + 0.22 * len(others), first, ha="center", va="center",
                      fontweight=bold)  # fmt: skip
            for i, line in enumerate(others, 1):
                axes.text(node.x, node.y + 0.22 * len(others) - 0.44 * i, line, ha="center",
                          va="center", fontsize=9)  # fmt: skip
        for begin, end, text in diagram.arrows:
            a, b = nodes[begin], nodes[end]
            x, y = (a.x + a.half_width, b.x - b.half_width), (a.y, b.y + 0.12 * (a.y - b.y))
            axes.add_patch(FancyArrowPatch((x[0], y[0]), (x[1], y[1]), arrowstyle="-|>",
                                           color=MUTED, mutation_scale=12, shrinkA=1,
                                           shrinkB=1))  # fmt: skip
            rise = b.y - a.y
            side, aside = (
                ("center", 0) if rise == 0 else ("right", -0.1) if rise > 0 else ("left", 0.1)
            )
            axes.text(x[0] + 0.45 * (x[1] - x[0]) + aside, y[0] + 0.45 * (y[1] - y[0]) + 0.12, text,
                      ha=side, va="bottom")  # fmt: skip
    return Picture(diagram.title, diagram.description, figure)


def _outline(node: Node) -> Patch:
    look: dict[str, Any] = {"edgecolor": node.color, "facecolor": PAPER, "linewidth": 1.6}
    if node.is_circle:
        return Circle((node.x, node.y), node.half_width, **look)
    width, height = node.half_width, 0.4 + 0.23 * node.text.count("\n")
    return FancyBboxPatch((node.x - width + 0.2, node.y - height + 0.2), 2 * width - 0.4,
                          2 * height - 0.4, boxstyle="round,pad=0.2", **look)  # fmt: skip
