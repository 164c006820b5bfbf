"""Texts of ISO 8601 are the same numbers of seconds as the tables' parser makes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.features.times import iso_seconds

FRACTIONS = st.text("0123456789", min_size=1, max_size=10)
ZONES = st.one_of(
    st.sampled_from(["", "Z", "z", " UTC", "+01", "-0330", "+23:59", "-14:00", "+24:00", "+1:00"]),
    st.builds(
        "{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 24), st.integers(0, 60)
    ),
)
TEXTS = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", "", "", " ", "+"]),
    st.builds("{:04}-{:02}-{:02}".format, st.one_of(st.integers(1, 9999), st.integers(1960, 2030)),
              st.integers(1, 13), st.integers(1, 31)),
    st.sampled_from(["", "T", " ", "t"]),
    st.sampled_from(["", "00", "23", "24", "7"]),
    st.sampled_from(["", ":59", ":60", ":0"]),
    st.sampled_from(["", ":00", ":59", ":60"]),
    st.one_of(st.just(""), FRACTIONS.map(".{}".format)),
    ZONES,
    st.sampled_from(["", "", " "]),
)  # fmt: skip
TIMES = st.builds(
    lambda date, time, zone: f"{date}T{time}{zone}",
    st.dates().map(str), st.times().map(str), ZONES,
)  # fmt: skip


@given(st.one_of(TEXTS, TIMES))
def test_a_text_is_the_number_that_a_file_gives(text):
    pa = pytest.importorskip("pyarrow")
    from serve_runtime.tables.times import is_iso, text_seconds

    try:
        found = iso_seconds(text)
    except ValueError:
        assert not is_iso([text.strip()])
        return
    expected = text_seconds(pa.array([text]), "t", "c").to_numpy()
    assert np.float64(found).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1970-01-01", 0.0),
        ("1970-01-02T01", 90_000.0),
        ("1969-12-31 23:59:59.75", -0.25),
        ("2024-01-31T10:20:30.5+02:00", 1706689230.5),
        (" 2024-01-31T10:20:30Z", 1706696430.0),
    ],
)
def test_dates_and_times(text, number):
    assert iso_seconds(text) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, "is no date or time of ISO 8601") for text in ("", "soon", "2024", "31.01.2024")),
        *((text, "is no date or time of ISO 8601") for text in ("2024-01-31Z", "1e9", "20240131")),
        ("2024-02-30", "day is out of range|day must be in"),
        ("2024-01-31T25:00", "hour must be in"),
        ("1600-01-01T00:00:00.1234567", "is too far off for nanoseconds"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        iso_seconds(text)
