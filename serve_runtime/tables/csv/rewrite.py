"""Rewrite the bytes of a CSV where Arrow cannot read its dialect: blanks around values, and runs of
blanks between them. Lines stay lines, and what stands in quotation marks stays as it is."""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from serve_runtime.tables.dialect import BLANKS, Dialect

_PART_BYTES = 1 << 20
"""Bytes that are read and rewritten at once."""


def needs_rewriting(dialect: Dialect) -> bool:
    """Whether Arrow, or the csv module, cannot read this dialect as it is."""
    return dialect.trim or dialect.separator == BLANKS


class Rewritten(io.RawIOBase):
    """The bytes `start`, and those that `fileobj` goes on with, rewritten.

    A row of more than `row_bytes` is passed on as it is: who reads it refuses it.
    """

    def __init__(self, start: bytes, fileobj: BinaryIO, dialect: Dialect, row_bytes: int) -> None:
        self.fileobj, self._pending, self._row_bytes = fileobj, start, row_bytes
        self._rewrite = Rewriter(dialect)
        self._ready, self._given = b"", 0
        self._started = self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Put the next bytes into `buffer`; how many, 0 at the end."""
        while self._given == len(self._ready) and not self._ended:
            self._ready, self._given = self._next(), 0
        count = min(len(buffer), len(self._ready) - self._given)
        buffer[:count] = self._ready[self._given : self._given + count]
        self._given += count
        return count

    def _next(self) -> bytes:
        """The next rows, rewritten; empty while no row has ended."""
        if self._started:  # what was there before is passed on without waiting for more
            size = max(_PART_BYTES, len(self._pending))  # twice as much until a row ends
            found = self.fileobj.read1(size)  # type: ignore[attr-defined]
            self._pending += found
            self._ended = not found
        self._started = True
        rows, self._pending = self._rewrite(self._pending, self._ended)
        if not rows and len(self._pending) > self._row_bytes:
            rows, self._pending = self._pending, b""
        return rows

    def close(self) -> None:
        """Close the file below."""
        self.fileobj.close()
        super().close()


class Rewriter:
    """Rewrites whole rows of a CSV of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._quote = dialect.quote.encode()
        mark = re.escape(self._quote)
        self._quoted = re.compile(rb"%b[^%b]*+(?:%b%b[^%b]*+)*+(%b|\Z)" % ((mark,) * 6))
        if dialect.separator == BLANKS:
            self._plain: Callable[[bytes], bytes] = _one_blank
            self._around, self._blanks = b" \t\r\n", b""
            return
        separator = dialect.separator.encode()
        self._blanks = b" " if separator == b"\t" else b" \t"
        self._plain = _Trimmed(separator, self._blanks)
        self._around = separator + b"\r\n"

    def __call__(self, text: bytes, whole: bool = True) -> tuple[bytes, bytes]:
        """The rows of `text`, which begins with one, rewritten, and what follows the last whole
        one; nothing does where it is the `whole` file."""
        end = len(text) if whole else text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
        ending = b"\n" if whole and not text.endswith((b"\n", b"\r")) else b""
        rows = b"\n" + text[:end] + ending
        values = list(self._quoted_values(rows)) if self._quote in rows else []
        if values and not whole and not values[-1][2]:  # the last one is open
            end = values.pop()[0] - 1
            rows = rows[: end + 1]
        rewritten = self._rewrite(rows, values)[1:]
        return rewritten.removesuffix(ending), text[end:]

    def _quoted_values(self, rows: bytes) -> Iterator[tuple[int, int, int]]:
        """Of each quoted value: where the blanks before it begin, where it begins, and where it
        ends, 0 if nothing closes it."""
        begin = rows.find(self._quote)
        while begin > 0:
            before = begin
            while rows[before - 1] in self._blanks:
                before -= 1
            end = begin + 1
            if rows[before - 1] in self._around:
                found = self._quoted.match(rows, begin)
                assert found
                yield before, begin, found.end() if found[1] else 0
                end = found.end()
            begin = rows.find(self._quote, end)

    def _rewrite(self, rows: bytes, values: list[tuple[int, int, int]]) -> bytes:
        """The rows, rewritten but for the quoted `values` in them."""
        if not values:
            return self._plain(rows)
        stand_in = b"\xff"  # for each of them, so that what is between is rewritten at once
        while stand_in in rows:
            stand_in += b"\xff"
        done, between, quoted = 0, [], []
        for before, begin, end in values:
            between.append(rows[done:before])
            done = end or len(rows)
            quoted.append(rows[begin:done])
        between.append(rows[done:])
        parts = self._plain(stand_in.join(between)).split(stand_in)
        return b"".join(part for pair in zip(parts, [*quoted, b""], strict=True) for part in pair)


class _Trimmed:
    """Removes blanks beside separators and line ends in text without quotation marks."""

    def __init__(self, separator: bytes, blanks: bytes) -> None:
        self._edges, self._blanks = (separator, b"\n", b"\r"), blanks

    def __call__(self, text: bytes) -> bytes:
        edges = [edge for edge in self._edges if edge in text]
        blanks = [bytes([blank]) for blank in self._blanks if blank in text]
        size = -1
        while size != len(text):
            size = len(text)
            for edge in edges:
                for blank in blanks:
                    text = text.replace(edge + blank, edge).replace(blank + edge, edge)
        return text


def _one_blank(text: bytes) -> bytes:
    """Text without quotation marks with one blank for each run of them, and none around a line."""
    text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\t", b" ")
    size = -1
    while size != len(text):
        size = len(text)
        text = text.replace(b"  ", b" ")
    return text.replace(b" \n", b"\n").replace(b"\n ", b"\n")
