import pytest
from jinja2 import UndefinedError

from report.page import name, number, percent, render


def test_values_that_lack_are_errors():
    with pytest.raises(UndefinedError, match="'rows' is undefined"):
        render("data.html.j2")


class TestName:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("age", "age"),
            ("\u202eevil\x00", "\\u202eevil\\x00"),
            ("two\nlines", "two\\nlines"),
            ("", "(blank: 0 characters)"),
            ("  ", "(blank: 2 characters)"),
            (5, "5"),
        ],
    )
    def test_what_is_not_seen_is_told(self, text, shown):
        assert name(text) == shown

    def test_long_ones_are_shortened(self):
        assert len(name("x" * 10_000)) < 100


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234567.0, "1,234,567"), (0.00012345, "0.0001234"), (1e20, "1e20"), (None, "–")],
)
def test_number(value, shown):
    assert number(value) == shown


def test_percent():
    assert (percent(0.1234), percent(None)) == ("12.3%", "–")
