"""Bars and curves as SVG elements, in the colours of the page."""

import math
from collections.abc import Sequence

import numpy as np

from serve_runtime.features.column import Column
from serve_runtime.pages.column_parts import ColumnPart
from serve_runtime.pages.html import number, shown, signed

_WIDTH, _HEIGHT = 340, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 24
"""Margins of a curve, in units of its drawing."""


def span_bar(low: float, high: float, largest: float) -> str:
    """A bar from `low` to `high` around 0 in the middle; `largest` is the size at both ends."""
    name = f"from {signed(low)} to {signed(high)}"
    scale = 49 / largest if largest > 0 else 0
    parts = []
    for kind, start, stop in (
        ("down", min(low, 0), min(high, 0)),
        ("up", max(low, 0), max(high, 0)),
    ):
        if stop > start:
            x, width = 50 + start * scale, max(0.4, (stop - start) * scale)
            parts.append(
                f'<rect class="{kind}" x="{x:.2f}%" y="4" width="{width:.2f}%" height="12"/>'
            )
    return (
        f'<svg class="bar" role="img" aria-label="{name}">{"".join(parts)}'
        '<line class="zero" x1="50%" x2="50%" y1="0" y2="20"/></svg>'
    )


def share_bar(share: float) -> str:
    """A bar for a share of what is allowed, which is the whole."""
    width = min(100.0, 100 * share)
    return (
        f'<svg class="bar" role="img" aria-label="{share:.1%} of the budget">'
        '<rect class="track" x="0" y="6" width="100%" height="8"/>'
        f'<rect class="share" x="0" y="6" width="{width:.2f}%" height="8"/></svg>'
    )


def curve(part: ColumnPart, key: str) -> str:
    """The curve of a bent number over its training range."""
    column, pieces = part.column, part.pieces
    low, high = pieces[0][0][0], pieces[-1][1][0]
    if low == high:
        low, high = low - 1, high + 1
    ys = [y for piece in pieces for _, y in piece]
    bottom, top = min(0.0, *ys), max(0.0, *ys)
    if bottom == top:
        bottom, top = bottom - 1, top + 1

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)
        up = (point[1] - bottom) / (top - bottom) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + across, _HEIGHT - _BOTTOM - up

    grid = []
    for tick in ticks(bottom, top, 6):
        _, y = at((low, tick))
        grid.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{signed(tick)}</text>'
        )
    for tick in ticks(low, high, 6):
        x, _ = at((tick, bottom))
        shown_tick = value_text(column, tick)
        anchor = "end" if x > _WIDTH - 40 else "middle"
        grid.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{shown_tick}</text>'
        )
    path, dots, before = [], [], None
    for first, last in pieces:
        (x0, y0), (x1, y1) = at(first), at(last)
        if x1 - x0 < 0.05 and (before is None or abs(before[1] - y0) > 0.5):
            dots.append(f'<circle class="dot" cx="{x0:.1f}" cy="{y0:.1f}" r="3.5"/>')
            before = None
            continue
        joined = before is not None and abs(before[1] - y0) <= 0.5
        path.append(f"{'L' if joined else 'M'}{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}")
        before = (x1, y1)
    least, most = min(pieces, key=_height)[0], max(pieces, key=_height)[0]
    told = (
        f"lowest {signed(part.low)} near {value_text(column, least[0])}, highest "
        f"{signed(part.high)} near {value_text(column, most[0])}"
    )
    name = shown(column.name)
    return (
        f'<figure><figcaption id="{key}">{name}</figcaption>\n'
        f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="What {name} adds to the logit: {told}">{"".join(grid)}'
        f'<path class="line" d="{"".join(path)}"/>{"".join(dots)}</svg>\n'
        f'<p class="note">{told}</p></figure>\n'
    )


def ticks(low: float, high: float, most: int) -> Sequence[float]:
    """Round numbers in [low, high], about `most`."""
    raw = (high - low) / most
    if not (0 < raw < math.inf):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def value_text(column: Column, value: float) -> str:
    """A value of a column of numbers as HTML: a time as its day, and no comma where all values have
    four digits at most, since they may be years."""
    if not column.time:
        longest = max((abs(end) for end in (column.low, column.high) if end is not None), default=0)
        return number(value) if longest >= 10_000 else number(value).replace(",", "")
    try:
        return shown(np.datetime64(round(value), "s").astype("M8[D]"))
    except (OverflowError, ValueError):
        return number(value)


def _height(piece: tuple[tuple[float, float], tuple[float, float]]) -> float:
    return piece[0][1]
