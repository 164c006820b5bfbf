"""Which step runs, shown on one line of a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serve_runtime.commands.terminal import is_terminal, status_line

Show = Callable[[str], object]
"""Takes a short text that says which step begins."""


def silent(step: str) -> None:
    """Show nothing."""


@contextmanager
def on_terminal() -> Iterator[Show]:
    """Show each step in place of the one before, and nothing once all are done.

    The line is on standard error, so that it mixes with no output; where that is no terminal,
    nothing is written.
    """
    if not is_terminal():
        yield silent
        return

    def show(step: str) -> None:
        status_line(f"{step} …")

    try:
        yield show
    finally:
        status_line("")
