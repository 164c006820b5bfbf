"""A picture as a file: SVG that needs nothing else, on paper of its own."""

import re
from dataclasses import dataclass

from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from report.figures.drawing import svg
from report.figures.palette import LIGHT

_FONTS = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
_PIXELS = 4 / 3
"""Of a point."""


@dataclass(frozen=True)
class Picture:
    """A figure with the words that stand for it where it is not seen."""

    title: str
    description: str
    figure: Figure

    def svg(self, key: str) -> str:
        """The text of an SVG file; its ids begin with `key`. The same figure gives the same one."""
        content = str(svg(self.figure, key, self.title, self.description))
        width, height = (float(inches) * 72 for inches in self.figure.get_size_inches())
        content = content[content.index("</desc>") + len("</desc>") :].removesuffix("\n")
        content = re.sub(r"M (\S+ \S+) \nL \1 ?", r"M\1h0", content)  # of dots, in half the bytes
        return svg_file(key, self.title, self.description, (width, height), content)


def svg_file(
    key: str, title: str, description: str, size: tuple[float, float], content: str
) -> str:
    """The text of an SVG file: `content`, which ends with </svg>, on paper of `size` points.

    The paper makes it look the same on a white and on a dark page.
    """
    width, height = size
    for name, color in LIGHT.items():
        content = content.replace(f"var(--{name})", color)
    content = re.sub(r">([a-z])_(\w)<", r'>\1<tspan dy="3" font-size="75%">\2</tspan><', content)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * _PIXELS:.0f}" '
        f'height="{height * _PIXELS:.0f}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-labelledby="{key}-t {key}-d" font-family="{_FONTS}">\n'
        f'<title id="{key}-t">{escape(title)}</title>\n'
        f'<desc id="{key}-d">{escape(description)}</desc>\n'
        f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="6" '
        f'fill="{LIGHT["paper"]}" stroke="{LIGHT["grid"]}"/>\n{content.strip()}\n'
    )


def signed(number: float) -> str:
    """A number with two decimals and a minus of the width of a plus."""
    return f"{number:.2f}".replace("-", "−")


def leave_margin(figure: Figure) -> None:
    """Keep what is drawn away from the edge of the paper."""
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(w_pad=0.12, h_pad=0.1)
