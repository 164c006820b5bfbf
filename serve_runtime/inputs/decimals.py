"""Arrow's decimals as the nearest float32 or float64, which Arrow's own casts miss by a few ULP.

Read from the array's buffers with numpy alone, so that nothing is imported for it: neither pyarrow
nor Python's decimal. A value is unscaled / 10^scale, where `unscaled` is an integer of 32 to 256
bits.
"""

from math import inf
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.inputs.rounding import DROPPED, HALF, round_to_odd

_Integers = np.ndarray[Any, np.dtype[np.int64]]
_Mask = np.ndarray[Any, np.dtype[np.bool_]]

_BLOCK: Final = 1 << 14
"""Rows that are converted at a time, so that what is computed along the way stays in cache."""

_EXACT_INTEGER: Final = 1 << 53
_EXACT_POWER: Final = 22
"""Integers up to 2^53 and powers of ten up to 10^22 are float64 themselves, so that one division
of one by the other gives the nearest float64."""

_LOWER: Final = (1 << 32) - 1
_SPLIT: Final = 2.0**27 + 1
"""Times this, a float64 is split into two of 26 bits, whose products are exact."""

_PAIR_ERROR: Final = 2.0**-98
"""More than the relative error of a quotient of pairs of float64."""

_GREATEST_SCALE: Final = 200
"""Beyond this the power of ten may leave float64."""

_WIDE_ERROR: Final = 16
"""More ULP of float64 than a wide integer divided in float64 can be off: rounding each word, their
sum, the power of ten and the quotient takes less than 8."""


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


def decimals(column: Any) -> Float32:
    """An Arrow array of decimals, in one piece or several, as the nearest float32 (n,); null is
    NaN."""
    pieces = column.chunks if hasattr(column, "chunks") else [column]
    none = np.empty(0, np.float32)
    return np.concatenate([none, *(nearest_floats(piece, np.float32) for piece in pieces)])


def nearest_floats(column: Any, dtype: type[np.floating]) -> Array:
    """The values (n,) of an Arrow array of decimals as `dtype`, float32 or float64, each the
    nearest to the decimal; NaN where a value is missing, infinite beyond the largest number.

    `column` is a pyarrow Array (not chunked) of type decimal32, 64, 128 or 256.
    """
    rows, scale = len(column), column.type.scale
    validity, values = column.buffers()
    if not rows:
        return np.empty(0, dtype)
    if rows > _BLOCK:
        parts = (column.slice(start, _BLOCK) for start in range(0, rows, _BLOCK))
        return np.concatenate([nearest_floats(part, dtype) for part in parts])
    words = _words(values, column.type.bit_width // 8, column.offset, rows)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        double = _quotients(words, scale)
        found = double.astype(dtype, copy=False)
    exact = _exact(words, scale)
    if found.dtype == np.float64:
        doubtful = ~exact
        if 0 <= scale <= _EXACT_POWER and doubtful.any():
            found[doubtful], sure = _by_pairs(words[doubtful], 10.0**scale)
            doubtful[doubtful] = ~sure
    else:
        doubtful = _doubtful(double, words[:, 0], exact, scale)
    if doubtful.any():
        found[doubtful] = _rounded(words[doubtful], scale, found.dtype)
    if column.null_count:
        bits = np.frombuffer(validity, np.uint8)
        valid = np.unpackbits(bits, count=column.offset + rows, bitorder="little")
        found[valid[column.offset :] == 0] = np.nan
    return found


def _words(values: Any, width: int, offset: int, rows: int) -> _Integers:
    """The unscaled integers (rows, k) as words of 64 bits, the lowest first, the last signed."""
    size = min(width, 8)
    count = width // size
    raw = np.frombuffer(values, np.dtype(f"i{size}"), rows * count, offset * width)
    return raw.astype(np.int64, copy=False).reshape(rows, count)


def _quotients(words: _Integers, scale: int) -> Float64:
    """unscaled / 10^scale in float64: the nearest where both are exact, else within _WIDE_ERROR."""
    total = words[:, -1].astype(np.float64)
    for word in words[:, -2::-1].T:
        # Taken as signed, a word whose highest bit is set is 2^64 too small: the next adds one.
        # Unsigned words would cancel where the integer is negative, with the loss of all digits.
        total += word < 0
        total = total * 2.0**64 + word
    if not abs(scale) <= _GREATEST_SCALE:
        return np.full(len(words), np.nan)
    return total / 10.0**scale if scale >= 0 else total * 10.0**-scale


def _exact(words: _Integers, scale: int) -> _Mask:
    """Where both the integer and the power of ten are float64 themselves, (rows,)."""
    low = words[:, 0]
    exact = (low <= _EXACT_INTEGER) & (low >= -_EXACT_INTEGER)
    for word in words[:, 1:].T:
        exact &= word == low >> 63  # no more than the sign of a narrower integer
    exact &= abs(scale) <= _EXACT_POWER
    return exact


def _by_pairs(words: _Integers, power: float) -> tuple[Float64, _Mask]:
    """unscaled / `power`, an exact power of ten, rounded to float64, and where that is sure to be
    the nearest: not where the quotient is almost the middle of two.

    Computed with pairs of float64, of which the second holds what the first one rounds away: some
    2⁻¹⁰⁴ are lost (T. J. Dekker, "A floating-point technique for extending the available
    precision", 1971). Some nine times as fast as whole numbers of Python.
    """
    high = low = np.zeros(len(words))
    for position in range(words.shape[1] - 1, -1, -1):
        word = words[:, position]
        upper = word >> 32 if position == words.shape[1] - 1 else word >> 32 & _LOWER
        for half in (upper, word & _LOWER):
            high, error = _sum(high * 2.0**32, half.astype(np.float64))
            high, low = _sum(high, error + low * 2.0**32)
    first = high / power
    product, error = _product(first, power)
    second = (high - product - error + low) / power
    nearest, rest = _sum(first, second)
    middle = np.spacing(np.abs(nearest)) / 2
    sure = np.abs(np.abs(rest) - middle) > _PAIR_ERROR * np.abs(nearest)
    sure &= (rest == 0) | (np.frexp(nearest)[0] != np.copysign(0.5, nearest))
    return nearest, sure | (high == 0)


def _sum(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """a + b rounded, and what was rounded away (Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _product(a: Float64, b: float) -> tuple[Float64, Float64]:
    """a · b rounded, and what was rounded away (Dekker)."""
    total = a * b
    a_high, b_high = (_SPLIT * x - (_SPLIT * x - x) for x in (a, np.float64(b)))
    a_low, b_low = a - a_high, b - b_high
    return total, a_low * b_low - (((total - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _doubtful(
    double: Float64,
    low: _Integers,
    exact: _Mask,
    scale: int,
) -> _Mask:
    """Where rounding `double` to float32 may not give the float32 nearest to the decimal.

    The nearest float64 rounds to the nearest float32, unless it lies just between two of them and
    is not the decimal itself. It is the decimal itself where 5^scale divides the integer.
    """
    dropped = double.view(np.int64) & DROPPED
    doubtful: _Mask = exact & (dropped == HALF)
    if 0 <= scale <= _EXACT_POWER and doubtful.any():
        doubtful &= low % 5**scale != 0
    if not exact.all():
        near = np.abs(dropped - HALF) <= _WIDE_ERROR
        near |= ~(np.abs(double) >= np.finfo(np.float32).tiny)  # float32 drops more bits; or NaN
        doubtful |= ~exact & near
    return doubtful


def _rounded(words: _Integers, scale: int, dtype: np.dtype[Any]) -> list[float]:
    """The numbers of `dtype` nearest to some decimals, in whole numbers."""
    width, raw = 8 * words.shape[1], words.tobytes()
    parts = [raw[start : start + width] for start in range(0, len(raw), width)]
    unscaled = [int.from_bytes(part, "little", signed=True) for part in parts]
    more, power = 10 ** max(0, -scale), 10 ** max(0, scale)
    try:  # Python rounds a quotient of integers once
        found = [number * more / power for number in unscaled]
    except OverflowError:
        found = [_quotient(number * more, power) for number in unscaled]
    if dtype == np.float64:
        return found
    return [
        round_to_odd(double, number * more, power)
        for double, number in zip(found, unscaled, strict=True)
    ]


def _quotient(over: int, under: int) -> float:
    try:
        return over / under
    except OverflowError:
        return inf if over > 0 else -inf
