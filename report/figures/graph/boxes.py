"""Graphs as SVG elements: boxes with lines of text, arrows from top to bottom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import east_asian_width

from markupsafe import Markup, escape

from report.figures.drawing import opening
from report.figures.graph.layout import Key, Layout, Room, layout
from serve_runtime.shown import printable

WIDTH: Final = 380.0
"""Of a drawing, in units of the page's pixels: what a phone shows."""
_TITLE, _SMALL = 12, 10
"""Sizes of text."""
_LINE: Final = 13.0
_PAD: Final = 7.0
_BELOW, _SPACE = 12.0, 34.0
"""Between two layers: where an arrow goes straight down beside what flows along it, and all of it.
"""
_MOST: Final = 28
"""Characters of a line."""

STEP, DATA, RESULT = "step", "data", "result"
"""What a box is: something that is computed, what goes in, what comes out."""
_STROKE: Final = {STEP: "muted", DATA: "accent", RESULT: "positive"}


@dataclass(frozen=True)
class Box:
    """A box of a drawing."""

    title: str
    lines: tuple[str, ...] = ()
    """Below the title, small."""
    kind: str = STEP
    flows: str = ""
    """What leaves it, beside its arrow: a shape."""


def draw(
    key: str,
    title: str,
    description: str,
    boxes: Mapping[str, Box],
    arrows: Sequence[tuple[str, str]],
) -> Markup:
    """The graph as an SVG element with an accessible name and description.

    `key` is unique in the page. Texts may be any: they are shortened and escaped.
    """
    shown = {name: _shown(box) for name, box in boxes.items()}
    rooms = {name: _room(box) for name, box in shown.items()}
    found = layout(rooms, arrows, WIDTH - 2)
    tops, heights, y = [], [], 1.0
    for layer in found.layers:
        height = max((_height(shown[name]) for name in layer if isinstance(name, str)), default=0.0)
        tops.append(y)
        heights.append(height)
        y += height + _SPACE
    size = f"0 0 {found.width + 2:.0f} {y - _SPACE + 1:.0f}"
    places = _Places(found, shown, tops, heights)
    parts = [*_arrows(places), *_drawn(places)]
    told = printable(description)
    return opening(key, printable(title), told, size, narrow=True) + Markup(
        "".join(parts) + "</svg>"
    )


@dataclass(frozen=True)
class _Places:
    layout: Layout
    boxes: Mapping[str, Box]
    tops: Sequence[float]
    heights: Sequence[float]

    def x(self, key: Key) -> float:
        return self.layout.center[key] + 1


def _drawn(places: _Places) -> Iterator[str]:
    for layer, top, most in zip(places.layout.layers, places.tops, places.heights, strict=True):
        for name in layer:
            if isinstance(name, str):
                box = places.boxes[name]
                height = _height(box)
                yield _box(box, places.x(name), top + (most - height) / 2, height)


def _box(box: Box, x: float, top: float, height: float) -> str:
    width = _width(box)
    y = top + _PAD + _TITLE - 2
    texts = [_text(x, y, box.title, _TITLE, 'text-anchor="middle" font-weight="600"')]
    for line in box.lines:
        y += _LINE
        texts.append(_text(x, y, line, _SMALL, 'text-anchor="middle"'))
    corner = 4 if box.kind == STEP else min(height / 2, 14)
    return (
        f'<rect x="{x - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{corner:g}" fill="var(--paper)" stroke="var(--{_STROKE[box.kind]})"/>'
        + "".join(texts)
    )


def _arrows(places: _Places) -> Iterator[str]:
    """A line for each link, with a head where it reaches a box, and what flows along it."""
    row = {key: i for i, layer in enumerate(places.layout.layers) for key in layer}
    entries: dict[Key, list[Key]] = {}
    for source, target in places.layout.links:
        entries.setdefault(target, []).append(source)
    labelled: set[Key] = set()
    for source, target in places.layout.links:
        start, end = _bottom(places, source, row[source]), _top(places, target, row[target])
        x0, x1 = places.x(source), places.x(target)
        if isinstance(target, str):
            x1 += _entry(source, sorted(entries[target], key=places.x), places.boxes[target])
        path = f"M{x0:.1f} {start:.1f}V{start + _BELOW:.1f}"
        if isinstance(source, tuple):  # through its own layer, straight
            path = f"M{x0:.1f} {places.tops[row[source]]:.1f}V{start + _BELOW:.1f}"
        start += _BELOW
        bend = (end - start) / 2
        path += f"C{x0:.1f} {start + bend:.1f} {x1:.1f} {end - bend:.1f} {x1:.1f} {end:.1f}"
        yield f'<path d="{path}" fill="none" stroke="var(--muted)"/>'
        if isinstance(target, str):
            yield (f'<path d="M{x1 - 3:.1f} {end - 5:.1f}h6l-3 5z" fill="var(--muted)"/>')
        if isinstance(source, str) and source not in labelled and places.boxes[source].flows:
            labelled.add(source)
            yield _text(x0 + 4, start - 1, places.boxes[source].flows, _SMALL, "")


def _entry(source: Key, sources: Sequence[Key], box: Box) -> float:
    """Where an arrow enters, from the middle of the box: several share its width."""
    room = min(_width(box) - 20, 14 * (len(sources) - 1))
    return room * (sources.index(source) / (len(sources) - 1) - 0.5) if len(sources) > 1 else 0


def _bottom(places: _Places, key: Key, row: int) -> float:
    top, most = places.tops[row], places.heights[row]
    if isinstance(key, tuple):
        return top + most
    return top + (most + _height(places.boxes[key])) / 2


def _top(places: _Places, key: Key, row: int) -> float:
    top, most = places.tops[row], places.heights[row]
    return top if isinstance(key, tuple) else top + (most - _height(places.boxes[key])) / 2


def _text(x: float, y: float, text: str, size: int, more: str) -> str:
    fill = "ink" if size == _TITLE else "muted"
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}px" fill="var(--{fill})" {more}>'
        f"{escape(text)}</text>"
    )


def _shown(box: Box) -> Box:
    cut = [_cut(line) for line in (box.title, *box.lines, box.flows)]
    return Box(cut[0], tuple(cut[1:-1]), box.kind, cut[-1])


def _cut(text: str) -> str:
    text = printable(text).replace("\n", " ")
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _width(box: Box) -> float:
    """Wide enough for the text in the widest of usual fonts."""
    small = max(map(_ems, box.lines), default=0) * _SMALL
    return max(40.0, 2 * _PAD + max(_ems(box.title) * _TITLE * 1.1, small))


def _room(box: Box) -> Room:
    """What flows stands to the right of the middle."""
    half = _width(box) / 2
    return Room(half, max(half, 4 + _ems(box.flows) * _SMALL))


def _ems(text: str) -> float:
    """The width of a text in units of its size, about."""
    wide = sum(c in "mwMW@%—…" or east_asian_width(c) in "WF" for c in text)
    capitals = sum(c.isupper() for c in text)
    return 0.59 * len(text) + 0.4 * wide + 0.1 * capitals


def _height(box: Box) -> float:
    return 2 * _PAD + _TITLE + _LINE * len(box.lines)
