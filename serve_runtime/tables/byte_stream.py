"""The bytes of a CSV from a file, a gzip file, a pipe or standard input.

Reading a CSV needs three things beyond `open`: the first lines are inspected before Arrow parses
them (`PeekableStream`), a read that waits for a pipe can be cancelled (`_CancellablePipe`), and
Arrow's reader threads must have let go of a Python file before the interpreter ends
(`readable_by_arrow`).
"""

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
"""Longest line that is inspected. A longer one is no CSV, and an endless one would fill memory."""

_QUOTE = ord('"')

_POLL_MS = 100
"""How often a read that waits for a pipe looks whether it was cancelled."""

_RELEASE_SECONDS = 5
"""How long to wait for Arrow to release a file. It takes milliseconds, unless one of its threads
sits in a read that cannot be cancelled."""


def open_bytes(source: str) -> BinaryIO:
    """Open `source` for reading bytes: a file (unpacked if it ends in .gz), or '-' for stdin.

    Raises InputError if standard input is closed, and OSError if the file cannot be opened.
    """
    if source == STDIO:
        if sys.stdin is None:
            raise InputError("standard input is closed: give a file, or pipe CSV into the command")
        return _open_stdin()
    if is_gzip(source):
        return gzip.open(source)  # type: ignore[return-value]
    path = Path(source)
    if path.is_fifo() and hasattr(select, "poll"):
        return io.BufferedReader(_CancellablePipe(io.FileIO(source)))
    return path.open("rb")


def _open_stdin() -> BinaryIO:
    try:
        descriptor = sys.stdin.fileno()
    except OSError:  # sys.stdin was replaced by an object in memory, as test runners do
        return sys.stdin.buffer
    if not hasattr(select, "poll"):
        return sys.stdin.buffer
    return io.BufferedReader(_CancellablePipe(io.FileIO(descriptor, closefd=False)))


class _CancellablePipe(io.RawIOBase):
    """A pipe that reports its end after `cancel`, also to a read that is waiting for data."""

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


class PeekableStream:
    """A byte stream whose first lines can be inspected and are then read again by `read`.

    One thread may read while another calls `cancel`, after which the stream is at its end.
    """

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._peeked, self._rest, self._cancelled = b"", rest, False
        self.quote_count = 0
        """Number of quotation marks in all bytes that `read` returned so far."""
        self._reading = threading.Lock()

    def peek_lines(self) -> Iterator[str]:
        """The next lines as text. `read` returns them again, unless `discard_peeked` is called.

        Raises csv.Error for a line of more than 16 MiB, UnicodeDecodeError if it is not UTF-8.
        """
        while line := self._rest.readline(_LINE_BYTES):
            if len(line) == _LINE_BYTES:
                raise csv.Error(f"a line has more than {_LINE_BYTES:,} bytes: this is no CSV")
            self._peeked += line
            yield line.decode("utf-8-sig" if len(self._peeked) == len(line) else "utf-8")

    def peeked_text(self) -> str:
        """The lines peeked so far."""
        return self._peeked.decode("utf-8-sig")

    def peeked_bytes(self) -> int:
        """Number of peeked bytes, which `read` will return again."""
        return len(self._peeked)

    def discard_peeked(self) -> None:
        """Continue after the lines peeked so far: `read` does not return them."""
        self._peeked = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; empty at the end or after `cancel`."""
        with self._reading:
            if self._cancelled:
                return b""
            if self._peeked:
                found, self._peeked = self._peeked[:size], self._peeked[size:]
            else:
                found = self._rest.read(size)
            self.quote_count += int(np.count_nonzero(np.frombuffer(found, np.uint8) == _QUOTE))
            return found

    def cancel(self) -> None:
        """End the stream here, also for a read that is waiting in another thread."""
        self._cancelled = True
        raw = getattr(self._rest, "raw", None)
        if isinstance(raw, _CancellablePipe):
            raw.cancel()

    def close(self) -> None:
        """Cancel, wait until no thread reads any more, and close the file (but not stdin)."""
        self.closed = True
        self.cancel()
        with self._reading:
            if sys.stdin is None or self._rest is not sys.stdin.buffer:
                self._rest.close()


@contextmanager
def readable_by_arrow(stream: PeekableStream) -> Iterator[Callable[[], object]]:
    """Give a function that makes a Python file object of `stream` for Arrow to read.

    Arrow reads ahead in threads of its own and drops its references to the file, and to the bytes
    read from it, whenever those threads get to it. If that happens after the interpreter has
    ended, the process hangs or aborts. So leaving the block ends `stream` and waits until every
    object that Arrow was given is freed; the caller must have dropped its own references by then
    (which is why this gives a function and not the file itself).
    """
    held, freed = list[object](), SimpleQueue[object]()

    def track(thing: T) -> T:
        # The queue's put is C code: no Python code has to run in Arrow's thread at that moment.
        held.append(weakref.ref(thing, freed.put))
        while not freed.empty():
            held.remove(freed.get())
        return thing

    try:
        yield lambda: track(_ArrowFile(stream, track))
    except BaseException as reason:
        traceback.clear_frames(reason.__traceback__)  # the traceback's frames refer to the file
        raise
    finally:
        stream.cancel()
        with suppress(Empty):
            while held:
                held.remove(freed.get(timeout=_RELEASE_SECONDS))


class _ArrowFile:
    """The methods of a file that Arrow calls, with every result tracked until it is freed."""

    closed = False

    def __init__(self, stream: PeekableStream, track: Callable[[Any], Any]) -> None:
        self._stream, self._track = stream, track

    def read(self, size: int) -> Any:
        """The next bytes, at most `size`, as an array: bytes cannot be weakly referenced."""
        return self._track(np.frombuffer(self._stream.read(size), np.uint8))

    def close(self) -> None:
        """Do nothing: the stream is closed by the code that opened it."""
