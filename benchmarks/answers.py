"""What a question answers: tables, text, and the targets that they decide."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from export.text_table import TextTable as Table

_HEADING = ("target", "reached", "")


@dataclass(frozen=True)
class Target:
    """A claim and whether the figures bear it out."""

    claim: str
    reached: str
    met: bool


@dataclass(frozen=True)
class Answer:
    """Tables and paragraphs in order, and the targets that they decide."""

    parts: Sequence[Table | str]
    targets: Sequence[Target] = ()

    def markdown(self) -> str:
        """As it stands on the page."""
        parts = [p if isinstance(p, str) else p.markdown() for p in self._all()]
        return "\n\n".join(parts)

    def text(self) -> str:
        """As it is printed."""
        return "\n\n".join(p if isinstance(p, str) else p.text() for p in self._all())

    def _all(self) -> list[Table | str]:
        verdicts = [
            (target.claim, target.reached, "met" if target.met else "missed")
            for target in self.targets
        ]
        return [*self.parts, *([Table(_HEADING, verdicts)] if verdicts else [])]


def targets_on(page: str) -> Table:
    """Every target that stands on `page`, in order."""
    found = re.findall(r"^\| (.+) \| (.+) \| (met|missed) \|$", page, flags=re.MULTILINE)
    return Table(_HEADING, found)


def at_most(claim: str, ratio: float, limit: float, unit: str = "×") -> Target:
    """A target that is met where `ratio` is no more than `limit`."""
    return Target(f"{claim} ≤ {limit:g}{unit}", f"{ratio:.2f}{unit}", ratio <= limit)


def at_least(claim: str, ratio: float, limit: float) -> Target:
    """A target that is met where `ratio` is no less than `limit`."""
    return Target(f"{claim} ≥ {limit:g}×", f"{ratio:.2f}×", ratio >= limit)


def micro(seconds: float) -> str:
    """Microseconds, three digits."""
    return digits(seconds * 1e6)


def milli(seconds: float) -> str:
    """Milliseconds, three digits."""
    return digits(seconds * 1e3)


def digits(value: float) -> str:
    """Three significant digits, and every digit before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def times(ratio: float) -> str:
    """A ratio; bold below 1, where the other is the faster."""
    text = f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.2f}×"
    return f"**{text}**" if ratio < 1 else text


def many(number: int, what: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{number:,} {what}{'s' * (number != 1)}"
