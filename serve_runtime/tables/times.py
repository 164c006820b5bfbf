"""Columns of dates and times, as tables hold them, as the seconds since 1970 began."""

from typing import Any, Final

from serve_runtime.errors import InputError
from serve_runtime.features.times import UNITS
from serve_runtime.shown import quoted
from serve_runtime.tables.arrow import pa, pc
from serve_runtime.tables.csv.numbers import missing_texts, parse_texts
from serve_runtime.tables.dialect import PLAIN, Dialect, is_missing_mark
from serve_runtime.tables.explain_errors import missing_option
from serve_runtime.tables.numbers import to_precise

_ZONED: Final = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
"""What a time in a zone looks like."""
_FINE: Final = r"\.\d{7}"
"""What a time finer than microseconds looks like."""


def is_iso(texts: list[str]) -> bool:
    """Whether all texts are dates or timestamps as ISO 8601 writes them, with zones or without."""
    if not texts:
        return False
    try:
        _parsed(pa.array(texts, pa.string()))
    except pa.ArrowInvalid:
        return False
    return True


def text_seconds(
    column: Any, source: str, name: str, dialect: Dialect = PLAIN, *, may_miss: bool = False
) -> Any:
    """The seconds, as an Arrow array of float64, of one of texts: each a date or time of ISO 8601,
    in UTC where it says no zone, or a number, which counts as it is; null where one is missing.

    Raises InputError for other texts, which names `source` and the column `name`, and where values
    of a CSV's column `may_miss`, the option for a mark of missing ones.
    """
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    gaps = pa.array(["", *missing_texts(dialect)], pa.string())
    texts = pc.if_else(pc.is_in(texts, gaps), pa.scalar(None, pa.string()), texts)
    try:
        return _parsed(texts)
    except pa.ArrowInvalid:
        distinct = texts.unique().drop_null().to_pylist()
    odd = [text for text in distinct if not is_iso([text])]
    of_number = pc.is_in(texts, pa.array(odd, pa.string()))
    try:
        numbers = parse_texts(pc.if_else(of_number, texts, "0"), pa.float64(), dialect)
    except pa.ArrowInvalid:
        text = next(text for text in odd if not _is_number(text, dialect))
        is_mark = may_miss and is_missing_mark(text)
        remedy = f"; if it marks a missing value{missing_option([text], dialect)}" * is_mark
        raise InputError(
            f"{source}: column {quoted(name)} holds {quoted(text)}, which is no date or time of "
            f"ISO 8601, such as 2024-01-31T10:20:30Z, and no number of seconds{remedy}"
        ) from None
    times = _parsed(pc.if_else(of_number, pa.scalar(None, pa.string()), texts))
    return pc.if_else(pc.fill_null(of_number, False), numbers, times)


def _is_number(text: str, dialect: Dialect) -> bool:
    try:
        parse_texts(pa.array([text], pa.string()), pa.float64(), dialect)
    except pa.ArrowInvalid:
        return False
    return True


def _parsed(texts: Any) -> Any:
    """Texts (n,) of ISO 8601 in seconds. Raises pyarrow.ArrowInvalid.

    Arrow parses all texts of a column alike, with zones or without, in one unit: so those of each
    sort are parsed apart, and a text means the same whatever stands beside it.
    """
    found = pa.nulls(len(texts), pa.float64())
    zoned, fine = (pc.match_substring_regex(texts, pattern) for pattern in (_ZONED, _FINE))
    for is_zoned in (True, False):
        for is_fine in (True, False):
            here = pc.and_(pc.equal(zoned, is_zoned), pc.equal(fine, is_fine))
            if pc.any(here, min_count=0).as_py():
                unit = list(UNITS)[2 + is_fine]
                some = pc.if_else(here, texts, pa.scalar(None, pa.string()))
                times = some.cast(pa.timestamp(unit, "UTC" if is_zoned else None))
                found = pc.if_else(here, to_precise(times, "", time=True), found)
    return found
