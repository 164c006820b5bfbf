"""Follow the quotation marks of a CSV, to find rows that a missing one makes part of a value."""

import codecs
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from serve_runtime.tables.dialect import PLAIN, Dialect

_LINE_FEED, _RETURN = b"\n\r"

NEVER_CLOSED = "a quotation mark opens a {} that no other closes before the file ends"
CLOSED_INSIDE = (
    "a quotation mark opens a {} of several lines, and the next one is followed by other text: is "
    'one missing, or one inside it not doubled ("")?'
)


@lru_cache
def _beside(around: bytes, quote: bytes) -> npt.NDArray[np.bool_]:
    """For each byte, whether it may stand beside a mark: `around` a value, or half of a pair."""
    return np.isin(np.arange(256), list(around + quote))


class Quotes:
    """The quotation marks of a CSV that is read in blocks of bytes and begins in line `line`.

    Arrow opens a value at a mark that begins it, closes it at the next one that is not doubled, and
    takes what follows as more of it: if a mark is missing, rows silently become part of a value.
    """

    def __init__(self, line: int = 1, dialect: Dialect = PLAIN) -> None:
        self._mark = dialect.quote.encode()
        # Bytes that may stand before a mark that opens a value, and after one that closes it.
        self._around = dialect.separator.encode() + b"\r\n"
        self._beside = _beside(self._around, self._mark)
        self._closed = CLOSED_INSIDE.replace('""', 2 * dialect.quote)
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
        end = len(text.rstrip(self._mark))  # what the marks at the end mean, the next bytes tell
        if self._mark in text:
            codes = np.frombuffer(text, np.uint8, end)
            self._follow(text, np.flatnonzero(codes == self._mark[0]))
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

    def _follow(self, text: bytes, marks: npt.NDArray[np.intp]) -> None:
        """Follow the `marks`, positions in `text` other than its first and its last byte."""
        opened = self._opened is not None
        codes, beside, quote = np.frombuffer(text, np.uint8), self._beside, self._mark[0]
        opening, closing = marks[opened::2], marks[1 - opened :: 2]
        if beside[codes[opening - 1]].all() and beside[codes[closing + 1]].all():
            # Each mark that opens begins a value or is the second one of a pair: by far the most
            # usual. What is open at the end was opened by the last one that is none of a pair.
            if (len(marks) % 2 == 1) == opened:
                self._opened = None
            elif len(begins := opening[codes[opening - 1] != quote]):
                self._opened = self._line_at(text, begins[-1])
            return
        begin, following = 0 if opened else None, 0
        for mark in marks.tolist():
            if mark < following:
                continue
            if begin is None:
                begin = mark if text[mark - 1] in self._around else None
            elif text[mark + 1] == quote:
                following = mark + 2
            else:
                if text[mark + 1] not in self._around and not self._found:
                    self._closed_inside(text, begin, mark)
                begin = None
        if begin != 0:
            self._opened = None if begin is None else self._line_at(text, begin)

    def _closed_inside(self, text: bytes, begin: int, end: int) -> None:
        """Note a value that more text follows, if it has several lines: it stands from `begin` to
        `end` in `text`, from 0 where it began before."""
        earlier = begin == 0 and self._opened not in (None, self._line)
        if earlier or count_lines(text, max(1, begin), end):
            self._found = (begin == 0 and self._opened) or self._line_at(text, begin), self._closed

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
