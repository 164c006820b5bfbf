"""Tables of text, for a terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading; the first column is left-aligned."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """The table for a terminal."""
        lines = [self.heading, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.heading))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        """The same in Markdown."""
        rule = ["---", *["--:"] * (len(self.heading) - 1)]
        return "\n".join(f"| {' | '.join(line)} |" for line in (self.heading, rule, *self.rows))
