"""What measuring a section gives: tables, text, and the targets that the figures decide."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from export.text_table import TextTable

_HEADING = ("target", "reached", "")


@dataclass(frozen=True)
class Target:
    """A claim about a figure, the figure that was measured, and whether it bears the claim out."""

    claim: str
    reached: str
    met: bool


@dataclass(frozen=True)
class Result:
    """Tables and paragraphs in order, and the targets that they decide."""

    parts: Sequence[TextTable | str]
    targets: Sequence[Target] = ()

    def markdown(self) -> str:
        """The result in Markdown, for the page."""
        parts = [p if isinstance(p, str) else p.markdown() for p in self._all()]
        return "\n\n".join(parts)

    def text(self) -> str:
        """The result for a terminal."""
        return "\n\n".join(p if isinstance(p, str) else p.text() for p in self._all())

    def _all(self) -> list[TextTable | str]:
        verdicts = [
            (target.claim, target.reached, "met" if target.met else "missed")
            for target in self.targets
        ]
        return [*self.parts, *([TextTable(_HEADING, verdicts)] if verdicts else [])]


def targets_on(page: str) -> TextTable:
    """Every target in the Markdown `page`, in order."""
    found = re.findall(r"^\| (.+) \| (.+) \| (met|missed) \|$", page, flags=re.MULTILINE)
    return TextTable(_HEADING, found)


def at_most(claim: str, ratio: float, limit: float, unit: str = "×") -> Target:
    """A target that is met where `ratio` is no more than `limit`."""
    return Target(f"{claim} ≤ {limit:g}{unit}", f"{ratio:.2f}{unit}", ratio <= limit)


def at_least(claim: str, ratio: float, limit: float) -> Target:
    """A target that is met where `ratio` is no less than `limit`."""
    return Target(f"{claim} ≥ {limit:g}×", f"{ratio:.2f}×", ratio >= limit)


def microseconds(seconds: float) -> str:
    """Seconds, written in microseconds with three significant digits: 4.5e-6 → "4.50"."""
    return digits(seconds * 1e6)


def milliseconds(seconds: float) -> str:
    """Seconds, written in milliseconds with three significant digits: 0.0312 → "31.2"."""
    return digits(seconds * 1e3)


def digits(value: float) -> str:
    """Three significant digits, and every digit before the point: 12345.6 → "12,346"."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def ratio_text(ratio: float) -> str:
    """A ratio of times, "1.25×"; in bold below 1, where the other one is the faster."""
    text = f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.2f}×"
    return f"**{text}**" if ratio < 1 else text


def count_text(number: int, what: str) -> str:
    """A number of things: "1 row", "2,000 rows"."""
    return f"{number:,} {what}{'s' * (number != 1)}"
