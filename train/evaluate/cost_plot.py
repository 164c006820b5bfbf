"""The cost over a training, drawn with characters on one line."""

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap

from train.optimize.fit import Record

_BARS = "▁▂▃▄▅▆▇█"
_FEWEST = 3
"""Points that make a curve."""
_WIDEST = 40


def cost_lines(records: Sequence[Record], width: int) -> Iterator[str]:
    """A line each of the training rows and of those held out, on one scale: first cost, curve, last
    cost. None where there are too few records, or no room in `width` columns."""
    held = [record.validation_cost for record in records if record.validation_cost is not None]
    curves = {"cost": [record.cost for record in records]}
    if len(held) == len(records):
        curves["hold-out"] = held
    values = [value for curve in curves.values() for value in curve]
    room = min(_WIDEST, width - len("hold-out  0.000000  ") - len("  0.000000"))
    if len(records) < _FEWEST or room < _FEWEST or not all(map(math.isfinite, values)):
        return
    low, high = min(values), max(values)
    label = max(map(len, curves))
    for name, curve in curves.items():
        bars = "".join(_bar(value, low, high) for value in _thinned(curve, room))
        yield f"{name:<{label}}  {curve[0]:.6f}  {bars}  {curve[-1]:.6f}"
    epochs = f"epochs {records[0].epoch:,} to {records[-1].epoch:,}"
    if len(curves) > 1:
        best = min(records, key=lambda record: record.validation_cost or 0.0)
        epochs += f"; lowest on the hold-out {best.validation_cost:.6f} at {best.epoch:,}"
    indent = " " * (label + 2)
    yield from wrap(epochs, width, initial_indent=indent, subsequent_indent=indent)


def _thinned(curve: Sequence[float], most: int) -> list[float]:
    """At most so many values of a curve, ever further apart, the first and the last among them: a
    cost falls most in the beginning."""
    if len(curve) <= most:
        return list(curve)
    places = {round(len(curve) ** (i / (most - 1))) - 1 for i in range(most)}
    return [curve[place] for place in sorted(places)]


def _bar(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.0
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]
