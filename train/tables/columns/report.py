"""What was decided on the columns, as a table for a person."""

from collections.abc import Callable, Iterator
from typing import TypeAlias
from unicodedata import combining, east_asian_width

from serve_runtime.features.column import CATEGORY, NUMBER, Column
from serve_runtime.shown import printable
from train.tables.columns.decide import Decided

Say: TypeAlias = Callable[[str], None]
"""Takes a line that a person should read."""

WIDTH = 77
"""Characters of a line, at most."""
MOST_LINES = 20
"""Columns that are shown; of more, those first that are no plain numbers."""
_MOST_NAME, _MOST_LEVEL = 20, 12
_MOST_DIGITS = 10**12

_HEAD = ("column", "kind", "range or levels", "gaps", "decided")


def tell(decided: Decided, say: Say) -> None:
    """Say what was decided, where not all columns are plain numbers, and all notes."""
    if any(decided.reasons) or not decided.design.is_numeric:
        for line in column_lines(decided):
            say(line)
    for note in decided.notes:
        say(note)


def column_lines(decided: Decided, most: int = MOST_LINES) -> Iterator[str]:
    """Lines of a table: of each column name, kind, range or levels, gaps in the training rows, and
    what was decided and why. Of more than `most` columns, plain numbers are left out first."""
    columns = decided.design.columns
    plain = [c.kind == NUMBER and not why for c, why in zip(columns, decided.reasons, strict=True)]
    chosen = sorted(sorted(range(len(columns)), key=plain.__getitem__)[:most])
    rows = [_HEAD, *(_cells(columns[i], decided.reasons[i]) for i in chosen)]
    widths = [max(map(_width, cells)) for cells in zip(*rows, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for row in rows:
        cells = [_padded(cell, width, i == 3) for i, (cell, width) in
                 enumerate(zip(row[:-1], widths[:-1], strict=True))]  # fmt: skip
        for line, part in enumerate(_wrapped(row[-1], max(20, WIDTH - before))):
            start = "  ".join(cells) if line == 0 else " " * (before - 2)
            yield f"{start}  {part}".rstrip()
    if more := len(columns) - len(chosen):
        rest = set(range(len(columns))).difference(chosen)
        yield f"… and {more:,} more{' plain numbers' * all(plain[i] for i in rest)}"


def _cells(column: Column, why: str) -> tuple[str, ...]:
    held = _levels(column) if column.kind == CATEGORY else _range(column)
    gaps = f"{column.gaps:,}" if column.gaps else ""
    return _cut(printable(column.name), _MOST_NAME), column.kind, held, gaps, why


def _range(column: Column) -> str:
    return " to ".join(_number(end, column.kind) for end in (column.low, column.high) if
                       end is not None)  # fmt: skip


def _number(value: float, kind: str) -> str:
    if value.is_integer() and abs(value) < _MOST_DIGITS:
        return f"{value:.0f}"
    return f"{value:.{4 if kind == NUMBER else 12}g}"


def _levels(column: Column) -> str:
    often = sorted(range(len(column.levels)), key=lambda i: -column.counts[i])[:1]
    shown = "".join(f": {_cut(printable(column.levels[i]), _MOST_LEVEL)}, …" for i in often)
    return f"{len(column.levels):,}{shown}" if len(column.levels) > 1 else f"1{shown[:-3]}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _width(text: str) -> int:
    """Columns of a terminal: East Asian characters take two, marks on others none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
