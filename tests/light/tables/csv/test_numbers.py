import pytest

pa = pytest.importorskip("pyarrow")

from serve_runtime.tables.csv.numbers import is_number, parse_texts  # noqa: E402
from serve_runtime.tables.dialect import Dialect  # noqa: E402

TEXTS = {  # what each is in decimal points, commas, and with points, commas or blanks in groups
    "1.5": (1.5, None, None, 1.5, None),
    "1,5": (None, 1.5, 1.5, None, 1.5),
    " -1,5 ": (None, -1.5, -1.5, None, -1.5),
    "1.234": (1.234, None, 1234, 1.234, None),
    "0.123": (0.123, None, None, 0.123, None),
    "1.234,5": (None, None, 1234.5, None, None),
    "-12.345.678": (None, None, -12345678, None, None),
    "1,234.5": (None, None, None, 1234.5, None),
    "1,234": (None, 1.234, 1.234, 1234, 1.234),
    "1 234,5": (None, None, None, None, 1234.5),
    "12.34": (12.34, None, None, 12.34, None),
    "1e5": (1e5, 1e5, 1e5, 1e5, 1e5),
    "1,5e3": (None, 1500, 1500, None, 1500),
    "x": (None, None, None, None, None),
}
DIALECTS = [
    Dialect(),
    Dialect(decimal=","),
    Dialect(decimal=",", thousands="."),
    Dialect(thousands=","),
    Dialect(decimal=",", thousands=" "),
]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_a_number_or_an_error(text, place):
    expected, dialect = TEXTS[text][place], DIALECTS[place]
    assert is_number(text, dialect) == (expected is not None)
    if expected is None:
        with pytest.raises(pa.ArrowInvalid, match="invalid value"):
            parse_texts(pa.array([text]), pa.float64(), dialect)
    else:
        assert parse_texts(pa.array([text]), pa.float64(), dialect).to_pylist() == [expected]


def test_marks_of_missing_values_are_null():
    dialect = Dialect(decimal=",", missing=("?", " "))
    found = parse_texts(pa.array(["?", " ", "NA", "", "1,5"]), pa.float32(), dialect)
    assert found.to_pylist() == [None, None, None, None, 1.5]
    assert all(is_number(text, dialect) for text in ("?", " ", "NA", ""))
    assert not is_number("?")
