"""Turn errors of the library into a message and an exit code; used by every command."""

import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from serve_runtime.commands.start import INTERRUPTED
from serve_runtime.commands.terminal import (
    discard,
    echo,
    escaping_streams,
    exit_code_of_lost_output,
)
from serve_runtime.errors import ServeError


@contextmanager
def command_errors() -> Iterator[None]:
    """Turn a ServeError or OSError inside the block into click's "Error: …" and an exit code.

    The exit code is that of the error's class, 1 unless it says otherwise. If the program that
    reads standard output has ended (`… | head`), the command ends without a message, and so it
    does after Ctrl-C.
    """
    try:
        yield
    except BrokenPipeError:
        _give_up_stdout()
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except ServeError as reason:
        _give_up_stdout()
        message = "\n".join([str(reason), *getattr(reason, "__notes__", ())])
        raise _Failure(message, reason.exit_code) from None
    except OSError as reason:  # for example, the disk of standard output is full
        _give_up_stdout()
        raise click.ClickException(f"cannot write the output: {reason}") from None


class CommandLine(click.Command):
    """The outermost command of a program; its groups and commands inherit from it.

    What click writes goes the way of everything else that commands say (`terminal`), and so do
    warnings, one line each.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **settings: Any,
    ) -> Any:
        """Run the command as a program, and exit; without `standalone_mode`, as a function."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **settings)
        with escaping_streams(), warnings.catch_warnings():
            warnings.showwarning = _say_warning
            try:
                code = super().main(args, prog_name, complete_var, False, **settings)
            except click.ClickException as reason:
                shown = io.StringIO()
                reason.show(shown)
                echo(shown.getvalue().rstrip("\n"), err=True)
                code = reason.exit_code
            except (click.Abort, KeyboardInterrupt):
                code = INTERRUPTED
            except BrokenPipeError:
                discard(sys.stdout)
                code = 1
            except OSError as reason:  # --help on a full disk
                discard(sys.stdout)
                echo(f"Error: cannot write the output: {reason}", err=True)
                code = 1
            sys.exit((code if isinstance(code, int) else 0) or exit_code_of_lost_output())


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    echo(f"warning: {message}", err=True)


class _Failure(click.ClickException):
    """A click error that exits with the given code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a class variable


def _give_up_stdout() -> None:
    """If standard output cannot be written to, discard the rest of the output."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        discard(sys.stdout)
