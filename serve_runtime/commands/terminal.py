"""What commands say on standard output and standard error: it never ends the work.

A character that does not print is escaped, and so is one that the stream cannot encode, unless
plain ones look like it. A stream that takes no more (its disk is full, its reader has gone) gets
nothing from then on; the command goes on, and says so at its end by its exit code. Nothing is
coloured or bold, so that NO_COLOR is kept.
"""

import codecs
import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from serve_runtime.shown import printable

USUAL_COLUMNS = 80
"""Of a terminal that does not tell how wide it is."""
_CLEAR_LINE = "\r\033[K"
_LOOK_ALIKES = {"…": "...", "×": "x", "±": "+-", "·": "*", "→": "->"}
_LOOK_ALIKES |= dict(zip("▁▂▃▄▅▆▇█", "_.,-=+*#", strict=True))
"""What stands for a character that the encoding of a stream lacks."""

_lost: dict[str, OSError] = {}
"""The streams of this command that took no more, and why."""
_PLAINLY = "serve_runtime.plainly"
_status = ""
"""What `status_line` shows now."""


@dataclass(frozen=True)
class Messages:
    """What a command prints, as its options --quiet and --json ask."""

    quiet: bool = False
    as_json: bool = False
    err: bool = False
    """Whether standard output is for data, so that even the summary is for standard error."""

    def say(self, text: str) -> None:
        """A message: on standard error beside JSON, and nowhere with --quiet."""
        if not self.quiet:
            echo(text, err=self.as_json or self.err)

    def warn(self, text: str) -> None:
        """A warning, on standard error in any case."""
        echo(text, err=True)

    def close(self, summary: str, document: Mapping[str, Any]) -> None:
        """What was done, once it is: a summary for a person, or with --json a document."""
        if self.as_json:
            echo(json.dumps(document, indent=1, allow_nan=False))
        else:
            self.say(summary)


def echo(text: str, *, err: bool = False) -> None:
    """Print lines on standard output, or on standard error with `err`; a `status_line` stays the
    last one."""
    shown = _status
    if shown:
        status_line("")
    _write(printable(text) + "\n", err=err)
    if shown:
        status_line(shown)


def status_line(text: str) -> None:
    """Show a line on standard error in place of the one before, cut where the terminal ends; an
    empty text clears it."""
    global _status
    shown, most = printable(text), columns(sys.stderr) - 1
    _status = shown if len(shown) <= most else f"{shown[: most - 3]}…"  # in ASCII, three dots
    _write(_CLEAR_LINE + _status, err=True)


def is_terminal() -> bool:
    """Whether standard error is shown to a person as it comes, on a terminal that can clear a
    line."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def columns(stream: Any, otherwise: int = USUAL_COLUMNS) -> int:
    """The width of the terminal that shows `stream`; `otherwise` where it is none."""
    try:
        if stream.isatty():
            return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except (AttributeError, OSError, ValueError):  # no stream, or one of a test
        pass
    return otherwise


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
    codecs.register_error(_PLAINLY, _in_plain_characters)
    before = []
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):  # a stream that is closed
                before.append((stream, stream.errors))
                stream.reconfigure(errors=_PLAINLY)
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


def _in_plain_characters(reason: UnicodeError) -> tuple[str, int]:
    """What is written in place of characters that an encoding lacks, and where to go on."""
    if not isinstance(reason, UnicodeEncodeError):
        raise reason
    lacking = reason.object[reason.start : reason.end]
    plain = (_LOOK_ALIKES.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking)
    return "".join(plain), reason.end


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
