"""How numbers, and true and false, are spelled as the texts of a category.

A table that is written as CSV loses its types, and a column of whole numbers that has gaps becomes
one of floats in some libraries: 3 is written as "3" or "3.0", True as "True", "true" or "TRUE".
Standard library only, since the model card needs it.
"""

import math
import re
from collections.abc import Iterable
from typing import Final

TEXTS: Final = "texts"
NUMBERS: Final = "numbers"
TRUTHS: Final = "truths"
_WHOLE: Final = re.compile(r"-?[1-9][0-9]*|0")
_MINUS_ZERO: Final = "-0.0"
_TRUTHS: Final = {form(text): text for text in ("True", "False")
                  for form in (str, str.lower, str.upper)}  # fmt: skip


def kind_of_text(text: str) -> str:
    """What a text spells: NUMBERS, in the canonical text of a number or, of a whole one, with ".0"
    behind it, as a column of floats is written; TRUTHS, True or False in these, in small or in
    capital letters; else TEXTS."""
    if text in _TRUTHS:
        return TRUTHS
    if text == _MINUS_ZERO or _WHOLE.fullmatch(text.removesuffix(".0")):
        return NUMBERS
    try:
        value = float(text)
    except ValueError:
        return TEXTS
    if not math.isfinite(value):
        return TEXTS
    return NUMBERS if text == (str(int(value)) if value.is_integer() else repr(value)) else TEXTS


def kind_of_texts(texts: Iterable[str]) -> str:
    """What all texts spell, TEXTS where they differ in it or there are none."""
    found = ""
    for text in texts:
        kind = kind_of_text(text)
        if kind == TEXTS or found not in ("", kind):
            return TEXTS
        found = kind
    return found or TEXTS


def canonical_text(text: str, kind: str) -> str:
    """The canonical text of what a text of this kind spells, as `level_text` gives it."""
    if kind == TRUTHS:
        return _TRUTHS[text]
    if kind == NUMBERS:
        return "0" if text == _MINUS_ZERO else text.removesuffix(".0")
    return text


def other_spellings(text: str, kind: str) -> tuple[str, ...]:
    """The texts whose `canonical_text` is `text`, besides itself."""
    if kind == TRUTHS:
        return text.lower(), text.upper()
    if kind == NUMBERS and text == "0":
        return "0.0", _MINUS_ZERO
    return (f"{text}.0",) if kind == NUMBERS and _WHOLE.fullmatch(text) else ()
