import pytest
from jinja2 import UndefinedError

from report.page import name, render


def test_values_that_lack_are_errors():
    with pytest.raises(UndefinedError, match="'bias' is undefined"):
        render("rows.html.j2")


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
