"""Turn errors of the library into a message and an exit code; used by every command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from serve_runtime.errors import ServeError


@contextmanager
def command_errors() -> Iterator[None]:
    """Turn a ServeError or OSError inside the block into click's "Error: …" and an exit code.

    The exit code is that of the error's class, 1 unless it says otherwise. If the program that
    reads standard output has ended (`… | head`), the command ends without a message.
    """
    try:
        yield
    except BrokenPipeError:
        _give_up_stdout()
        raise SystemExit(1) from None
    except ServeError as reason:
        _give_up_stdout()
        message = "\n".join([str(reason), *getattr(reason, "__notes__", ())])
        raise _Failure(message, reason.exit_code) from None
    except OSError as reason:  # for example, the disk of standard output is full
        _give_up_stdout()
        raise click.ClickException(f"cannot write the output: {reason}") from None


class _Failure(click.ClickException):
    """A click error that exits with the given code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a class variable


def _give_up_stdout() -> None:
    """If standard output cannot be written to, discard the rest of the output.

    Otherwise the interpreter would flush it at exit, fail again, and change the exit code.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
