"""A program on a pseudo-terminal, and what a person sees of it."""

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

ROWS = 24


@dataclass(frozen=True)
class Seen:
    """What has been on a terminal of so many columns."""

    code: int
    shown: str
    """All that was written, with the codes that clear a line."""
    columns: int

    @property
    def left(self) -> list[str]:
        """The lines that stay."""
        every = self.shown.replace("\r\n", "\n").split("\n")
        return [line.rsplit("\r\x1b[K", 1)[-1] for line in every]

    @property
    def live(self) -> list[str]:
        """The lines that were shown in place of one another."""
        return [text for text in re.findall(r"\r\x1b\[K([^\r\n]*)(?=\r\x1b)", self.shown) if text]


def on_terminal(command, cwd, *, columns=80, stdout=None, act=None, **environment):
    """Run Python with the arguments `command`, its standard error on a terminal, and its standard
    output too, unless that is given. `act` is called with the process and each piece it shows."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", **environment},
        stdin=subprocess.DEVNULL,
        stdout=terminal if stdout is None else stdout,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while more := os.read(controller, 1 << 16):
                shown += more
                if act:
                    act(process, more)
    os.close(controller)
    return Seen(process.returncode, shown.decode("utf-8", "replace"), columns)
