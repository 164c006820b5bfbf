"""Tables of text, for a terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

_NARROWEST = 12
"""Least columns that the first column is given."""


@dataclass(frozen=True)
class TextTable:
    """Rows of text under a heading; the first column is left-aligned."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self, width: int | None = None) -> str:
        """The table for a terminal.

        With `width`, long headings and the cells of the first column are continued below, so that
        a line takes no more columns than that, if the other cells leave room.
        """
        lines = [self.heading, *self.rows] if width is None else self._wrapped(width)
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.heading))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def _wrapped(self, width: int) -> list[Sequence[str]]:
        """The lines of heading and rows, in which a cell may go on in the line below."""
        widths = [
            max(len(text) for text in (*head.split(), *cells))
            for head, *cells in zip(self.heading, *self.rows, strict=True)
        ]
        widths[0] = max(_NARROWEST, width - sum(2 + taken for taken in widths[1:]))
        lines: list[Sequence[str]] = []
        for row in (self.heading, *self.rows):
            cells = [wrap(cell, taken) for cell, taken in zip(row, widths, strict=True)]
            lines += zip_longest(*cells, fillvalue="")
        return lines

    def markdown(self) -> str:
        """The same in Markdown."""
        rule = ["---", *["--:"] * (len(self.heading) - 1)]
        return "\n".join(f"| {' | '.join(line)} |" for line in (self.heading, rule, *self.rows))
