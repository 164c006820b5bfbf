import datetime
import decimal
import fractions

import numpy as np
import pytest

from serve_runtime.features.level_text import level_text


@pytest.mark.parametrize(
    "value", [3, 3.0, np.int64(3), np.uint8(3), np.float32(3), decimal.Decimal("3.00"), "3"]
)
def test_a_whole_number_is_one_level_in_any_type(value):
    assert level_text(value) == "3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" red ", " red "),
        (np.str_("red"), "red"),
        (True, "True"),
        (np.bool_(False), "False"),
        (1.5, "1.5"),
        (np.float32(1.1), "1.1"),
        (np.float64(1.1), "1.1"),
        (decimal.Decimal("1.10"), "1.1"),
        (-0.0, "0"),
        (1e22, "10000000000000000000000"),
        (float("inf"), "inf"),
    ],
)
def test_the_canonical_text(value, text):
    found = level_text(value)
    assert found == text
    assert type(found) is str


@pytest.mark.parametrize(
    "value", [None, float("nan"), np.float32("nan"), decimal.Decimal("nan"), np.ma.masked]
)
def test_a_missing_value_has_no_text(value):
    assert level_text(value) is None


@pytest.mark.parametrize("value", [b"red", datetime.date(2026, 1, 1), fractions.Fraction(1, 3), []])
def test_what_has_no_one_text_is_no_level(value):
    with pytest.raises(TypeError, match="is no level"):
        level_text(value)


def test_a_decimal_keeps_its_digits_in_every_context():
    long = "1.2345678901234567890123456789012345"
    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.Inexact])):
        assert level_text(decimal.Decimal(f"{long}0")) == long
        assert level_text(decimal.Decimal("123456.0")) == "123456"


def test_a_huge_decimal_is_not_written_out():
    assert level_text(decimal.Decimal("1E+999999999")) == "1E+999999999"
