"""Texts of a category that are no level of it, or that are not usual."""

import unicodedata
from collections.abc import Iterable
from typing import Final

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.features.column import MADE_OF_MISSING, Column

UNSEEN: Final = "never seen in training"
"""A text that is no level, unless a level is called so."""


def unseen(column: Column) -> str:
    """A text that is no level of the column, and does not stand for a missing value."""
    text, known = UNSEEN, column.code_by_text()
    while text in known:
        text += "?"
    return text


def scored_texts(column: Column, table: Float32, texts: Iterable[str | None]) -> list[str | None]:
    """Those of `texts` with which a row is scored; `table` (column.codes,) holds NaN where not."""
    known, missing = column.code_by_text(), column.missing_code
    codes = ((t, missing if t is None else known.get(t, 0)) for t in texts)
    return [text for text, code in codes if not np.isnan(table[code])]


def unusual_texts(column: Column) -> list[str | None]:
    """What is missing, merged, unknown, and what looks like a level and is another text."""
    found: dict[str | None, None] = dict.fromkeys(
        [None, *MADE_OF_MISSING, *column.missing_texts, unseen(column)]
    )
    found |= dict.fromkeys(column.rare)
    for level in column.levels:
        found |= dict.fromkeys(look_alikes(level))
    levels = frozenset(column.levels)
    return [text for text in found if text not in levels]


def look_alikes(text: str) -> list[str]:
    """Texts that somebody may take for this one, and that are others."""
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC")]
    changed = [f" {text}", f"{text} ", f"\ufeff{text}", text.upper(), text.lower(), f"0{text}"]
    changed += [f"{text}.0", text.removesuffix(".0"), f"+{text}", text.strip(), f"{text}\t"]
    return [other for other in dict.fromkeys([*forms, *changed]) if other != text]
