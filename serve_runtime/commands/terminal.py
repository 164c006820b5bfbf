"""What commands say on standard output and standard error: it never ends the work.

A character that the stream cannot encode, or that does not print, is escaped. A stream that takes
no more (its disk is full, its reader has gone) gets nothing from then on; the command goes on, and
says so at its end by its exit code.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from serve_runtime.shown import printable

_CLEAR_LINE = "\r\033[K"

_lost: dict[str, OSError] = {}
"""The streams of this command that took no more, and why."""


def echo(text: str, *, err: bool = False) -> None:
    """Print lines on standard output, or on standard error with `err`."""
    _write(printable(text) + "\n", err=err)


def status_line(text: str) -> None:
    """Show a line on standard error in place of the one before; an empty text clears it."""
    _write(_CLEAR_LINE + printable(text), err=True)


def is_terminal() -> bool:
    """Whether standard error is shown to a person as it comes."""
    return sys.stderr is not None and sys.stderr.isatty()


def discard(stream: Any) -> None:
    """Lead a stream that cannot be written to into nothing.

    Otherwise the interpreter would flush it at exit, fail again, and change the exit code.
    """
    with suppress(OSError, ValueError):  # a stream of a test has no number
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def escaping_streams() -> Iterator[None]:
    """Within the block the standard streams escape what their encoding lacks; click's help too."""
    before = []
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):  # a stream that is closed
                before.append((stream, stream.errors))
                stream.reconfigure(errors="backslashreplace")
    _lost.clear()
    try:
        yield
    finally:
        for stream, errors in before:
            with suppress(OSError, ValueError):  # one that was closed meanwhile
                stream.reconfigure(errors=errors)


def exit_code_of_lost_output() -> int:
    """1 where something that was said is lost, else 0; says so on standard error.

    A reader that has gone (`… | head`) knows it, and hears nothing.
    """
    for name, reason in list(_lost.items()):
        if reason.errno != errno.EPIPE:
            echo(f"Error: {name} took no more ({reason.strerror or reason}): the work is done, "
                 "what it said is lost", err=True)  # fmt: skip
    return 1 if _lost else 0


def _write(text: str, *, err: bool) -> None:
    stream, name = (sys.stderr, "standard error") if err else (sys.stdout, "standard output")
    if stream is None:
        if not err:
            _lost[name] = OSError(errno.EBADF, "it is closed")
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as reason:
        _lost[name] = reason
        discard(stream)
    except ValueError:  # it was closed
        _lost[name] = OSError(errno.EBADF, "it is closed")
