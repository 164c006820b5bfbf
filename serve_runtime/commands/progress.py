"""A line on the terminal that tells how far scoring is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from serve_runtime.commands.terminal import is_terminal, status_line

if TYPE_CHECKING:
    from serve_runtime.scoring.table_scorer import Progress

SECONDS_BETWEEN_LINES = 0.1
"""Least time between two updates of the line."""


@contextmanager
def progress_line() -> "Iterator[Callable[[Progress], object] | None]":
    """Give a function that shows progress on standard error; the line is cleared on leaving.

    Gives None where standard error is no terminal, so that logs and pipes stay clean.
    """
    if not is_terminal():
        yield None
        return
    start = shown = time.monotonic()

    def show(done: "Progress") -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < SECONDS_BETWEEN_LINES:
            return
        shown = now
        line = f"{done.rows:,}" + (f" of {done.all_rows:,}" if done.all_rows else "") + " rows"
        if done.all_tables > 1:
            line += f", {done.tables} of {done.all_tables} files"
        line += f", {done.rows / (now - start):,.0f} rows/s"
        status_line(line)

    try:
        yield show
    finally:
        status_line("")
