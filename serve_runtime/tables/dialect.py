"""How a CSV is written: separator, decimal mark, quotes, blanks, encoding, missing values."""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

from serve_runtime.errors import InputError
from serve_runtime.shown import listed, quoted

BLANKS = " "
"""The separator of values that one blank or more stand between: spaces, tabs, or both."""

_MISSING_MARKS = {
    *("?", "-", "--", "---", ".", "..", "*", "_", "\u2013", "\u2014", "\\n", "", "x", "(null)"),
    *("na", "n.a.", "n.a", "nan", "nd", "n/d", "n/a", "#n/a", "<na>", "<null>", "null", "nil"),
    *("none", "missing", "unknown", "undefined", "empty", "not available", "#div/0!", "#value!"),
    *("#ref!", "#num!", "#null!", "#name?"),
}
"""Texts, in lower case and without blanks around, that programs and people write where there is no
value. Arrow takes some of them for a missing value, in some spellings."""

THOUSANDS = (".", ",", "'", "\u2019", " ", "\u00a0", "\u202f")
"""Characters that may stand between each three digits before the decimal mark."""

_SHORT = 32
"""Most characters of an encoding's name."""


def _texts(field: str, texts: Any) -> tuple[str, ...]:
    """The texts that a field of a dialect lists. Raises InputError."""
    if isinstance(texts, str) or not isinstance(texts, list | tuple):
        raise InputError(f'{field} must be a list of texts, such as ["?"]; got {quoted(texts)}')
    if odd := [text for text in texts if not isinstance(text, str) or not text.isprintable()]:
        raise InputError(f"{field} must be a list of printable texts; got {listed(odd)}")
    return tuple(texts)


def _encoding(name: str) -> str:
    """Python's own name of an encoding of text. Raises InputError."""
    try:
        found = codecs.lookup(name[:_SHORT])
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise InputError(
            f"encoding must be one that Python knows, such as utf-8, latin-1, cp1252 or utf-16; "
            f"got {quoted(name)}"
        )
    return found.name


def _may_separate(text: str) -> bool:
    """Whether a text may stand between two values: no part of a number, name or quoted value."""
    return len(text) == 1 and text.isascii() and not text.isalnum() and text not in "\"'\r\n\0+-."


@dataclass(frozen=True)
class Dialect:
    """How the values of a CSV are written. Raises InputError for what cannot be one.

    The defaults are plain CSV: commas, decimal points, double quotation marks, UTF-8.
    """

    separator: str = ","
    """What stands between two values: one ASCII character, BLANKS for runs of blanks."""
    decimal: str = "."
    """The decimal mark, '.' or ','."""
    thousands: str = ""
    """What may stand between each three digits before the decimal mark, one of THOUSANDS or ''."""
    quote: str = '"'
    """What may stand around a value, '"' or "'"; inside it, it is doubled."""
    trim: bool = False
    """Whether blanks around a value belong to none, also around texts and column names."""
    encoding: str = "utf-8"
    """The encoding of the text, as Python names it. A byte order mark in the file counts more."""
    missing: tuple[str, ...] = ()
    """Texts that stand for a missing value, beside those that do in any CSV of numbers."""
    header: bool = True
    """Whether the first line holds the names of the columns; else they are f0, f1, …."""
    names: tuple[str, ...] = ()
    """Names of all columns, in their order, of tables without a header."""

    def __post_init__(self) -> None:
        for name in ("missing", "names"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name in ("separator", "decimal", "thousands", "quote", "encoding"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"{name} must be a text; got {quoted(getattr(self, name))}")
        for name in ("trim", "header"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} must be true or false; got {quoted(getattr(self, name))}")
        if self.names and self.header:
            raise InputError("names are for tables without a header: say header = false too")
        if not _may_separate(self.separator):
            raise InputError(
                "separator must be one character, such as , ; | or a tab, or a blank for runs of "
                f"blanks; got {quoted(self.separator)}"
            )
        if self.decimal not in (".", ","):
            raise InputError(f"decimal must be . or , ; got {quoted(self.decimal)}")
        if self.thousands not in ("", *THOUSANDS) or self.thousands == self.decimal:
            raise InputError(
                f"thousands must be empty or one of {listed(THOUSANDS)}, and not the decimal mark; "
                f"got {quoted(self.thousands)}"
            )
        if self.quote not in ('"', "'"):
            raise InputError(f"quote must be \" or ' ; got {quoted(self.quote)}")
        object.__setattr__(self, "encoding", _encoding(self.encoding))

    def to_mapping(self) -> dict[str, Any]:
        """The dialect as a card or a recipe holds it; `Dialect(**mapping)` is the same again."""
        return {**asdict(self), "missing": list(self.missing), "names": list(self.names)}


PLAIN = Dialect()

LAYOUT = ("separator", "decimal", "thousands", "quote", "trim")
"""The fields of a Dialect that are recognised from a file's first lines where nobody tells them."""

Told: TypeAlias = Dialect | Mapping[str, Any] | None
"""What somebody tells of a dialect: all of it, some fields by name, or nothing."""


def told_fields(told: Told, header: bool | None = None) -> dict[str, Any]:
    """The fields of a dialect that are told, by name; a `header` counts more than that in `told`.
    Raises InputError for what is none."""
    if isinstance(told, Dialect):
        told = told.to_mapping()
    known = [field.name for field in fields(Dialect)]
    found = {} if told is None else told
    if not isinstance(found, Mapping) or (odd := [name for name in found if name not in known]):
        what = listed(odd) if isinstance(found, Mapping) else quoted(found)
        raise InputError(f"a dialect has the fields {listed(known)}; got {what}")
    if header is not None:
        found = {**found, "header": header}
        if header:
            found.pop("names", None)
    checked = Dialect(**found).to_mapping()
    return {name: checked[name] for name in found}


def told_before_card(told: Told, card: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the dialect in which tables are read: what is told counts more than what the
    model's card says, and that more than what is recognised. Raises InputError.

    Where another separator is told than the card's, the tables are laid out in another way, and of
    the card only the encoding and the texts for missing values are taken.
    """
    fields_told, own = told_fields(told), told_fields(card)
    if fields_told.get("header"):
        own.pop("names", None)
    if fields_told.get("separator", own.get("separator")) != own.get("separator"):
        own = {name: value for name, value in own.items() if name not in LAYOUT}
    return {**own, **fields_told}


def gap_marker(texts: Iterable[str]) -> str | None:
    """The text that marks missing values in a column of numbers, given all its values that are none
    (repeated ones may be left out): where they are one text, and one that is used so."""
    found = set(texts)
    return found.pop() if len(found) == 1 and all(map(is_missing_mark, found)) else None


def is_missing_mark(text: str) -> bool:
    """Whether programs and people write this text where there is no value."""
    return text.strip().casefold() in _MISSING_MARKS
