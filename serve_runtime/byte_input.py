"""The bytes of a CSV: from a file, gzip or standard input, with the first lines looked at twice."""

import gzip
import io
import os
import select
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from serve_runtime.errors import InputError

STDIO = "-"

_POLL_MS = 100


def is_gzip(path: str | os.PathLike[str]) -> bool:
    """Whether the name says gzip."""
    return os.fspath(path).lower().endswith(".gz")


def open_bytes(source: str) -> BinaryIO:
    """The bytes of the file `source`, unpacked where it ends in .gz; '-' is standard input."""
    if source == STDIO:
        if sys.stdin is None:
            raise InputError("standard input is closed: give a file, or pipe CSV into the command")
        return _open_stdin()
    if is_gzip(source):
        return gzip.open(source)  # type: ignore[return-value]
    return Path(source).open("rb")


def _open_stdin() -> BinaryIO:
    try:
        descriptor = sys.stdin.fileno()
    except OSError:  # a host has put something else in its place
        return sys.stdin.buffer
    if not hasattr(select, "poll"):
        return sys.stdin.buffer
    return io.BufferedReader(_Cancellable(descriptor))


class _Cancellable(io.RawIOBase):
    """A descriptor, left open, whose end `cancel` brings about, also for a read that waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._cancelled = descriptor, False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._poll.poll(_POLL_MS):
            if self._cancelled:
                return 0
        return os.readv(self._descriptor, [buffer])

    def cancel(self) -> None:
        self._cancelled = True


class Pushback:
    """A byte stream whose first lines can be looked at and then read again.

    `cancel` brings its end about, whoever reads.
    """

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._head, self._rest, self._cancelled = b"", rest, False
        self._reading = threading.Lock()

    def lines(self) -> Iterator[str]:
        """The lines from here, to be read again by `read` unless `drop_head` says otherwise."""
        while line := self._rest.readline():
            self._head += line
            yield line.decode("utf-8-sig" if len(self._head) == len(line) else "utf-8")

    def looked_at(self) -> int:
        """The number of bytes that will be read again."""
        return len(self._head)

    def drop_head(self) -> None:
        """Do not read again what was looked at so far."""
        self._head = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        with self._reading:
            if self._cancelled:
                return b""
            if self._head:
                head, self._head = self._head[:size], self._head[size:]
                return head
            return self._rest.read(size)

    def cancel(self) -> None:
        """Let this be the end of the stream, also for a read that waits in another thread."""
        self._cancelled = True
        raw = getattr(self._rest, "raw", None)
        if isinstance(raw, _Cancellable):
            raw.cancel()

    def close(self) -> None:
        """Close the file, once no thread reads it any more; standard input stays open."""
        self.closed = True
        self.cancel()
        with self._reading:
            if sys.stdin is None or self._rest is not sys.stdin.buffer:
                self._rest.close()


class Lent:
    """A stream in the hands of Arrow, whose threads read it, and ahead.

    They must be done with it before the interpreter ends, which would otherwise hang or abort: a
    thread that needs the interpreter then cannot go on.
    """

    closed = False

    def __init__(self, stream: Pushback, given_back: threading.Event) -> None:
        self.read, self._given_back = stream.read, given_back

    def close(self) -> None:
        """Nothing to do: whoever lent the stream closes it."""

    def __del__(self) -> None:
        self._given_back.set()
