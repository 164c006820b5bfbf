"""Rows of bent numbers for a proof: at every knot of a curve, and at a wanted logit."""

from typing import Final

import numpy as np

from export.parity.encoded_model import EncodedModel, served_ranges
from serve_runtime.arrays import Float32, Float64
from serve_runtime.error_budgets import LARGEST, SMALLEST, SMALLEST_NORMAL
from serve_runtime.features.column import PRECISE
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows

_FAR: Final = (0.5, 100.0, 1e6)
"""So many times its range beyond both ends of it is each bent number tried."""
_NUMBERS: Final = 8
"""On the curves of so many numbers at most, wanted logits are searched for."""
_SEGMENTS: Final = 33
"""And in so many segments of each, both outer ones among them."""


def on_every_segment(model: EncodedModel, base: RawRows, neutral: Float64) -> RawRows:
    """Rows of the texts of `base` with `values_of_curve` in all bent numbers at a time; the others
    are `neutral` (k, 1), which adds nothing, so that the logit is the very offset."""
    values = {number: values_of_curve(model, number) for number in model.encoding.bent}
    count = max(map(len, values.values()))
    numbers = np.repeat(neutral, count, axis=1)
    for number, of_curve in values.items():
        numbers[number] = np.resize(of_curve, count)
    return RawRows(numbers, base.take(np.arange(count) % len(base)).texts)


def values_of_curve(model: EncodedModel, number: int) -> Float64:
    """Raw values of a bent number: `values_at_knots`, halfway between knots, the ends of the range,
    beyond these, zeros and subnormals, and the largest there are."""
    encoding = model.encoding
    curve = encoding.curves[encoding.bent.index(number)]
    low, high = (ends[number] for ends in served_ranges(encoding))
    width = max(high - low, abs(high) * 2.0**-20)
    steepest = max(1.0, *np.abs(curve.slope[[0, -1]]).tolist())
    room = LARGEST / (8 * len(encoding.fill) * steepest)  # so that all together stay inside
    tiny = (0.0, SMALLEST, SMALLEST_NORMAL)
    others = [end + far * width for far in _FAR for end, far in ((low, -far), (high, far))]
    others += [low, high, *tiny, *(-value for value in tiny), room, -room, LARGEST, -LARGEST]
    halves = curve.knots[:-1].astype(np.float64) / 2 + curve.knots[1:] / 2
    served = np.clip([*halves, *others], -LARGEST, LARGEST).astype(np.float32)
    return np.append(values_at_knots(encoding, number), _raw(encoding, number, served))


def values_at_knots(encoding: Encoding, number: int) -> Float64:
    """Raw values of a bent number: each knot and both its neighbours."""
    knots = encoding.curves[encoding.bent.index(number)].knots
    up, down = np.float32(np.inf), np.float32(-np.inf)
    near = np.concatenate([knots, np.nextafter(knots, up), np.nextafter(knots, down)])
    return _raw(encoding, number, near)


def _raw(encoding: Encoding, number: int, served: Float32) -> Float64:
    """What a table may hold where these values are served; of a precise number also the float64
    values next to it, since a table may be finer or coarser than what is served."""
    if encoding.numbers[number].kind != PRECISE:
        return served.astype(np.float64)  # adding 0 would lose the sign of a zero
    raw = served.astype(np.float64) + encoding.number_centers[number]
    return np.concatenate([raw, np.nextafter(raw, -np.inf), np.nextafter(raw, np.inf)])


def along_curves(model: EncodedModel, logits: Float64, base: RawRows) -> RawRows:
    """Rows with the given logits (n,): `base`, n rows without gaps, one bent number of each
    moved along its curve. Where no curve reaches a logit, its row is left out; if none reaches
    any, it is `base`."""
    encoding, found = model.encoding, model.terms(base)
    if found.segments is None:
        return base
    value, slope, distance = found.segments
    wanted = logits - model.reference(base)[0] + value + slope * distance
    numbers, nearest = base.numbers.copy(), np.full(len(base), np.inf)
    for at in _spread(len(encoding.bent), _NUMBERS):
        number, curve = encoding.bent[at], encoding.curves[at]
        center = encoding.number_centers[number]
        for segment in _spread(len(curve.slope), _SEGMENTS):
            x, off = _solved(curve, segment, wanted[at])
            better = off < nearest
            nearest[better] = off[better]
            numbers[:, better] = base.numbers[:, better]
            numbers[number, better] = x[better] + center
    kept = np.flatnonzero(np.isfinite(nearest))
    if not len(kept):
        return base
    return RawRows(numbers[:, kept], base.take(kept).texts)


def _solved(curve: Curve, segment: int, wanted: Float64) -> tuple[Float64, Float64]:
    """Float32 values (n,) of a segment at which the curve is `wanted` (n,), and how far off it is;
    infinite where the segment does not reach that."""
    origin, value, slope = (
        float(part[segment]) for part in (curve.origin, curve.value, curve.slope)
    )
    with np.errstate(all="ignore"):
        x = (origin + (wanted - value) / np.float64(slope)).astype(np.float32)
        inside = np.isfinite(x) & (curve.knots.searchsorted(x, side="right") == segment)
        found = x.astype(np.float64)
        off = np.abs(value + slope * (found - origin) - wanted)
    return found, np.where(inside, off, np.inf)


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers below `count`, evenly spaced, the first and last among them."""
    found: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
    return found
