"""From what the library raises to a message and an exit code, for every command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from serve_runtime.errors import ServeError


@contextmanager
def command_errors() -> Iterator[None]:
    """Turn what the library raises into a message and the error's exit code, 1 unless it has one
    of its own; a closed pipe ends quietly."""
    try:
        yield
    except BrokenPipeError:
        _give_up_stdout()
        raise SystemExit(1) from None
    except ServeError as reason:
        _give_up_stdout()
        message = "\n".join([str(reason), *getattr(reason, "__notes__", ())])
        raise _Failure(message, reason.exit_code) from None
    except OSError as reason:  # standard output is full, say
        _give_up_stdout()
        raise click.ClickException(f"cannot write the output: {reason}") from None


class _Failure(click.ClickException):
    """A click error with an exit code of its own."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click calls it a class's


def _give_up_stdout() -> None:
    """If standard output takes no more, send the rest nowhere.

    The interpreter flushes it once more at exit, and would fail again with a code of its own.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
