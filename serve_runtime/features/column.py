"""What a model knows of a column of its table: kind, range, gaps and levels.

Standard library only, since the model card is made of these.
"""

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeGuard

from serve_runtime.errors import CardError
from serve_runtime.features.spellings import (
    NUMBERS,
    TEXTS,
    TRUTHS,
    canonical_text,
    kind_of_text,
    other_spellings,
)
from serve_runtime.shown import listed, quoted

NUMBER: Final = "number"
"""A number that is served as float32. True and false are 1 and 0."""
PRECISE: Final = "precise"
"""A number whose values lie close together far from 0: in float64 its `center` is subtracted, then
it is rounded to float32."""
CATEGORY: Final = "category"
"""A text: one of the levels seen in training."""

MISSING_NUMBERS: Final = ("error", "mean", "median", "indicator")
"""What a missing number does: it is refused; it counts as the mean or the median of the training
rows; it counts as the median, and has a weight of its own besides."""
MISSING_LEVELS: Final = ("error", "level", "unknown")
"""What a missing text does: it is refused; it is a level of its own; it counts as an unknown one.
"""
UNKNOWN_LEVELS: Final = ("average", "rare", "error")
"""What a level does that training did not see: it counts as the average training row, as the rare
level, or is refused."""

MOST_KNOTS: Final = 1024
"""Of a bent number."""

MISSING_TEXTS: Final = (
    *("", "?", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", "NaT"),
)
"""Texts that stand for a missing value, where nothing else is said."""


MADE_OF_MISSING: Final = ("", "None", "nan", "<NA>", "NaT")
"""What a missing value becomes where texts are asked for: an empty text, or what Python prints of
None, NaN, pandas.NA and NaT. onnxruntime takes that for the text, so these are always missing."""


@dataclass(frozen=True)
class Column:
    """A column that a model takes."""

    name: str
    kind: str = NUMBER
    """NUMBER, PRECISE or CATEGORY."""
    low: float | None = None
    """Smallest value in the training rows, of numbers."""
    high: float | None = None
    """Largest value in the training rows, of numbers."""
    missing: str = "error"
    """One of MISSING_NUMBERS or MISSING_LEVELS."""
    gaps: int = 0
    """Training rows in which the value was missing."""
    missing_texts: tuple[str, ...] = ()
    """Texts that count as missing, of a category, besides MADE_OF_MISSING."""
    levels: tuple[str, ...] = ()
    """Of a category, sorted by code point."""
    counts: tuple[int, ...] = ()
    """Training rows of each level."""
    rare: tuple[str, ...] = ()
    """Texts that training has merged into one rare level, sorted by code point."""
    rare_count: int = 0
    """Training rows of the rare level."""
    levels_are: str = TEXTS
    """What all levels of a category are: TEXTS, of which every character counts; NUMBERS, so that
    "3.0" is the level "3", as the number 3.0 is; TRUTHS, so that "true" and "TRUE" are "True"."""
    unknown: str = "average"
    """One of UNKNOWN_LEVELS, of a category."""
    time: bool = False
    """Whether values are dates or times, which count as the seconds since 1970 began in UTC; only
    of PRECISE columns."""
    knots: tuple[float, ...] = ()
    """Of a bent number, whose part of the logit is a Curve: where its segments begin, float32
    values (of a PRECISE column, behind its `center`), ascending."""

    def __post_init__(self) -> None:
        def require(condition: bool, problem: str) -> None:
            if not condition:
                raise CardError(f"model card: column {quoted(self.name)}: {problem}")

        require(isinstance(self.name, str) and bool(self.name), "the name is not a text")
        require(self.kind in (NUMBER, PRECISE, CATEGORY), f"kind is {quoted(self.kind)}")
        require(type(self.time) is bool, f"time is {quoted(self.time)}, not true or false")
        require(not self.time or self.kind == PRECISE, "a time is a precise number")
        for count in (self.gaps, self.rare_count, *self.counts):
            if type(count) is not int or count < 0:  # there may be 100,000
                require(False, f"{quoted(count)} is no count of rows")
        if self.kind != CATEGORY:
            ends = (self.low, self.high)
            require(all(map(is_finite, ends)), "its range is not two finite numbers")
            known: tuple[str, ...] = MISSING_NUMBERS
            texts = (*self.levels, *self.rare, *self.missing_texts)
            require(not texts and not self.counts, "a number has no levels")
            require(self.levels_are == TEXTS, "a number has no levels")
            require(
                _are_knots(self.knots),
                "its knots are no ascending float32 numbers, or one of them is subnormal",
            )
        else:
            known = MISSING_LEVELS
            require(self.low is None and self.high is None, "a category has no range")
            require(not self.knots, "a category has no knots")
            require(len(self.levels) == len(self.counts), "levels and counts differ in number")
            every = [*self.levels, *self.rare, *self.missing_texts]
            require(all(map(_is_text, every)), "a level is no text of Unicode without NUL")
            require(len(set(every)) == len(every), "a level is there twice")
            for texts in (self.levels, self.rare):
                require(list(texts) == sorted(texts), "the levels are not sorted")
            kind = self.levels_are
            require(kind in (TEXTS, NUMBERS, TRUTHS), f"levels_are is {quoted(kind)}")
            for text in (*self.levels, *self.rare) if kind != TEXTS else ():
                if kind_of_text(text) != kind or canonical_text(text, kind) != text:
                    require(False, f"{quoted(text)} is none of its {kind}")
            require(self.unknown in UNKNOWN_LEVELS, f"unknown is {quoted(self.unknown)}, known are "
                    f"{listed(UNKNOWN_LEVELS)}")  # fmt: skip
        require(self.missing in known, f"missing is {quoted(self.missing)}, known are "
                f"{listed(known)}")  # fmt: skip

    def to_document(self) -> dict[str, Any]:
        """What JSON has to hold of the column: what differs from the defaults."""
        return {
            f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Column":
        """The column of which `to_document` gave `document`. Raises CardError or TypeError."""
        found = dict(document)
        for name in _LISTS.intersection(found):
            if not isinstance(found[name], list):
                raise CardError(f"{name} is no list")
            found[name] = tuple(found[name])
        column = cls(**found)
        if column.to_document().keys() != document.keys():
            raise CardError(f"column {quoted(column.name)} states what it need not state")
        return column

    # The codes of a category: 0 is an unknown level, 1 is the first of `levels`.

    @property
    def missing_code(self) -> int:
        """The code of a missing value."""
        return len(self.levels) + 1

    @property
    def rare_code(self) -> int:
        """The code of the texts in `rare`."""
        return len(self.levels) + 2

    @property
    def codes(self) -> int:
        """The number of codes."""
        return len(self.levels) + 3

    def code_by_text(self) -> dict[str, int]:
        """The code of every text that is no unknown level: of levels that are numbers or truths, in
        each spelling. What a missing value becomes as a text is missing, unless it is a level."""
        texts = dict.fromkeys(self.missing_texts, self.missing_code)
        texts |= {level: code for code, level in enumerate(self.levels, 1)}
        texts |= dict.fromkeys(self.rare, self.rare_code)
        if self.levels_are != TEXTS:
            for text, code in tuple(texts.items()):
                for other in other_spellings(text, self.levels_are):
                    texts.setdefault(other, code)
        return texts | {t: self.missing_code for t in MADE_OF_MISSING if t not in texts}


_SMALLEST_NORMAL: Final = 2.0**-126
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
_LISTS: Final = {"knots", "missing_texts", "levels", "counts", "rare"}


def number_columns(
    names: Iterable[str], low: Iterable[float], high: Iterable[float]
) -> tuple[Column, ...]:
    """Columns of numbers without gaps, each with the range from its `low` to its `high`."""
    return tuple(
        Column(name, low=least, high=most)
        for name, least, most in zip(names, low, high, strict=True)
    )


def numbers_of(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The k columns that are numbers, in the order in which models take them: NUMBER, then PRECISE,
    each in the order of the columns."""
    return tuple(c for kind in (NUMBER, PRECISE) for c in columns if c.kind == kind)


def categories_of(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns that are categories, in order."""
    return tuple(column for column in columns if column.kind == CATEGORY)


def is_numeric(columns: Iterable[Column]) -> bool:
    """Whether a model of these columns takes plain numbers alone, so that nothing is encoded."""
    return all(c.kind == NUMBER and c.missing == "error" and not c.knots for c in columns)


def is_finite(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that is neither NaN nor infinite, nor beyond any float."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an int beyond any float
        return False


def _are_knots(knots: Sequence[object]) -> bool:
    """Whether they are ascending numbers that float32 holds, at most MOST_KNOTS; none of them
    subnormal, which some hosts take for 0, so that they would find another segment."""
    if len(knots) > MOST_KNOTS:
        return False
    before = -math.inf
    for knot in knots:
        if type(knot) is not float or not is_finite(knot) or not before < knot:
            return False
        if 0 < abs(knot) < _SMALLEST_NORMAL:
            return False
        try:
            if struct.unpack("f", struct.pack("f", knot))[0] != knot:
                return False
        except OverflowError:
            return False
        before = knot
    return True


def _is_text(text: object) -> bool:
    """Whether it is a text that every runtime takes: some end texts at a NUL, and none can write
    half a surrogate pair."""
    return isinstance(text, str) and not _NO_TEXT.search(text)
