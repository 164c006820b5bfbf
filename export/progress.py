"""Which step runs, shown on one line of a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[str], object]
"""Takes a short text that says which step begins."""

_CLEAR = "\r\x1b[K"
"""Back to the start of the line, and erase it."""


def silent(step: str) -> None:
    """Show nothing."""


@contextmanager
def on_terminal() -> Iterator[Show]:
    """Show each step in place of the one before, and nothing once all are done.

    The line is on standard error, so that it mixes with no output; where that is no terminal,
    nothing is written.
    """
    if not sys.stderr.isatty():
        yield silent
        return

    def show(step: str) -> None:
        sys.stderr.write(f"{_CLEAR}{step} …")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
