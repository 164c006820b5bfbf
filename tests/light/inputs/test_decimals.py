"""Arrow's decimals become the nearest number, held against exact fractions."""

import random
from fractions import Fraction

import numpy as np
import pytest

from light.helpers import assert_same_bits

pa = pytest.importorskip("pyarrow")

from serve_runtime.inputs.decimals import nearest_floats  # noqa: E402

WIDTHS = {128: (pa.decimal128, 38), 256: (pa.decimal256, 76)}
if hasattr(pa, "decimal32"):  # pyarrow 18
    WIDTHS |= {32: (pa.decimal32, 9), 64: (pa.decimal64, 18)}


def decimals(unscaled, width, scale):
    make, digits = WIDTHS[width]
    size, kind = width // 8, make(digits, scale)
    raw = b"".join((u or 0).to_bytes(size, "little", signed=True) for u in unscaled)
    valid = np.packbits([u is not None for u in unscaled], bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(raw)]
    return pa.Array.from_buffers(kind, len(unscaled), buffers)


def is_nearest(found, value):
    """Whether a float is the one nearest to the fraction `value`, ties to even."""
    kind = type(found)
    if np.isinf(found):
        limit = Fraction(float(np.finfo(kind).max))
        half = (limit - Fraction(float(np.nextafter(np.finfo(kind).max, kind(0))))) / 2
        return abs(value) >= limit + half and (found > 0) == (value > 0)
    mine = abs(Fraction(float(found)) - value)
    for side in (np.inf, -np.inf):
        with np.errstate(over="ignore", under="ignore"):
            other = np.nextafter(found, kind(side))
        if np.isinf(other):
            continue
        theirs = abs(Fraction(float(other)) - value)
        odd = bool(found.view(np.int32 if kind is np.float32 else np.int64) & 1)
        if theirs < mine or (theirs == mine and odd):
            return False
    return True


def near_ties(digits, scale, draw):
    """Unscaled integers at, just below and just above the middle of two float32 or float64."""
    for bits in (24, 53):
        for _ in range(60):
            half = Fraction(2 * draw.getrandbits(bits) + 1) * Fraction(2) ** draw.randint(-60, 80)
            middle = half * 10**scale if scale >= 0 else half / 10**-scale
            for step in (-1, 0, 1, 2):
                if abs(found := int(middle) + step) < 10**digits:
                    yield draw.choice((1, -1)) * found


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [-30, -3, 0, 1, 2, 9, 18, 22, 23, 38, 60])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_decimal_becomes_the_nearest(width, scale, kind):
    digits = WIDTHS[width][1]
    scale = min(scale, digits)
    draw = random.Random(f"{width}, {scale}")
    unscaled = [0, 1, -1, 10**digits - 1, 1 - 10**digits, *near_ties(digits, scale, draw)]
    unscaled += [draw.randint(-(10**d), 10**d) for d in range(1, digits) for _ in range(20)]
    unscaled += [u for u in (2**24 + 1, 2**53, 2**53 + 1, 2**63, 2**64) if u < 10**digits]
    found = nearest_floats(decimals(unscaled, width, scale), kind)
    assert found.dtype == kind
    wrong = [
        (u, value)
        for u, value in zip(unscaled, found, strict=True)
        if not is_nearest(value, Fraction(u) / Fraction(10) ** scale)
    ]
    assert wrong == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_slice_of_decimals_keeps_its_gaps(width):
    column = decimals([1, None, 25, None, 50, 75], width, 2)
    for part in (column, column.slice(1), column.slice(2, 3), column.slice(3, 1)):
        wanted = [np.nan if value is None else float(value) for value in part.to_pylist()]
        np.testing.assert_array_equal(nearest_floats(part, np.float64), wanted)
    assert len(nearest_floats(column.slice(6), np.float32)) == 0
    assert_same_bits(nearest_floats(column.slice(4), np.float32), np.float32([0.5, 0.75]))


@pytest.mark.parametrize("scale", [300, 400, -250, -400])
def test_decimals_of_any_scale_are_rounded(scale):
    column = decimals([0, 7, -(10**37)], 128, scale)
    found = nearest_floats(column, np.float64)
    wanted = [Fraction(u) / Fraction(10) ** scale for u in (0, 7, -(10**37))]
    assert all(map(is_nearest, found, wanted)), found


def test_a_middle_is_no_reason_to_look_at_each_row(monkeypatch):
    """Whole numbers above 2^24 lie between two float32 numbers, and are exact in float64."""
    monkeypatch.setattr("serve_runtime.inputs.decimals._rounded", None)
    column = decimals([(2**24 + 2 * i + 1) * 100 for i in range(50)], 128, 2)
    wanted = np.array([2**24 + 2 * i + 1 for i in range(50)]).astype(np.float32)
    assert_same_bits(nearest_floats(column, np.float32), wanted)


def test_wide_decimals_are_not_looked_at_one_by_one(monkeypatch):
    """Spark's decimal(38, 18): the integers of common numbers leave float64."""
    monkeypatch.setattr("serve_runtime.inputs.decimals._rounded", None)
    cents = np.random.default_rng(0).integers(-(10**9), 10**9, 40_000)
    column = decimals([int(cent) * 10**16 for cent in cents], 128, 18)
    np.testing.assert_array_equal(nearest_floats(column, np.float64), cents / 100)
