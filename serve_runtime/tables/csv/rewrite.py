"""Rewrite the bytes of a CSV where Arrow cannot read its dialect: blanks around values, and runs of
blanks between them. Lines stay lines, and what stands in quotation marks stays as it is."""

import io
import re
from collections.abc import Callable
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
        self._ended = False

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
        found = self.fileobj.read1(max(_PART_BYTES, len(self._pending)))  # type: ignore[attr-defined]
        self._pending += found
        self._ended = not found
        end = len(self._pending) if self._ended else self._rewrite.end_of_rows(self._pending)
        if not end and len(self._pending) > self._row_bytes:
            rows, self._pending = self._pending, b""
            return rows
        rows, self._pending = self._pending[:end], self._pending[end:]
        return self._rewrite(rows)

    def close(self) -> None:
        """Close the file below."""
        self.fileobj.close()
        super().close()


class Rewriter:
    """Rewrites whole rows of a CSV of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        quote = re.escape(dialect.quote.encode())
        self._quote = dialect.quote.encode()
        inside = rb"%b[^%b]*+(?:%b%b[^%b]*+)*+(%b|\Z)" % ((quote,) * 6)
        if dialect.separator == BLANKS:
            self._plain: Callable[[bytes], bytes] = _one_blank
            self._quoted = re.compile(rb"(?<![^ \t\r\n])" + inside)
            return
        separator = dialect.separator.encode()
        blanks = b" " if separator == b"\t" else b" \t"
        self._plain = _Trimmed(separator, blanks)
        begin = rb"(?<![^%b\r\n])[%b]*" % (re.escape(separator), blanks)
        self._quoted = re.compile(begin + inside)

    def end_of_rows(self, text: bytes) -> int:
        """Where the last whole row of `text` ends, 0 if there is none."""
        end = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
        if self._quote in text[:end]:
            *_, last = None, *self._quoted.finditer(text, 0, end)
            if last and not last[1]:
                return last.start()
        return end

    def __call__(self, rows: bytes) -> bytes:
        """Whole rows, rewritten."""
        end = b"" if rows.endswith((b"\n", b"\r")) else b"\n"
        rows, done, parts = b"\n" + rows + end, 0, []
        if self._quote in rows:
            for found in self._quoted.finditer(rows):
                parts += [self._plain(rows[done : found.start()]), found[0].lstrip(b" \t")]
                done = found.end()
        parts.append(self._plain(rows[done:]))
        return b"".join(parts)[1:].removesuffix(end)


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
