"""Numbers as the texts of a CSV: which text is one in a dialect, and texts as Arrow's numbers."""

import re
from functools import lru_cache
from typing import Any

from serve_runtime.tables.arrow import pa, pacsv, pc
from serve_runtime.tables.dialect import PLAIN, Dialect

MISSING = frozenset(pacsv.ConvertOptions().null_values)
"""Texts that Arrow takes for a missing value among numbers."""


def missing_texts(dialect: Dialect) -> list[str]:
    """Texts that stand for a missing value among numbers of this dialect."""
    return sorted(MISSING.union(dialect.missing))


def is_number(text: str, dialect: Dialect = PLAIN) -> bool:
    """Whether Arrow may take `text` for a number or a missing value in this dialect."""
    try:
        float(text)
    except ValueError:
        if text in dialect.missing or text.strip() in MISSING:
            return True
        plain = _with_point(text.strip(), dialect)
        return plain not in (None, text.strip()) and is_number(str(plain))
    return "." not in text or _with_point(text, dialect) is not None


def _with_point(text: str, dialect: Dialect) -> str | None:
    """A text with a decimal point and no groups of digits, instead of the marks of this dialect;
    None where it has a decimal point that the dialect has not."""
    if dialect.thousands and re.fullmatch(_grouped(dialect), text):
        text = text.replace(dialect.thousands, "")
    if dialect.decimal == ".":
        return text
    return None if "." in text else text.replace(dialect.decimal, ".")


def parse_texts(column: Any, data_type: Any, dialect: Dialect = PLAIN) -> Any:
    """An Arrow array of texts in `data_type`, parsed as the values of a CSV are: it is written as a
    CSV of one column, and read. Raises pyarrow.ArrowInvalid."""
    if dialect.thousands and not pa.types.is_boolean(data_type):
        column = _without_thousands(column, dialect)
    text = pa.BufferOutputStream()
    table = pa.table([column], ["text"])
    options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    pacsv.write_csv(table, text, options)
    parsed = pacsv.read_csv(
        pa.BufferReader(text.getvalue()),
        read_options=pacsv.ReadOptions(column_names=["text"], block_size=1 << 30),
        parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            column_types={"text": data_type},
            decimal_point=dialect.decimal,
            null_values=missing_texts(dialect),
        ),
    )
    return parsed.column(0).combine_chunks()


@lru_cache
def _grouped(dialect: Dialect) -> str:
    """The pattern of a number whose digits before the decimal mark are grouped by three."""
    thousands, decimal = re.escape(dialect.thousands), re.escape(dialect.decimal)
    return rf"[+-]?[1-9][0-9]{{0,2}}(?:{thousands}[0-9]{{3}})+(?:{decimal}[0-9]*)?"


def _without_thousands(column: Any, dialect: Dialect) -> Any:
    """Texts with grouped numbers written without groups, and others as they are."""
    grouped = pc.match_substring_regex(column, rf"^[ \t]*{_grouped(dialect)}[ \t]*$")
    return pc.if_else(grouped, pc.replace_substring(column, dialect.thousands, ""), column)
