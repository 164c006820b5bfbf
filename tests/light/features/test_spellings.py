import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.features.level_text import level_text
from serve_runtime.features.spellings import (
    NUMBERS,
    TEXTS,
    TRUTHS,
    canonical_text,
    kind_of_text,
    kind_of_texts,
    other_spellings,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, NUMBERS) for text in ("3", "3.0", "0", "0.0", "-0.0", "-7.0", "1.5", "-0.25")),
        *((text, NUMBERS) for text in ("1e-07", "9" * 30)),
        *((text, TEXTS) for text in ("", "3.00", "03", "+3", " 3", "3 ", "3.", ".5", "-0", "1.50")),
        *((text, TEXTS) for text in ("1e3", "1E-07", "1_0", "nan", "inf", "\u0663", "3,0")),
        *((text, TRUTHS) for text in ("True", "true", "TRUE", "False", "false", "FALSE")),
        *((text, TEXTS) for text in ("tRUE", "T", "yes", " True")),
    ],
)  # fmt: skip
def test_what_a_text_spells(text, kind):
    assert kind_of_text(text) == kind


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([], TEXTS),
        (["3", "4.0", "2.5"], NUMBERS),
        (["3", "x"], TEXTS),
        (["3", "True"], TEXTS),
        (["3", "3.10"], TEXTS),
        (["true", "False"], TRUTHS),
    ],
)
def test_texts_are_of_a_kind_if_all_are(texts, kind):
    assert kind_of_texts(texts) == kind


whole = st.integers(-(2**53), 2**53)


@given(st.one_of(whole, whole.map(float), st.floats(allow_nan=False, allow_infinity=False)))
def test_the_canonical_text_of_a_number_is_one(value):
    text = level_text(value)
    assert text is not None
    assert kind_of_text(text) == NUMBERS
    assert canonical_text(text, NUMBERS) == text
    for other in other_spellings(text, NUMBERS):
        assert kind_of_text(other) == NUMBERS
        assert canonical_text(other, NUMBERS) == text
    if abs(value) < 1e16:
        assert canonical_text(repr(value), NUMBERS) == text  # as a CSV holds it


def test_other_spellings_are_those_of_the_kind():
    assert other_spellings("3", NUMBERS) == ("3.0",)
    assert other_spellings("0", NUMBERS) == ("0.0", "-0.0")
    assert other_spellings("2.5", NUMBERS) == ()
    assert other_spellings("True", TRUTHS) == ("true", "TRUE")
    assert other_spellings("3", TEXTS) == ()
    assert canonical_text("TRUE", TRUTHS) == "True"
    assert canonical_text("3.0", TEXTS) == "3.0"
