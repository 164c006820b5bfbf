"""Recognise the dialect of a CSV from its first lines.

What is not plain has to be unmistakable: a wrong guess would be silent, while a file of another
dialect that is read as plain CSV ends with an error that says which option to give.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from serve_runtime.tables.csv.byte_stream import SEPARATOR_LINE
from serve_runtime.tables.csv.numbers import MISSING, is_number
from serve_runtime.tables.csv.rewrite import Rewriter
from serve_runtime.tables.dialect import (
    BLANKS,
    LAYOUT,
    PLAIN,
    THOUSANDS,
    Dialect,
    is_missing_mark,
)

_SEPARATORS = ("\t", ",", ";", "|")
"""In the order in which they are taken where nothing else decides."""

_MARKS = b";\t|'\" "
"""Bytes of which one at least stands in a file that is not plain CSV."""

_MORE_THAN_COMMAS = ('"', "'", ", ", ",\t", " ,", "\t,")
"""What stands in a file with commas that may have other marks too, or blanks around values."""

_LEAST_SHARE = 0.9
"""Share of the rows that have as many values as the first one, where a separator is recognised;
one row may be ragged in any file, which is an error of its own."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+|\d{1,3}(?:[.,]\d{3})+(?:[.,]\d+)?)(?:[eE][+-]?\d+)?", re.ASCII
)
_WITH_FRACTION = {
    mark: re.compile(
        rf"[+-]?(?:\d*|\d{{1,3}}(?:[{re.escape(others)}]\d{{3}})+)"
        rf"(?:{re.escape(mark)}\d*)?(?:[eE][+-]?\d+)?",
        re.ASCII,
    )
    for mark in ".,"
    for others in ["".join(THOUSANDS).replace(mark, "")]
}
"""Numbers by their decimal mark; digits before it may be grouped by any of THOUSANDS."""


def recognise(start: bytes, whole: bool, told: Mapping[str, Any]) -> Dialect:
    """The dialect of a CSV that begins with `start`, some lines; `whole`: that is all of it.

    Fields of the dialect that are `told` are taken as they are. Raises InputError for what no
    dialect has.
    """
    if line := SEPARATOR_LINE.match(start):
        start, told = start[line.end() :], {"separator": line[1].decode("latin-1"), **told}
    dialect = Dialect(**told) if told else PLAIN
    plain = "separator" not in told and not any(mark in start for mark in _MARKS)
    if plain or all(name in told for name in LAYOUT):
        return dialect
    text = start.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    if not whole:  # the last line may be a part of one
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    if not text.strip():
        return dialect
    candidates = _candidates(text, told)
    if candidates == [","] and not any(mark in text for mark in _MORE_THAN_COMMAS):
        return dialect
    quotes = [told["quote"]] if "quote" in told else ['"', "'"] if "'" in text else ['"']
    found = [
        _Layout.of(text, replace(dialect, separator=separator, quote=quote))
        for separator in candidates
        for quote in quotes
    ]
    layout = _best([one for one in found if one.fits(told)])
    if layout is None:
        return dialect
    dialect = layout.dialect
    if "trim" not in told:
        dialect = replace(dialect, trim=layout.has_blanks())
    return _with_numbers(dialect, text, told)


def has_blanks_around(start: bytes, dialect: Dialect) -> bool:
    """Whether blanks follow, or precede, each separator in these first lines of a CSV."""
    text = start.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    return _Layout.of(text, dialect).has_blanks()


def _candidates(text: str, told: Mapping[str, Any]) -> list[str]:
    """The separators that the first line may have."""
    if "separator" in told:
        return [told["separator"]]
    lines = filter(str.strip, _LINE_END.split(text))
    first, second = next(lines, ""), next(lines, "")
    found = [separator for separator in _SEPARATORS if separator in first]
    words, below = len(first.split()), len(second.split())
    if words > 1 and ('"' in text or "'" in text or not second or below - words in (0, 1)):
        found.append(BLANKS)
    return found


@dataclass(frozen=True)
class _Layout:
    """The first rows of a file, cut into values by one separator and one quotation mark."""

    dialect: Dialect
    rows: list[list[str]]
    """The values as they stand there, blanks included; a quoted one is two marks."""

    @classmethod
    def of(cls, text: str, dialect: Dialect) -> "_Layout":
        separator, mark = dialect.separator, dialect.quote
        if separator == BLANKS:
            plain = text.encode("utf-8", "surrogateescape")
            text = Rewriter(dialect)(plain)[0].decode("utf-8", "surrogateescape")
        if mark in text:
            begin = rf"(?<![^{re.escape(separator)}\r\n])([ \t]*)"
            inside = rf"{mark}[^{mark}]*+(?:{mark}{mark}[^{mark}]*+)*+{mark}"
            text = re.sub(begin + inside, rf"\1{mark}{mark}", text)
        rows = [line.split(separator) for line in _LINE_END.split(text) if line.strip()]
        return cls(dialect, rows)

    @property
    def data(self) -> list[list[str]]:
        """The rows below the header."""
        return self.rows[self.dialect.header :]

    def fits(self, told: Mapping[str, Any]) -> bool:
        """Whether the rows may be meant so."""
        if self.dialect.quote == "'" and "quote" not in told and not self._quoted_by_apostrophes():
            return False
        if "separator" in told:
            return True
        if self.dialect.separator == BLANKS:
            return self._fits_blanks()
        width = len(self.rows[0])
        others = len(self.rows) - 1
        same = sum(_has_width(row, width) for row in self.rows[1:])
        return width > 1 and (same >= _LEAST_SHARE * others or same >= max(2, others - 1))

    def _fits_blanks(self) -> bool:
        """Texts hold blanks too: all rows must be equally wide, as the header or, where names of
        rows precede it, which is an error of its own, by one wider, and a column of numbers."""
        widths = {len(row) for row in self.data}
        if (
            len(widths) != 1
            or len(self.rows[0]) < 2
            or max(widths) - len(self.rows[0]) not in (0, 1)
        ):
            return False
        return any(all(map(_is_number, column)) for column in zip(*self.data, strict=True))

    def _quoted_by_apostrophes(self) -> bool:
        """Whether each apostrophe at an end of a value has one at its other end, and some do."""
        values = [value.strip() for row in self.rows for value in row]
        ends = [value for value in values if value.startswith("'") or value.endswith("'")]
        marked = any(value.startswith('"') for value in values)
        return bool(ends) and not marked and all(value == "''" for value in ends)

    def has_blanks(self) -> bool:
        """Whether each separator is followed by a blank, or each is preceded by one, in all rows of
        data or in the header. An empty value needs none."""
        if self.dialect.separator == BLANKS:
            return False
        header = self.rows[: self.dialect.header]
        return any(
            _all_blank(rows, values, side)
            for rows in (self.data, header)
            for values, side in ((slice(1, None), 0), (slice(-1), -1))
        )

    def share_of_numbers(self) -> float:
        """Share of numbers among the values below the header that stand in no quotation marks."""
        values = [value for row in self.data for value in row if value.strip()]
        values = [value for value in values if value.strip() != 2 * self.dialect.quote]
        return sum(map(_is_number, values)) / len(values) if values else 0.0


def _best(layouts: Sequence[_Layout]) -> _Layout | None:
    """The layout with most numbers; of several, that of the first separator."""
    by_separator = {}
    for layout in layouts:  # one that is quoted by apostrophes comes last, and counts
        by_separator[layout.dialect.separator] = layout
    blanks = by_separator.pop(BLANKS, None)
    others = [by_separator[name] for name in _SEPARATORS if name in by_separator]
    others += [layout for name, layout in by_separator.items() if name not in _SEPARATORS]
    if len(others) == 1 and blanks is None:
        return others[0]
    best = max(others, key=_Layout.share_of_numbers, default=None)
    if blanks is None or best is None:
        return best or blanks
    share = blanks.share_of_numbers()
    if share > best.share_of_numbers() and (best.dialect.separator == "\t" or share == 1):
        return blanks
    return best


def _has_width(row: Sequence[str], width: int) -> bool:
    """Whether a row has `width` values, or ends with further separators."""
    return len(row) == width or (len(row) > width and not "".join(row[width:]).strip())


def _all_blank(rows: Sequence[Sequence[str]], place: slice, side: int) -> bool:
    """Whether the values at `place` of all rows have a blank on that side: 0 before, -1 after."""
    values = [value for row in rows for value in row[place] if value]
    return bool(values) and all(value[side] in " \t" for value in values)


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text.strip())) or text.strip() in MISSING


def _with_numbers(dialect: Dialect, text: str, told: Mapping[str, Any]) -> Dialect:
    """The dialect with the decimal mark and the separator of thousands that its columns have."""
    plain_commas = dialect.separator == "," and dialect.quote not in text
    if plain_commas or ("decimal" in told and "thousands" in told):
        return dialect
    columns = list(_columns(dialect, text))
    open_mark = "decimal" not in told and "," not in (dialect.separator, dialect.thousands)
    if open_mark and _has_fractions(columns, ",") and not _has_fractions(columns, "."):
        dialect = replace(dialect, decimal=",")
    if "thousands" not in told:
        there = set().union(*(set().union(*values) for values in columns))
        marks = [mark for mark in THOUSANDS if mark != dialect.decimal and mark in there]
        found = [mark for mark in marks if _has_thousands(columns, dialect, mark)]
        if len(found) == 1:
            dialect = replace(dialect, thousands=found[0])
    return dialect


def _columns(dialect: Dialect, text: str) -> Iterator[list[str]]:
    """The values of each column that are there, without blanks around; none where a row is odd."""
    if dialect.separator == BLANKS or dialect.trim:
        plain = text.encode("utf-8", "surrogateescape")
        text = Rewriter(dialect)(plain)[0].decode("utf-8", "surrogateescape")
    lines = _LINE_END.split(text)
    try:
        reader = csv.reader(
            (f"{line}\n" for line in lines),
            delimiter=dialect.separator,
            quotechar=dialect.quote,
        )
        rows = [row for row in reader if row]
    except csv.Error:  # a value of more than 131,072 characters
        return
    width = len(rows[0]) if rows else 0
    rows = [row for row in rows[dialect.header :] if _has_width(row, width)]
    for place in range(width):
        values = [row[place].strip() for row in rows]
        yield [v for v in values if v[:1].isdigit() or not (v in MISSING or is_missing_mark(v))]


def _has_fractions(columns: Sequence[Sequence[str]], mark: str) -> bool:
    """Whether a column holds numbers, and in one of them the `mark` can only begin a fraction."""
    for values in columns:
        number = _WITH_FRACTION[mark]
        if any(mark in value and not _is_grouped(value, mark) for value in values) and all(
            map(number.fullmatch, values)
        ):
            return True
    return False


def _is_grouped(text: str, mark: str) -> bool:
    """Whether a text is a whole number whose digits may be grouped by `mark`."""
    return bool(re.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+", text, re.ASCII))


def _has_thousands(columns: Sequence[Sequence[str]], dialect: Dialect, mark: str) -> bool:
    """Whether a column of numbers has one whose digits are grouped by `mark` beyond doubt: it has a
    fraction too, or, grouped by a point or comma, two groups."""
    grouped = rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})"
    sure = rf"{grouped}+{re.escape(dialect.decimal)}\d+"
    if mark in ".,":
        sure += rf"|{grouped}{{2,}}"
    with_mark = replace(dialect, thousands=mark)
    return any(
        any(mark in value and re.fullmatch(sure, value, re.ASCII) for value in values)
        and all(is_number(value, with_mark) for value in values)
        for values in columns
    )
