import pytest

from report.columns import decisions, kind_of, spark, values_of
from serve_runtime.features.column import CATEGORY, PRECISE, Column

TOWN = Column("town", CATEGORY, levels=("a", "b"), counts=(5, 2), rare=("x",), rare_count=1,
              missing="level", gaps=2)  # fmt: skip
TIME = Column("t", PRECISE, low=0.0, high=86400.0 * 365, time=True)
AGE = Column("age", low=1.0, high=2.5, missing="median", knots=(1.0, 1.5, 2.0, 2.5))


@pytest.mark.parametrize(
    ("column", "kind", "values", "decided"),
    [
        (TOWN, "category", "2 levels",
         ["rare levels merged: 1", "gaps a level of their own"]),
        (TIME, "time", "1970-01-01 to 1971-01-01", ["seconds since 1970"]),
        (AGE, "number", "1 to 2.5", ["bent, 2 knots", "gaps count as the median"]),
    ],
    ids=["category", "time", "number"],
)  # fmt: skip
def test_what_a_column_is(column, kind, values, decided):
    assert kind_of(column) == kind
    assert values_of(column) == values
    assert list(decisions(column)) == decided


def test_small_pictures_are_told():
    number = spark(AGE, {"edges": [1.0, 1.5, 2.0], "counts": [3, 9]})
    assert 'aria-label="histogram, highest near 1.75"' in number
    levels = spark(TOWN, {"levels": [["<a>", 5], ["b", 2]], "others": 1})
    assert "the most frequent &lt;a&gt; with 5" in levels
    assert levels.count("M") == 3


@pytest.mark.parametrize("profile", [None, {"edges": [], "counts": []}])
def test_nothing_known_is_no_picture(profile):
    assert spark(AGE, profile) == ""
