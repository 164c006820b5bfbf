"""The bytes of a CSV, and its first rows before Arrow parses them.

The first rows are inspected beforehand and then read again, a block of bytes holds the end of a row
(`PeekableStream`), and Arrow's reader threads must have let go of a Python file before the
interpreter ends (`readable_by_arrow`).
"""

import codecs
import csv
import re
import threading
import traceback
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, TypeVar

import numpy as np

from serve_runtime.tables.open_bytes import CancellablePipe

T = TypeVar("T")

ROW_BYTES = 1 << 26
"""Longest row that is read. A longer one is no CSV, and an endless one would fill memory."""

TOO_LONG = f"a row has more than {ROW_BYTES:,} bytes, in its value {{}}"
"""The csv.Error of such a row, with the number of the value, from 1."""

_LINE_PART = 1 << 16
"""Bytes that are read at once in search of the end of a line."""

_LINE_END = re.compile(rb"\r\n|\r(?=.)|\n", re.DOTALL)
_QUOTE_OR_LINE_END = re.compile(rb'["\r\n]')
_QUOTE = ord('"')

_RELEASE_SECONDS = 5
"""How long to wait for Arrow to release a file. It takes milliseconds, unless one of its threads
sits in a read that cannot be cancelled."""


class PeekableStream:
    """A byte stream whose first lines can be inspected and are then read again by `read`.

    One thread may read while another calls `cancel`, after which the stream is at its end.
    """

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._rest, self._cancelled = rest, False
        self._peeked, self._unseen = bytearray(), bytearray()
        self.quote_count = 0
        """Number of quotation marks in all bytes that `read` returned so far."""
        self._reading = threading.Lock()

    def rows(
        self, *, peek: bool = False, strict: bool = False
    ) -> Generator[tuple[list[str], int], None, None]:
        """Each row by the csv module, with the number of its first line, from 1.

        Bytes that are no UTF-8 are kept as Python's surrogate escapes. With `peek`, `read` returns
        the lines again, unless `discard_peeked` is called. Raises csv.Error, "line 5: …", also for
        a row of more than ROW_BYTES.
        """
        size, line = 0, 1  # of the row that is read

        def lines() -> Iterator[str]:
            nonlocal size
            mark = codecs.BOM_UTF8
            while size <= ROW_BYTES and (found := self._line(size)):
                size += len(found)
                if peek:
                    self._peeked += found
                yield found.removeprefix(mark).decode("utf-8", "surrogateescape")
                mark = b""

        with _values_of_any_length():
            reader = csv.reader(lines(), strict=strict)
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as reason:
                    raise csv.Error(f"line {line}: {reason}") from None
                if row is None:
                    return
                if size > ROW_BYTES:
                    raise csv.Error(f"line {line}: {TOO_LONG.format(len(row))}")
                yield row, line
                size, line = 0, reader.line_num + 1

    def _line(self, before: int) -> bytes:
        """The next line with its end, \\n, \\r\\n or \\r; a part of one that, with the `before`
        bytes of its row that were before, has more than ROW_BYTES."""
        start = 0
        while not (end := _LINE_END.search(self._unseen, start)):
            part = self._rest.readline(_LINE_PART)
            start = max(0, len(self._unseen) - 1)
            self._unseen += part
            if not part or before + len(self._unseen) > ROW_BYTES:
                break
        stop = end.end() if end else len(self._unseen)
        line = bytes(self._unseen[:stop])
        del self._unseen[:stop]
        return line

    def peeked_text(self) -> str:
        """The lines peeked so far."""
        return bytes(self._peeked).removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")

    def peeked_bytes(self) -> int:
        """Number of peeked bytes, which `read` will return again."""
        return len(self._peeked)

    def discard_peeked(self) -> None:
        """Continue after the lines peeked so far: `read` does not return them.

        It begins with a byte order mark, since Arrow drops one at the beginning of what it reads;
        one that begins the next line is part of a value.
        """
        self._peeked = bytearray(codecs.BOM_UTF8)

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; empty at the end or after `cancel`."""
        with self._reading:
            if self._cancelled:
                return b""
            if self._peeked or self._unseen:
                self._peeked += self._unseen
                self._unseen.clear()
                found = bytes(self._peeked[:size])
                del self._peeked[: len(found)]
            else:
                found = self._rest.read(size)
            self.quote_count += int(np.count_nonzero(np.frombuffer(found, np.uint8) == _QUOTE))
            return found

    def read_block(self, size: int) -> bytes:
        """The next bytes: `size`, and more where no row ends in these, up to about ROW_BYTES.

        Arrow refuses a row that ends neither in the block in which it begins nor in the next one.
        """
        parts, found = list[bytes](), 0
        while found < ROW_BYTES:
            quoted = self.quote_count % 2 == 1
            if not (part := self.read(size)):
                break
            parts.append(part)
            found += len(part)
            if _ends_row(part, quoted):
                break
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def cancel(self) -> None:
        """End the stream here, also for a read that is waiting in another thread."""
        self._cancelled = True
        below: Any = self._rest
        while below is not None:
            if isinstance(below, CancellablePipe):
                below.cancel()
            below = getattr(below, "raw", None) or getattr(below, "fileobj", None)

    def close(self) -> None:
        """Cancel, wait until no thread reads any more, and close the file (but not stdin)."""
        self.closed = True
        self.cancel()
        with self._reading:
            self._rest.close()


def _ends_row(part: bytes, quoted: bool) -> bool:
    """Whether a line ends in `part` outside of quotation marks; `quoted`: it begins inside."""
    position = 0
    while True:
        if quoted:
            position = part.find(b'"', position) + 1
            if not position:
                return False
        else:
            found = _QUOTE_OR_LINE_END.search(part, position)
            if not found or found[0] != b'"':
                return found is not None
            position = found.end()
        quoted = not quoted


_limit_lock = threading.RLock()  # a garbage collection may end a generator in the block
_limit_users = 0
_limit_before = 0


@contextmanager
def _values_of_any_length() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a value, which is the whole process's, as
    long as at least one thread is in the block."""
    global _limit_users, _limit_before
    with _limit_lock:
        if not _limit_users:
            _limit_before = csv.field_size_limit(max(csv.field_size_limit(), 2 * ROW_BYTES))
        _limit_users += 1
    try:
        yield
    finally:
        with _limit_lock:
            _limit_users -= 1
            if not _limit_users:
                csv.field_size_limit(_limit_before)


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
        """The next `size` bytes, or more: see `PeekableStream.read_block`. As an array, since bytes
        cannot be weakly referenced."""
        return self._track(np.frombuffer(self._stream.read_block(size), np.uint8))

    def close(self) -> None:
        """Do nothing: the stream is closed by the code that opened it."""
