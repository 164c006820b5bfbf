from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.errors import CardError
from serve_runtime.features.column import (
    CATEGORY,
    MADE_OF_MISSING,
    PRECISE,
    Column,
    categories_of,
    is_numeric,
    number_columns,
    numbers_of,
)

COLOUR = Column(
    "colour", CATEGORY, missing="level", gaps=2, missing_texts=("", "?"), levels=("blue", "red"),
    counts=(3, 4), rare=("mauve", "teal"), rare_count=2,
)  # fmt: skip
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_codes_are_unknown_levels_missing_and_rare():
    known = {"blue": 1, "red": 2, "": 3, "?": 3, "mauve": 4, "teal": 4}
    assert COLOUR.code_by_text() == known | dict.fromkeys(MADE_OF_MISSING, 3)
    assert (COLOUR.missing_code, COLOUR.rare_code, COLOUR.codes) == (3, 4, 5)


@given(st.lists(texts, unique=True, max_size=5), st.integers(0, 5))
def test_a_category_survives_its_document(every, cut):
    levels, rare = tuple(sorted(every[:cut])), tuple(sorted(every[cut:]))
    column = Column("c", CATEGORY, levels=levels, counts=(1,) * len(levels), rare=rare)
    document = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in column.to_document().items()
    }
    assert Column.from_document(document) == column


def test_numbers_and_truths_are_known_in_each_spelling():
    sizes = Column(
        "c", CATEGORY, levels=("2.5", "3"), counts=(1, 1), rare=("7",), rare_count=1,
        missing_texts=("99", "?"), levels_are="numbers",
    )  # fmt: skip
    known = {"2.5": 1, "3": 2, "3.0": 2, "7": 4, "7.0": 4, "99": 3, "99.0": 3, "?": 3}
    assert sizes.code_by_text() == known | dict.fromkeys(MADE_OF_MISSING, 3)
    texts = replace(sizes, levels_are="texts").code_by_text()
    assert not {"3.0", "7.0", "99.0"} & texts.keys()
    flags = Column("c", CATEGORY, levels=("True",), counts=(1,), levels_are="truths")
    found = flags.code_by_text()
    assert [found.get(text) for text in ("True", "true", "TRUE", "tRUE")] == [1, 1, 1, None]
    for column in (sizes, flags):
        document = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in column.to_document().items()
        }
        assert document["levels_are"] == column.levels_are
        assert Column.from_document(document) == column


def test_a_plain_number_states_its_name_and_range_alone():
    (column,) = number_columns(["age"], [1.0], [2.0])
    assert column.to_document() == {"name": "age", "low": 1.0, "high": 2.0}
    assert is_numeric([column])
    assert not is_numeric([replace(column, missing="median")])
    assert not is_numeric([replace(column, kind=PRECISE)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "the name is not a text"),
        ({"kind": "text"}, "kind is 'text'"),
        ({"levels": ("red", "blue")}, "the levels are not sorted"),
        ({"levels": ("blue", "blue")}, "a level is there twice"),
        ({"levels": ("?", "blue")}, "a level is there twice"),
        ({"levels": ("a\0", "b")}, "a level is no text of Unicode without NUL"),
        ({"levels": ("a", "b\ud800")}, "a level is no text of Unicode without NUL"),
        ({"counts": (1,)}, "levels and counts differ in number"),
        ({"counts": (1, -1)}, "-1 is no count of rows"),
        ({"counts": (1, True)}, "True is no count of rows"),
        ({"unknown": "zero"}, "unknown is 'zero', known are 'average', 'rare', 'error'"),
        ({"missing": "median"}, "missing is 'median', known are 'error', 'level', 'unknown'"),
        ({"low": 1.0}, "a category has no range"),
        ({"levels_are": "words"}, "levels_are is 'words'"),
        ({"levels_are": "numbers"}, "'blue' is none of its numbers"),
        ({"levels": ("3.0", "4"), "rare": (), "levels_are": "numbers"}, "'3.0' is none of its"),
        ({"levels": ("true",), "counts": (1,), "rare": (), "levels_are": "truths"}, "'true' is"),
        ({"levels": ("3", "True"), "rare": (), "levels_are": "truths"}, "'3' is none of its"),
    ],
)
def test_an_invalid_category_cannot_be_made(change, message):
    with pytest.raises(CardError, match=f"column .*: {message}"):
        replace(COLOUR, **change)


@pytest.mark.parametrize("ends", [(None, 1.0), (0.0, float("inf")), ("0", 1), (0, 10**400)])
def test_a_number_has_a_finite_range(ends):
    with pytest.raises(CardError, match="its range is not two finite numbers"):
        number_columns(["x"], [ends[0]], [ends[1]])


def test_numbers_are_taken_before_precise_ones():
    b, c, d, e = number_columns("bcde", [0] * 4, [1] * 4)
    columns = [COLOUR, replace(b, kind=PRECISE), c, replace(d, kind=PRECISE), e]
    assert [column.name for column in numbers_of(columns)] == ["c", "e", "b", "d"]
    assert categories_of(columns) == (COLOUR,)
