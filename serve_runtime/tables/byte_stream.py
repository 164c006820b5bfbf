"""The bytes of a CSV, and its first rows before Arrow parses them.

The first rows are inspected beforehand and then read again, a block of bytes holds the end of a row
(`PeekableStream`), and quotation marks by which rows become part of a value are found (`Quotes`).
"""

import codecs
import csv
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
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


_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_AROUND = b",\r\n"
"""Bytes that may stand before a mark that opens a value, and after one that closes it."""

_BESIDE = np.isin(np.arange(256), list(_AROUND + b'"'))  # by byte; a " is half of a pair

NEVER_CLOSED = "a quotation mark opens a {} that no other closes before the file ends"
CLOSED_INSIDE = (
    "a quotation mark opens a {} of several lines, and the next one is followed by other text: is "
    'one missing, or one inside it not doubled ("")?'
)


class PeekableStream:
    """A byte stream whose first lines can be inspected and are then read again by `read`.

    One thread may read while another calls `cancel`, after which the stream is at its end.
    """

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._rest, self._cancelled = rest, False
        self._peeked, self._unseen = bytearray(), bytearray()
        self._quotes = Quotes()  # in all bytes that `read` returned so far
        self._reading = threading.Lock()

    def rows(self, *, peek: bool = False) -> Generator[tuple[list[str], int], None, None]:
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
            reader = csv.reader(lines())
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

    def peeked(self) -> bytes:
        """The lines peeked so far, which `read` will return again."""
        return bytes(self._peeked)

    def discard_peeked(self) -> None:
        """Continue after the lines peeked so far: `read` does not return them.

        It begins with a byte order mark, since Arrow drops one at the beginning of what it reads;
        one that begins the next line is part of a value.
        """
        self._quotes = Quotes(1 + count_lines(self._peeked))
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
            self._quotes.add(found)
            return found

    def swallowed(self) -> tuple[int, str] | None:
        """Where a quotation mark may have made several rows one value, as `Quotes.swallowed` says,
        in all that `read` returned, once it was read to its end."""
        return self._quotes.swallowed()

    def read_block(self, size: int) -> bytes:
        """The next bytes: `size`, and more where no row ends in these, up to about ROW_BYTES.

        Arrow refuses a row that ends neither in the block in which it begins nor in the next one.
        """
        parts, found = list[bytes](), 0
        while found < ROW_BYTES:
            quoted = self._quotes.inside
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


class Quotes:
    """The quotation marks of a CSV that is read in blocks of bytes and begins in line `line`.

    Arrow opens a value at a mark that begins it, closes it at the next one that is not doubled, and
    takes what follows as more of it: if a mark is missing, rows silently become part of a value.
    """

    def __init__(self, line: int = 1) -> None:
        self._line = line  # in which the byte before `_rest` stands
        self._opened: int | None = None  # the line of the mark that has opened the value
        self._rest: bytes | None = None  # the last byte but for the marks after it, and these
        self._found: tuple[int, str] | None = None

    @property
    def inside(self) -> bool:
        """Whether the next byte is inside quotation marks."""
        waiting = len(self._rest) - 1 if self._rest else 0
        return (self._opened is not None) != (waiting % 2 == 1)

    def add(self, block: bytes) -> None:
        """Go on with the next bytes of the file."""
        if self._rest is None:
            block, self._rest = block.removeprefix(codecs.BOM_UTF8), b"\n"
        text = self._rest + block
        end = len(text.rstrip(b'"'))  # what the marks at the end mean, the next bytes tell
        if b'"' in text:
            self._follow(text, np.flatnonzero(np.frombuffer(text, np.uint8, end) == _QUOTE))
        self._line += count_lines(text, 1, end)
        self._rest = text[end - 1 :]

    def swallowed(self) -> tuple[int, str] | None:
        """The line of the first mark that opens a value of several lines which no other closes, or
        one after which text follows, and which of the two it is; None where there is none. To be
        asked when the file has ended."""
        self.add(b"\n")
        if not self._found and self._opened is not None:
            return self._opened, NEVER_CLOSED
        return self._found

    def _follow(self, text: bytes, marks: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> None:
        """Follow the `marks`, positions in `text` other than its first and its last byte."""
        opened = self._opened is not None
        codes = np.frombuffer(text, np.uint8)
        opening, closing = marks[opened::2], marks[1 - opened :: 2]
        if _BESIDE[codes[opening - 1]].all() and _BESIDE[codes[closing + 1]].all():
            # Each mark that opens begins a value or is the second one of a pair: by far the most
            # usual. What is open at the end was opened by the last one that is none of a pair.
            if (len(marks) % 2 == 1) == opened:
                self._opened = None
            elif len(begins := opening[codes[opening - 1] != _QUOTE]):
                self._opened = self._line_at(text, begins[-1])
            return
        begin, following = 0 if opened else None, 0
        for mark in marks.tolist():
            if mark < following:
                continue
            if begin is None:
                begin = mark if text[mark - 1] in _AROUND else None
            elif text[mark + 1] == _QUOTE:
                following = mark + 2
            else:
                if text[mark + 1] not in _AROUND and not self._found:
                    self._closed_inside(text, begin, mark)
                begin = None
        if begin != 0:
            self._opened = None if begin is None else self._line_at(text, begin)

    def _closed_inside(self, text: bytes, begin: int, end: int) -> None:
        """Note a value that more text follows, if it has several lines: it stands from `begin` to
        `end` in `text`, from 0 where it began before."""
        earlier = begin == 0 and self._opened not in (None, self._line)
        if earlier or count_lines(text, max(1, begin), end):
            self._found = (begin == 0 and self._opened) or self._line_at(text, begin), CLOSED_INSIDE

    def _line_at(self, text: bytes, position: int) -> int:
        return self._line + count_lines(text, 1, position)


def count_lines(text: bytes | bytearray, start: int = 0, end: int | None = None) -> int:
    """The number of line ends in `text[start:end]`: \\n, \\r, \\r\\n, which may begin before it."""
    codes = np.frombuffer(text, np.uint8)[max(0, start - 1) : end]
    feeds, first = codes == _LINE_FEED, min(start, 1)
    found = np.count_nonzero(feeds[first:])
    if b"\r" in text:
        returns = codes == _RETURN
        found += np.count_nonzero(returns[first:]) - np.count_nonzero(returns[:-1] & feeds[1:])
    return int(found)
