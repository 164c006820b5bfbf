"""Drawings by matplotlib as SVG elements that stand in the page: text as text, in its colours."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#010101", "#010102", "#010103", "#010104"
"""Colours that the page replaces by its own, light or dark: text and lines, what is less important,
the grid, and the ground."""
POSITIVE, NEGATIVE, ACCENT, OTHER = "#010105", "#010106", "#010107", "#010108"
"""Of the positive and the negative class, and of what else is to be told apart."""
_VARIABLES: Final = {
    INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper",
    POSITIVE: "positive", NEGATIVE: "negative", ACCENT: "accent", OTHER: "other",
}  # fmt: skip
_SETTINGS: Final = {
    "svg.fonttype": "none", "svg.hashsalt": "serve-runtime", "font.family": "sans-serif",
    "font.size": 10, "text.color": INK, "axes.edgecolor": MUTED, "axes.labelcolor": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "grid.color": GRID, "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "text.parse_math": False,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


@contextmanager
def drawing(width: float = 5.2, height: float = 3.2) -> Iterator[tuple[Figure, Axes]]:
    """A figure of so many inches and its axes, in the style of the page."""
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, figure.add_subplot()


def svg(figure: Figure, key: str, title: str, description: str, *, narrow: bool = False) -> Markup:
    """`figure` as an SVG element with an accessible name and description.

    `key` is unique in the page: ids begin with it. The same figure gives the same bytes. A `narrow`
    one is no wider than its text is readable.
    """
    stream = io.StringIO()
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():  # type: ignore[arg-type]
        # Text stays text: the reader's browser has the glyphs.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<(metadata|style).*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{key}-', text)
    text = re.sub(r"url\(#", f"url(#{key}-", text)
    text = re.sub(r'xlink:href="#', f'href="#{key}-', text)
    text = re.sub(r'style="([^"]*)"', _attributes, text)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d+\.\d\d)\d+", r"\1", tag.group()), text)
    for color, name in _VARIABLES.items():
        text = text.replace(color, f"var(--{name})")
    start = re.search(r"<svg[^>]*>", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert start
    assert box
    opened = opening(key, title, description, box.group(1), narrow=narrow)
    return opened + Markup(text[start.end() :])


def opening(key: str, title: str, description: str, box: str, *, narrow: bool = False) -> Markup:
    """The tag that opens an SVG element with the viewBox `box`, and its accessible name and
    description; a `narrow` one is no wider than its text is readable."""
    kind = "figure narrow" if narrow else "figure"
    return Markup(
        f'<svg class="{kind}" role="img" viewBox="{box}" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(description)}</desc>'
    )


def _attributes(style: re.Match[str]) -> str:
    """The declarations of a style attribute, which the page's security policy forbids, as
    attributes of their own."""
    found = []
    for declaration in style.group(1).split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # a shorthand; the family is the page's
            size = re.search(r"[\d.]+px", value)
            name, value = "font-size", size.group() if size else ""
        if value and name != "font-family":
            found.append(f'{name}="{value}"')
    return " ".join(found)
