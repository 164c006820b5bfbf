"""Precise numbers as float64: the nearest to what the caller has, whatever it is."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from serve_runtime import InputError
from serve_runtime.features.precise import precise_numbers

UTC = datetime.UTC
NOON = datetime.datetime(2026, 1, 31, 12, 0, 0, 250_001)
SECONDS = 1769860800.250001


def numbers(values, time=True):
    return precise_numbers(values, "feature 't'", time=time)


@pytest.mark.parametrize(
    "values",
    [
        [1769860800250001, None],
        [Decimal(1769860800250001), float("nan")],
        np.array([1769860800250001, np.nan]),
        np.ma.array([1769860800250001, 0], mask=[0, 1]),
        pd.Series([1769860800250001, None], dtype="Int64"),
        pd.Series([1769860800250001, None], dtype="int64[pyarrow]"),
        pl.Series([1769860800250001, None]),
        pa.array([1769860800250001, None]),
        pa.chunked_array([[Decimal(1769860800250001)], [None]]),
    ],
)
def test_whole_numbers_of_any_type_are_exact(values):
    np.testing.assert_array_equal(numbers(values), [1769860800250001.0, np.nan])


def test_each_is_the_nearest_float64():
    third, odd = Fraction(1, 3), 2**53 + 1
    assert numbers([third, odd, Decimal("0.1")]).tolist() == [1 / 3, float(odd), 0.1]
    assert numbers(pa.array([Decimal("0.1")])).tolist() == [0.1]
    assert numbers(np.array([2**53 + 1, 2**63], np.uint64)).tolist() == [2.0**53, 2.0**63]


@pytest.mark.parametrize(
    "values",
    [
        [NOON],
        [NOON.replace(tzinfo=UTC)],
        [NOON.replace(tzinfo=UTC).astimezone(datetime.timezone(datetime.timedelta(hours=5)))],
        [pd.Timestamp(NOON)],
        [np.datetime64(NOON)],
        [np.datetime64(NOON).astype("M8[ns]")],
        np.array([NOON], "M8[us]"),
        np.array([NOON], "M8[ns]"),
        pd.Series([NOON]),
        pd.Series([pd.Timestamp(NOON, tz="UTC").tz_convert("Asia/Tokyo")]),
        pl.Series([NOON]),
        pa.array([NOON]),
        pa.array([NOON], pa.timestamp("ns", "UTC")),
        [SECONDS],
        [Decimal("1769860800.250001")],
    ],
)
def test_a_moment_is_its_seconds_in_every_unit(values):
    assert numbers(values).tolist() == [SECONDS]


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2026, 1, 31), None],
        [datetime.date(2026, 1, 31), pd.NaT],
        np.array(["2026-01-31", "NaT"], "M8[D]"),
        pa.array([datetime.date(2026, 1, 31), None]),
        pl.Series([datetime.date(2026, 1, 31), None]),
    ],
)
def test_a_date_is_its_midnight(values):
    np.testing.assert_array_equal(numbers(values), [1769817600.0, np.nan])


def test_moments_before_1970_are_negative():
    before = datetime.datetime(1969, 12, 31, 23, 59, 59, 750_000)
    assert numbers([before]).tolist() == numbers(np.array([before], "M8[ns]")).tolist() == [-0.25]


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.7e9], np.float32),
        np.array([0.5, 2.0], np.float32),
        np.array([0.1], np.float16),
        [1.0, np.float32(1.7e9)],
        pa.array([0.5], pa.float32()),
        pd.Series([0.5], dtype="Float32"),
        np.ma.array([0.5, 1.0], np.float32, mask=[0, 1]),
    ],
)
def test_float32_is_refused_where_it_may_have_rounded(values):
    with pytest.raises(InputError, match=r"feature 't' needs float64, since .* got float32"):
        numbers(values)


def test_float32_is_taken_where_it_cannot_have_rounded():
    values = np.array([2.0**24, -3, np.nan], np.float32)
    np.testing.assert_array_equal(numbers(values), [2.0**24, -3, np.nan])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["31.1.2026"], "ISO 8601 .*; got the text '31.1.2026' in row 0"),
        (["2026-01-31", "12"], "ISO 8601 .*; got the text '12' in row 1"),
        ([1.0, b"2"], "must be numeric; got the text b'2' in row 1"),
        (np.array([5], "m8[s]"), "must be numeric; got dtype timedelta64"),
        ([datetime.time(1)], "must be numeric; got a time in row 0"),
    ],
)
def test_texts_and_spans_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        numbers(values)


@pytest.mark.parametrize(
    "values", [[NOON], [None, pd.Timestamp(NOON)], np.array([NOON], "M8[s]"), pa.array([NOON])]
)
def test_times_are_refused_where_training_saw_numbers(values):
    with pytest.raises(InputError, match="feature 't' must be numeric; got dates or times: train"):
        numbers(values, time=False)


def test_texts_are_refused_where_training_saw_numbers():
    with pytest.raises(InputError, match="must be numeric; got the text '2026-01-31' in row 0"):
        numbers(["2026-01-31"], time=False)
    found = numbers(["2026-01-31", None, NOON, 5])
    assert np.array_equal(found, numbers([datetime.date(2026, 1, 31), None, NOON, 5]), True)
