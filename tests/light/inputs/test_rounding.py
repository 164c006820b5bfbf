"""Decimals and integers of any size are rounded to float32 once."""

from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light.helpers import NAMES, assert_same_bits
from light.mixed import model_of, predictor_of
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.column import Column
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.precise import precise_numbers
from serve_runtime.inputs.rounding import round_once

pa = pytest.importorskip("pyarrow")
pc = pytest.importorskip("pyarrow.compute")
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
    round_once(floats, exact.__getitem__)
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


def masked(values, dtype):
    filled = np.array([0 if value is None else value for value in values], dtype)
    return np.ma.array(filled, mask=[value is None for value in values])


def capital(dtype):
    """What pandas calls the type in which values may be missing."""
    return dtype.replace("u", "U").replace("i", "I", 1)


def pandas_category(values, dtype):
    return pd.Series(pd.Categorical(pd.array(values, capital(dtype))))


WITH_GAPS = {
    "list": lambda values, dtype: values,
    "tuple of numpy's": lambda values, dtype: tuple(
        None if value is None else np.dtype(dtype).type(value) for value in values
    ),
    "list of a class of its own": lambda values, dtype: type("Own", (list,), {})(values),
    "NaN in a list": lambda values, dtype: [np.nan if v is None else v for v in values],
    "masked in a list": lambda values, dtype: [np.ma.masked if v is None else v for v in values],
    "masked array": masked,
    "Arrow": pa.array,
    "Arrow chunks": lambda values, dtype: pa.chunked_array([values[:2], values[2:]], dtype),
    "Arrow slice": lambda values, dtype: pa.array([1, None, *values], dtype).slice(2),
    "Arrow dictionary": lambda values, dtype: pa.array(values, dtype).dictionary_encode(),
    "Arrow runs": lambda values, dtype: pc.run_end_encode(pa.array(values, dtype)),
    "polars": lambda values, dtype: pl.from_arrow(pa.array(values, dtype)),
    "pandas": lambda values, dtype: pd.Series(values, dtype=capital(dtype)),
    "pandas, other index": lambda values, dtype: pd.Series(
        values, range(9, 9 + len(values)), capital(dtype)
    ),
    "pandas array": lambda values, dtype: pd.array(values, capital(dtype)),
    "pandas Arrow": lambda values, dtype: pd.Series(values, dtype=f"{dtype}[pyarrow]"),
    "pandas category": pandas_category,
}
LARGE = [2**53 + 1, 2**60 + 2**36 + 1, 2**60 + 2**36, 3, 2**63 - 1, 2**62 + 2**38 - 1, 2**24 + 1]


def gap_predictor():
    """A model whose logit is the sum of two numbers, in which a missing one counts as 0."""
    columns = tuple(Column(name, low=0.0, high=1.0, missing="median", gaps=1) for name in NAMES)
    none = np.zeros(2, np.float32)
    encoding = Encoding(columns, none, none, np.empty(0), ())
    return predictor_of(model_of(columns, Affine(np.ones(2, np.float32), 0.0), encoding))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("kind", WITH_GAPS)
def test_integers_beside_gaps_are_rounded_once(kind, dtype):
    """float64 holds them up to 2^53 only."""
    large = [2**64 - 1, 2**63 + 2**39 + 1] if dtype == "uint64" else [-value for value in LARGE]
    values = [None, *LARGE, *large, None, 0, 5]
    column = WITH_GAPS[kind](values, dtype)
    expected = np.array([0 if value is None else nearest(value) for value in values], np.float32)
    predictor = gap_predictor()
    found = predictor.decision_function({"x1": column, "x2": [0] * len(values)})
    assert_same_bits(found, expected)
    for value, logit in zip(values, expected, strict=True):
        assert predictor.decision_function({"x1": value, "x2": 0})[0] == logit
    exact = np.array([np.nan if value is None else float(value) for value in values])
    np.testing.assert_array_equal(precise_numbers(column, "x1"), exact)


def test_integers_beside_fractions_are_rounded_once():
    values = [0.5, *LARGE, -(2**63), 2**63 + 2**39 + 1, 1e30]
    expected = np.array([nearest(value) for value in values])
    found = gap_predictor().decision_function({"x1": values, "x2": [0] * len(values)})
    assert_same_bits(found, expected)


def test_masked_rows_of_integers_are_rounded_once():
    values = np.array([LARGE, LARGE]).T
    rows = np.ma.array(values, mask=np.zeros(values.shape, bool))
    rows.mask[0, 0] = rows.mask[1, 1] = True
    expected = np.array([[nearest(value)] * 2 for value in LARGE], np.float32)
    expected[0, 0] = expected[1, 1] = 0
    found = gap_predictor().decision_function(rows)
    assert_same_bits(found, gap_predictor().decision_function(expected))
