"""Axes of shares, and curves over them."""

from serve_runtime.arrays import Float64


def percent_tick(share: float, _: float | None = None) -> str:
    """The text of a tick of an axis of shares."""
    return f"{100 * share:g}%"


def thinned(x: Float64, y: Float64) -> tuple[Float64, Float64]:
    """The points of a curve that a reader can tell apart: none on the line between its neighbours,
    at most some hundreds."""
    kept = [0]
    for place in range(1, len(x) - 1):
        moved = abs(x[place] - x[kept[-1]]) + abs(y[place] - y[kept[-1]])
        if moved > 0.004:
            kept.append(place)
    kept.append(len(x) - 1)
    return x[kept], y[kept]
