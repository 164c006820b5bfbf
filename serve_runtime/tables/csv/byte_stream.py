"""The bytes of a CSV, and its first rows before Arrow parses them.

The first lines are inspected beforehand and then read again, bytes that Arrow cannot read are
rewritten, and a block of bytes holds the end of a row.
"""

import codecs
import csv
import io
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from serve_runtime.tables.csv.quotes import Quotes, count_lines
from serve_runtime.tables.csv.rewrite import Rewritten, needs_rewriting
from serve_runtime.tables.dialect import PLAIN, Dialect
from serve_runtime.tables.open_bytes import CancellablePipe

ROW_BYTES = 1 << 26
"""Longest row that is read. A longer one is no CSV, and an endless one would fill memory."""

TOO_LONG = f"a row has more than {ROW_BYTES:,} bytes, in its value {{}}"
"""The csv.Error of such a row, with the number of the value, from 1."""

_LINE_PART = 1 << 16
"""Bytes that are read at once in search of the end of a line."""

_LINE_END = re.compile(rb"\r\n|\r(?=.)|\n", re.DOTALL)
_QUOTE_OR_LINE_END = {
    b'"': re.compile(rb'["\r\n]'),
    b"'": re.compile(rb"['\r\n]"),
}

SEPARATOR_LINE = re.compile(rb"(?:\xef\xbb\xbf)?sep=(.)(?:\r\n?|\n)")
"""A first line that tells the separator, as Excel understands it. It is no row."""

_FIRST_LINES, _FIRST_BYTES = 64, 1 << 22
"""Lines from which a dialect is recognised: so many, fewer where they are very long."""


class PeekableStream:
    """A byte stream whose first lines can be inspected and are then read again by `read`.

    It is plain CSV unless `use` says another dialect.

    One thread may read while another calls `cancel`, after which the stream is at its end.
    """

    closed = False

    def __init__(self, rest: BinaryIO) -> None:
        self._rest, self._cancelled = rest, False
        self._peeked, self._unseen = bytearray(), bytearray()
        self._dialect, self._quote = PLAIN, PLAIN.quote.encode()
        self._quotes = Quotes()  # in all bytes that `read` returned so far
        self._lines_before = 0  # lines that are no rows, before all others
        self._reading = threading.Lock()

    def first_lines(self) -> tuple[bytes, bool]:
        """The first lines, some 64 of them, as they stand in the file, and whether they are all.
        They are read again. To be called before anything else."""
        rest: Any = self._rest
        while len(self._unseen) < _FIRST_BYTES and self._unseen.count(b"\n") < _FIRST_LINES:
            part = rest.read1(_LINE_PART)
            if not part:
                break
            self._unseen += part
        text = bytes(self._unseen)
        end = b"\n" if b"\n" in text else b"\r"
        lines = text.split(end, _FIRST_LINES)
        if len(lines) > _FIRST_LINES:
            return text[: len(text) - len(lines[-1])], False
        return text, len(text) < _FIRST_BYTES

    def use(self, dialect: Dialect) -> None:
        """Read this dialect: what Arrow cannot read is rewritten from here on, to what it can. To
        be called after `first_lines`, before anything else."""
        if line := SEPARATOR_LINE.match(self._unseen):
            del self._unseen[: line.end()]
            self._lines_before = 1
        self._dialect, self._quote = dialect, dialect.quote.encode()
        self._quotes = Quotes(1 + self._lines_before, dialect)
        if needs_rewriting(dialect):
            start, self._unseen = bytes(self._unseen), bytearray()
            rewritten = Rewritten(start, self._rest, dialect, ROW_BYTES)
            self._rest = io.BufferedReader(rewritten)

    def rows(self, *, peek: bool = False) -> Generator[tuple[list[str], int], None, None]:
        """Each row by the csv module, with the number of its first line, from 1.

        Bytes that are no UTF-8 are kept as Python's surrogate escapes. With `peek`, `read` returns
        the lines again, unless `discard_peeked` is called. Raises csv.Error, "line 5: …", also for
        a row of more than ROW_BYTES.
        """
        before = self._lines_before
        size, line = 0, 1 + before  # of the row that is read

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
            dialect = self._dialect
            reader = csv.reader(lines(), delimiter=dialect.separator, quotechar=dialect.quote)
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
                size, line = 0, before + reader.line_num + 1

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
        self._quotes = Quotes(1 + self._lines_before + count_lines(self._peeked), self._dialect)
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
            if _ends_row(part, quoted, self._quote):
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


def _ends_row(part: bytes, quoted: bool, quote: bytes) -> bool:
    """Whether a line ends in `part` outside of quotation marks; `quoted`: it begins inside."""
    position, marks = 0, _QUOTE_OR_LINE_END[quote]
    while True:
        if quoted:
            position = part.find(quote, position) + 1
            if not position:
                return False
        else:
            found = marks.search(part, position)
            if not found or found[0] != quote:
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
