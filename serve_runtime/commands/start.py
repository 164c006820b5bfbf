"""The way into each program: what it needs takes a second to load, in which Ctrl-C may come."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells give it: 128 and the number of SIGINT."""


def start(module: str, program: str) -> None:
    """Load `module`, whose `main` is a click command, and run that as `program`."""
    with loading():
        main = import_module(module).main
    main(prog_name=program)


@contextmanager
def loading() -> Iterator[None]:
    """Around imports: Ctrl-C ends the process at once and in silence.

    KeyboardInterrupt would not do: libraries that are being imported catch it, or print it. A
    handler that somebody else has set stays, and so does a SIGINT that is ignored (`nohup`).
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _exit)
    except ValueError:  # another thread than the main one gets no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(_: int, __: FrameType | None) -> None:
    os._exit(INTERRUPTED)
