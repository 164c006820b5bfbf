"""Decimals and integers of any size are rounded to float32 once."""

from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light.helpers import NAMES, assert_same_bits
from serve_runtime.inputs.rounding import round_once

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

EXACT = Context(prec=70)


def nearest(value):
    """The float32 nearest to an exact number; of two, the one with an even last bit."""
    exact = Fraction(value)
    guess = np.float32(float(exact))
    around = [np.nextafter(guess, np.float32(s * np.inf)) for s in (-1, 1)]
    found = [v for v in (guess, *around) if np.isfinite(v)]
    return min(found, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(np.uint32)) & 1))


def between(low):
    """The number just between the float32 `low` and the next one, as a fraction."""
    low = np.float32(low)
    return (Fraction(float(low)) + Fraction(float(np.nextafter(low, np.float32(np.inf))))) / 2


def decimal(fraction):
    """A fraction whose denominator is a power of 2, as a Decimal of all its digits."""
    digits = fraction.denominator.bit_length() - 1
    return Decimal(fraction.numerator * 5**digits).scaleb(-digits)


TIES = [1.0, 1 / 3, 123.456, 16777216.0, 2.0**60, 2.0**-20]


def near_ties():
    """Decimals just between two float32, and by less than a float64 shows above and below them."""
    found = []
    for low in TIES:
        middle = decimal(between(low))
        found += [middle, middle.next_plus(EXACT), middle.next_minus(EXACT)]
        found += [-value for value in found[-3:]]
    return found


@pytest.mark.parametrize(
    "exact",
    [
        near_ties(),
        [2**60 + 2**36 + 1, 2**60 + 2**36, 2**60 + 2**36 - 1, 2**90 + 2**66 + 1, 2**24 + 1],
        [Fraction(1, 3), Fraction(2**25 + 1, 2**24), Fraction((2**25 + 1) * 3**40 + 1, 3**40)],
        [Decimal(3).scaleb(-46), decimal(between(3e-45)).next_plus(EXACT), Decimal("1e-50")],
    ],
    ids=["ties", "integers", "fractions", "tiny"],
)
def test_objects_are_rounded_once(predictor, exact):
    floats = np.array(exact, np.float64)
    round_once(floats, exact)
    assert_same_bits(floats.astype(np.float32), np.array([nearest(v) for v in exact]))
    column = {"x1": exact, "x2": [0] * len(exact)}
    rounded = {"x1": [nearest(v) for v in exact], "x2": [0] * len(exact)}
    assert_same_bits(predictor.decision_function(column), predictor.decision_function(rounded))
    rows = np.array([[value, Decimal(0)] for value in exact], object)
    rounded = np.array([[nearest(v), 0] for v in exact], np.float32)
    for x in (rows, np.asfortranarray(rows)):
        assert_same_bits(predictor.decision_function(x), predictor.decision_function(rounded))


HOLDERS = {
    "Arrow table": lambda array: pa.table({"x1": array, "x2": array}),
    "Arrow batch": lambda array: pa.RecordBatch.from_arrays([array, array], list(NAMES)),
    "chunks": lambda array: pa.table({n: pa.chunked_array([array, array[:0]]) for n in NAMES}),
    "dict": lambda array: {"x1": array, "x2": array},
    "polars": lambda array: pl.from_arrow(pa.table({"x1": array, "x2": array})),
    "pandas": lambda array: pa.table({"x1": array, "x2": array}).to_pandas(
        types_mapper=pd.ArrowDtype
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
@given(
    digits=st.lists(st.integers(-(10**37), 10**37), min_size=1, max_size=40),
    scale=st.integers(0, 38),
)
def test_arrow_decimals_are_the_nearest_float32(predictor, holder, digits, scale):
    values = [Decimal(number).scaleb(-scale, EXACT) for number in digits]
    array = pa.array(values, pa.decimal128(38, scale))
    expected = np.array([nearest(value) for value in values])
    found = predictor.decision_function(HOLDERS[holder](array))
    assert_same_bits(found, predictor.decision_function({"x1": expected, "x2": expected}))


@pytest.mark.parametrize("kind", [pa.decimal128(38, 30), pa.decimal256(76, 66)])
def test_arrow_decimals_between_two_float32(predictor, kind):
    middles = [decimal(between(low)) for low in (1.0, 1 / 3, 123.456)]
    step = Decimal(1).scaleb(-kind.scale)
    values = [EXACT.add(m, s * step) for m in middles for s in (-1, 0, 1)]
    values = [v for v in values if -v.as_tuple().exponent <= kind.scale]
    assert len(values) >= 6
    array, expected = pa.array(values, kind), np.array([nearest(value) for value in values])
    found = predictor.decision_function({"x1": array, "x2": array})
    assert_same_bits(found, predictor.decision_function({"x1": expected, "x2": expected}))


def test_large_whole_decimals_are_the_nearest_float32(predictor):
    """Dates as YYYYMMDD lie just between two float32 as often as not."""
    numbers = [*range(20_250_101, 20_250_131), 2**53 + 1, 10**20 + 1, (2**25 + 1) << 60]
    array = pa.array(list(map(Decimal, numbers)), pa.decimal128(38, 0))
    expected = np.array([nearest(number) for number in numbers])
    found = predictor.decision_function({"x1": array, "x2": array})
    assert_same_bits(found, predictor.decision_function({"x1": expected, "x2": expected}))


def test_a_missing_decimal_is_named(predictor):
    array = pa.array([Decimal("1.5"), None], pa.decimal128(5, 2))
    for holder in HOLDERS.values():
        with pytest.raises(ValueError, match="row 1, feature 'x1' is missing"):
            predictor.probability(holder(array))
