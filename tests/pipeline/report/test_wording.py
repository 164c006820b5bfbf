import math

import pytest

from report.wording import (
    count,
    moment,
    number,
    percent,
    ratio,
    score,
    short,
    signed,
    step_of,
    value_of,
)
from serve_runtime.features.column import Column

NUMBER = Column("x", low=0.0, high=9.0)
YEAR = Column("year", low=1999.0, high=2024.0)
AMOUNT = Column("amount", low=-12_000.0, high=3.0)
TIME = Column("t", "precise", 0.0, 2e9, time=True)
TOWN = Column("town", "category", levels=("a",), counts=(1,))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"), (-0.0, "0"), (1.0, "1"), (0.5, "0.5"), (0.01234, "0.0123"), (-4.5, "−4.5"),
        (2015, "2,015"), (12345.6, "12,346"), (1e20, "1·10²⁰"), (-3.14159e-9, "−3.14·10⁻⁹"),
        (None, "–"), (math.nan, "–"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_numbers(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "+0.50"), (-1.234, "−1.23"), (0.0, "+0.00"), (0.0012, "+0.001"), (-2e6, "−2,000,000")],
)  # fmt: skip
def test_signed_numbers(value, shown):
    assert signed(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0%"), (1, "100%"), (0.123, "12.3%"), (0.9999, "99.99%"), (0.00012, "0.01%"),
        (1e-6, "0.0001%"), (None, "–"), (0.5, "50.0%"),
    ],
)  # fmt: skip
def test_shares_are_never_all_or_none_unless_they_are(share, shown):
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("logit", "shown"),
    [
        (0.0, "1.00"), (math.log(2), "2"), (0.0296, "1.030"), (-1e-4, "0.99990"),
        (20.0, "more than 1,000,000"), (-20.0, "less than 0.000001"), (-3.0, "0.0498"),
    ],
)  # fmt: skip
def test_ratios_of_odds(logit, shown):
    assert ratio(logit) == shown


def test_counts_are_whole_unless_weights_are_not():
    assert [count(n) for n in (1234567, 12.0, 0.25)] == ["1,234,567", "12", "0.25"]


def test_long_names_keep_both_ends_and_one_line():
    assert short("a" * 50 + "z", 10) == "a" * 6 + "…" + "aaz"
    assert short("日本語の列の名前", 8) == "日本…前"
    assert short("a\nb\u202e", 20) == "a\\nb\\u202e"


def test_values_of_columns():
    assert value_of(NUMBER, 3.25) == "3.25"
    assert value_of(YEAR, 2015) == "2015"
    assert value_of(AMOUNT, 2015) == "2,015"
    assert value_of(NUMBER, math.nan) == value_of(TOWN, None) == "missing"
    assert value_of(TIME, 86400 * 365) == "1971-01-01"
    assert [value_of(TOWN, text) for text in ("a", "", " ")] == ["a", "“”", "“ ”"]


def test_moments_outside_of_the_calendar_are_seconds():
    assert moment(3600.0) == "1970-01-01 01:00"
    assert moment(1e15) == "1·10¹⁵ s"


@pytest.mark.parametrize(
    ("column", "deviation", "expected"),
    [
        (NUMBER, 13.6, (10.0, "10")), (NUMBER, 0.02, (0.01, "0.01")),
        (NUMBER, 1e5, (1e5, "100,000")), (Column("b", low=0, high=1), 0.02, (1.0, "1")),
        (NUMBER, math.inf, (1.0, "1")), (NUMBER, math.nan, (1.0, "1")),
        (TIME, 1e5, (86400.0, "1 day")), (TIME, 4e8, (365.25 * 86400, "1 year")),
    ],
)  # fmt: skip
def test_steps_are_near_the_deviation(column, deviation, expected):
    assert step_of(column, deviation) == expected


def test_scores_have_four_decimals():
    shown = [score(value) for value in (0.3, 0.98765, 1.0, 0.0001234, 123456.0, None)]
    assert shown == ["0.3000", "0.9877", "1.0000", "0.0001234", "123,456", "–"]
