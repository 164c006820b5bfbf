"""Names at the left of rows of a figure."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

_POINTS: Final = 72
_LACKING: Final = 4.5
"""Points by which a wide character is wider than what stands for it where names are measured: the
font that measures has none."""


def name_rows(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    """Write `names` beside rows 0, 1, … from the top, with room for all of each."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(names) - 0.4, -0.6)
    wide = max(sum(unicodedata.east_asian_width(c) in "WF" for c in name) for name in names)
    room = wide * _LACKING / _POINTS / figure.get_figwidth()
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine) and wide:
        engine.set(rect=(room, 0, 1 - room, 1))
