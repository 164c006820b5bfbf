"""Exact numbers, decimals and integers, as float64 from which float32 is rounded once.

The nearest float32 of the nearest float64 is not always the nearest float32: where the float64 lies
just between two of them, the tie is decided without the digits that were rounded away. So such a
float64 is rounded to odd instead (S. Boldo and G. Melquiond, "Emulation of FMA and correctly
rounded sums: proved algorithms using rounding to odd", 2008): float32 then comes out right.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Float32, Float64
from serve_runtime.inputs.decimals import nearest_floats

_DROPPED: Final = np.int64((1 << 29) - 1)
_HALF: Final = np.int64(1 << 28)
"""The bits of a float64 that float32 does not have, and those of one just between two float32."""

_SMALLEST: Final = 2.0**-126
"""Smaller float32 have fewer bits, so that any float64 might lie between two of them."""


def round_once(floats: Float64, values: Sequence[Any]) -> None:
    """Change those of `floats` (n,), the nearest float64 to `values`, that would not give the
    nearest float32; `values` are numbers of any type, those without exact digits are left alone."""
    ties = (floats.view(np.int64) & _DROPPED) == _HALF
    ties |= (np.abs(floats) < _SMALLEST) & (floats != 0)
    for position in np.flatnonzero(ties).tolist():
        floats[position] = _to_odd(values[position])


def decimals(column: Any) -> Float32:
    """An Arrow array of decimals, in one piece or several, as the nearest float32 (n,); null is
    NaN."""
    pieces = column.chunks if hasattr(column, "chunks") else [column]
    none = np.empty(0, np.float32)
    return np.concatenate([none, *(nearest_floats(piece, np.float32) for piece in pieces)])


def arrow_decimals(column: Any) -> Any | None:
    """The Arrow array of decimals that `column` is, or that a frame's column holds; else None."""
    kind = type(column)  # asked in place of the column, since a pandas Series looks up its rows
    if hasattr(kind, "iloc") and hasattr(kind, "dtype"):  # pandas
        decimal = column.dtype.kind == "O" and str(column.dtype).startswith("decimal")
        return column.array.__arrow_array__() if decimal else None
    if hasattr(kind, "cast") and hasattr(kind, "type"):  # Arrow
        return column if str(column.type).startswith("decimal") else None
    if hasattr(kind, "to_arrow") and hasattr(kind, "dtype"):  # polars
        return column.to_arrow() if str(column.dtype).startswith("Decimal") else None
    return None


def _to_odd(value: Any) -> float:
    """The float64 next to `value`, rounded to odd if it has more digits than a float64."""
    if hasattr(value, "__index__"):
        value = operator.index(value)
    near = float(value)
    if not math.isfinite(near) or not hasattr(value, "as_integer_ratio"):
        return near
    (top, bottom), (near_top, near_bottom) = value.as_integer_ratio(), near.as_integer_ratio()
    excess = top * near_bottom - near_top * bottom
    if not excess or np.float64(near).view(np.int64) & 1:
        return near
    return math.nextafter(near, math.inf if excess > 0 else -math.inf)
