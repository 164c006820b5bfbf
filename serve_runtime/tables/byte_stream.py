"""The bytes of a CSV: from a file, gzip or standard input, with the first lines looked at twice."""

import csv
import gzip
import io
import select
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, TypeVar

import numpy as np

from serve_runtime.errors import InputError
from serve_runtime.tables.formats import STDIO, is_gzip

T = TypeVar("T")

_LINE_BYTES = 1 << 24
"""Most bytes of a line that is looked at: what has no line ends is no CSV, and may have no end."""

_QUOTE = ord('"')

_POLL_MS = 100
_PATIENCE_SECONDS = 5
"""Arrow lets go of a file within milliseconds, unless a read waits that cannot be cancelled."""


def open_bytes(source: str) -> BinaryIO:
    """The bytes of the file `source`, unpacked where it ends in .gz; '-' is standard input."""
    if source == STDIO:
        if sys.stdin is None:
            raise InputError("standard input is closed: give a file, or pipe CSV into the command")
        return _open_stdin()
    if is_gzip(source):
        return gzip.open(source)  # type: ignore[return-value]
    path = Path(source)
    if path.is_fifo() and hasattr(select, "poll"):
        return io.BufferedReader(_Cancellable(io.FileIO(source)))
    return path.open("rb")


def _open_stdin() -> BinaryIO:
    try:
        descriptor = sys.stdin.fileno()
    except OSError:  # a host has put something else in its place
        return sys.stdin.buffer
    if not hasattr(select, "poll"):
        return sys.stdin.buffer
    return io.BufferedReader(_Cancellable(io.FileIO(descriptor, closefd=False)))


class _Cancellable(io.RawIOBase):
    """A pipe whose end `cancel` brings about, also for a read that waits."""

    def __init__(self, pipe: io.FileIO) -> None:
        self._pipe, self._cancelled = pipe, False
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._poll.poll(_POLL_MS):
            if self._cancelled:
                return 0
        return self._pipe.readinto(buffer)

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None:
        self._pipe.close()
        super().close()


class Pushback:
    """A byte stream whose first lines can be looked at and then read again.

    `cancel` brings its end about, whoever reads.
    """

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._head, self._rest, self._cancelled = b"", rest, False
        self.quotes = 0
        """How many quotation marks were read."""
        self._reading = threading.Lock()

    def lines(self) -> Iterator[str]:
        """The lines from here, to be read again by `read` unless `drop_head` says otherwise."""
        while line := self._rest.readline(_LINE_BYTES):
            if len(line) == _LINE_BYTES:
                raise csv.Error(f"a line has more than {_LINE_BYTES:,} bytes: this is no CSV")
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
                found, self._head = self._head[:size], self._head[size:]
            else:
                found = self._rest.read(size)
            self.quotes += int(np.count_nonzero(np.frombuffer(found, np.uint8) == _QUOTE))
            return found

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


@contextmanager
def lending(stream: Pushback) -> Iterator[Callable[[], object]]:
    """A function that makes a file object of `stream`, for Arrow, whose threads read it ahead.

    On leaving, `stream` comes to its end, and whoever holds the file must let go of it. This waits
    for Arrow's threads to let go of it too, and of all that was read: a thread that does so when
    the interpreter has ended hangs, or aborts the process.
    """
    lent, given_back = list[object](), SimpleQueue[object]()

    def lend(thing: T) -> T:
        # Told by C code, so that the thread has nothing left to do in the interpreter then.
        lent.append(weakref.ref(thing, given_back.put))
        while not given_back.empty():
            lent.remove(given_back.get())
        return thing

    try:
        yield lambda: lend(_Lent(stream, lend))
    except BaseException as reason:
        traceback.clear_frames(reason.__traceback__)  # an error of the file itself holds it
        raise
    finally:
        stream.cancel()
        with suppress(Empty):
            while lent:
                lent.remove(given_back.get(timeout=_PATIENCE_SECONDS))


class _Lent:
    """What Arrow needs of a file."""

    closed = False

    def __init__(self, stream: Pushback, lend: Callable[[Any], Any]) -> None:
        self._stream, self._lend = stream, lend

    def read(self, size: int) -> Any:
        """The next bytes, at most `size`, as something to which a weak reference can be."""
        return self._lend(np.frombuffer(self._stream.read(size), np.uint8))

    def close(self) -> None:
        """Nothing to do: whoever lends the stream closes it."""
