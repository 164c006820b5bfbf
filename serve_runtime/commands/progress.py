"""A line on the terminal that tells what a command does, how far it is, how fast, and how long it
will take. All commands show it in these words; in a pipe there is none.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from serve_runtime.commands.terminal import columns, is_terminal, status_line

if TYPE_CHECKING:
    from serve_runtime.scoring.table_scorer import Progress

SECONDS_BETWEEN_LINES = 0.1
"""Least time between two updates of the line."""
_KNOWN_AFTER = 0.5
"""Seconds after which a rate tells how long the rest will take."""
_BOUND_AFTER = 5.0
"""Seconds after which it tells how long it may take at most: where most are not needed, a bound
of minutes would stand beside what ends in a second, and the first ones tell little."""

_open = False
"""Whether this command has a line."""


@contextmanager
def live_line(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Have a line on standard error, if that is a terminal, which is cleared on leaving.

    Gives a function that shows which step begins. `Count` shows on the line too; without a line,
    both do nothing.
    """
    global _open
    _open = is_terminal() and not quiet
    try:
        yield show_step
    finally:
        if _open:
            status_line("")
        _open = False


def is_live() -> bool:
    """Whether this command has such a line."""
    return _open


def show_step(text: str) -> None:
    """Show which step begins, on the line that `live_line` has opened, if it has."""
    if _open:
        status_line(f"{text} …")


class Count:
    """How far a step is, on the line that `live_line` has opened, if it has."""

    def __init__(
        self, step: str, unit: str, total: int | None = None, *, first: int = 0, left: str = ""
    ) -> None:
        """`step` is what is done, such as "reading", to things called `unit`, of which there are
        `total`, where that is known, the `first` ones done before. `left` stands before the time
        that the rest will take, such as "at most ", where it may take less."""
        self._step, self._unit, self._total = step, unit, total
        self._done = self._first = first
        self._left = left
        self._start = self._shown = time.monotonic()
        show_step(step)

    def update(self, more: int = 1, *, note: str = "") -> None:
        """So many more are done; `note` stands beside it."""
        self.reach(self._done + more, self._total, note=note)

    def reach(self, done: int, total: int | None = None, *, note: str = "") -> None:
        """So many are done of `total`; `note` stands beside it."""
        self._done = done
        if not _open:
            return
        now = time.monotonic()
        if now - self._shown < SECONDS_BETWEEN_LINES:
            return
        self._shown = now
        of = f" of {total:,}" if total else ""
        parts = [f"{self._step}: {done:,}{of} {self._unit}"]
        elapsed, new = now - self._start, done - self._first
        if total and new and elapsed > (_BOUND_AFTER if self._left else _KNOWN_AFTER):
            parts.append(f"{self._left}{_clock((total - done) * elapsed / new)} left")
        if note:
            parts.append(note)
        if elapsed:
            rate = new / elapsed
            parts.append(
                f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s"
            )
        status_line(_fitting(parts))


@contextmanager
def progress_line(*, quiet: bool = False) -> "Iterator[Callable[[Progress], object] | None]":
    """Give a function that shows how far scoring is, and None where nothing would be shown."""
    with live_line(quiet=quiet):
        if not _open:
            yield None
            return
        count = Count("scoring", "rows")

        def show(done: "Progress") -> None:
            files = f"{done.tables} of {done.all_tables} files" if done.all_tables > 1 else ""
            count.reach(done.rows, done.all_rows, note=files)

        yield show


def _fitting(parts: list[str]) -> str:
    """As many of the parts as the terminal has room for, the first in any case."""
    line, room = parts[0], columns(sys.stderr) - 1
    for part in parts[1:]:
        if len(line) + 2 + len(part) > room:
            break
        line = f"{line}, {part}"
    return line


def _clock(seconds: float) -> str:
    """Such as 0:05 and 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
