"""Open a file, a gzip file, a pipe or standard input as text in UTF-8.

What is in it is told by its first bytes. A read that waits for a pipe can be cancelled.
"""

import codecs
import gzip
import io
import select
import sys
from pathlib import Path
from typing import Any, BinaryIO, cast

from serve_runtime.errors import InputError
from serve_runtime.tables.formats import FIRST_BYTES, STDIO, encoding, is_gzip, other_format

_POLL_MS = 100
"""How often a read that waits for a pipe looks whether it was cancelled."""


def open_bytes(source: str, told: str = "utf-8", *, assumed: bool = False) -> BinaryIO:
    """Open `source` for reading text in UTF-8: a file, or '-' for stdin.

    What begins as gzip does is unpacked, whatever its name; what begins with the byte order mark of
    UTF-16 or UTF-32, or is in the encoding that is `told`, becomes UTF-8. Raises InputError if
    standard input is closed, the bytes are plainly no CSV, or what is told is only `assumed` and
    the text is in UTF-8, here or while it is read; and OSError if the file cannot be opened.
    """
    stream, start = _open_raw(source)
    try:
        if start.startswith(b"\x1f\x8b"):
            stream = cast(BinaryIO, _Unpacked(fileobj=stream))
            start = stream.peek(FIRST_BYTES)[:FIRST_BYTES]  # type: ignore[attr-defined]
            if start.startswith(b"\x1f\x8b"):
                raise gzip.BadGzipFile("it is compressed by gzip twice: unpack it once")
        elif is_gzip(source) and told == "utf-8" and not _is_text(start):
            raise gzip.BadGzipFile("it is named .gz, and is neither gzip nor text")
        if words := other_format(start):
            raise InputError(f"{source} is {words}")
        name = encoding(start) or ("utf-8" if start.startswith(codecs.BOM_UTF8) else told)
        if name != "utf-8":
            stream = io.BufferedReader(_Recoded(stream, name, source if assumed else None))
    except BaseException:
        stream.close()
        raise
    return stream


def _open_raw(source: str) -> tuple[BinaryIO, bytes]:
    """The bytes of `source` as they are, and the first of them."""
    if source == STDIO:
        stdin = _open_stdin()
        return _resumed(stdin, closing=stdin is not sys.stdin.buffer)
    path = Path(source)
    if path.is_fifo() and hasattr(select, "poll"):
        return _resumed(io.BufferedReader(CancellablePipe(io.FileIO(source))))
    stream = path.open("rb")
    if not stream.seekable():
        return _resumed(stream)
    start = stream.read(FIRST_BYTES)
    stream.seek(0)
    return stream, start


def _open_stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("standard input is closed: give a file, or pipe CSV into the command")
    try:
        descriptor = sys.stdin.fileno()
    except OSError:  # sys.stdin was replaced by an object in memory, as test runners do
        return sys.stdin.buffer
    if not hasattr(select, "poll"):
        return sys.stdin.buffer
    return io.BufferedReader(CancellablePipe(io.FileIO(descriptor, closefd=False)))


def _resumed(stream: BinaryIO, *, closing: bool = True) -> tuple[BinaryIO, bytes]:
    """A stream that begins where `stream` does, which cannot be sought, and its first bytes."""
    try:
        start = stream.read(FIRST_BYTES)
    except BaseException:
        if closing:
            stream.close()
        raise
    return io.BufferedReader(_Resumed(start, stream, closing)), start


def _is_text(start: bytes) -> bool:
    """Whether `start` may begin a text, which may be cut inside a character."""
    if encoding(start):
        return True
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        return False


class _Resumed(io.RawIOBase):
    """The bytes `start`, then those that `fileobj` goes on with."""

    def __init__(self, start: bytes, fileobj: BinaryIO, closing: bool) -> None:
        self._start, self.fileobj, self._closing = start, fileobj, closing

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._start[: len(buffer)] or self.fileobj.read1(len(buffer))  # type: ignore[attr-defined]
        self._start = self._start[len(found) :]
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if self._closing:
            self.fileobj.close()
        super().close()


class _Unpacked(gzip.GzipFile):
    """A gzip file that closes the one that it reads."""

    def close(self) -> None:
        below: Any = self.fileobj
        super().close()
        if below is not None:
            below.close()


class _Recoded(io.RawIOBase):
    """The text of `fileobj` in UTF-8. Raises UnicodeDecodeError, with the line, where it is not
    `name`'s; InputError where it is in UTF-8 already, if `doubted` names the file."""

    def __init__(self, fileobj: BinaryIO, name: str, doubted: str | None = None) -> None:
        self.fileobj, self._ready, self._given = fileobj, b"", 0
        self._decoder, self._line = codecs.getincrementaldecoder(name)(), 1
        self._name, self._source = name, doubted
        self._as_utf8 = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        ended = False
        while self._given == len(self._ready) and not ended:
            found = self.fileobj.read1(len(buffer))  # type: ignore[attr-defined]
            ended = not found
            if self._source is not None:
                self._check(found)
            self._ready, self._given = self._decode(found, ended), 0
        count = min(len(buffer), len(self._ready) - self._given)
        buffer[:count] = self._ready[self._given : self._given + count]
        self._given += count
        return count

    def _check(self, found: bytes) -> None:
        """Raise InputError where the first characters beyond ASCII are whole ones of UTF-8: in an
        encoding of one byte a character, hardly any text looks so."""
        try:
            text = self._as_utf8.decode(found)
        except UnicodeDecodeError:
            self._source = None
            return
        if not text.isascii():
            odd = next(character for character in text if not character.isascii())
            raise InputError(
                f"{self._source} is in UTF-8 ({odd!r}), and the model's tables are in "
                f"{self._name}: say --encoding utf-8 (encoding), or --encoding {self._name} if it "
                "is that"
            )

    def _decode(self, found: bytes, ended: bool) -> bytes:
        try:
            text = self._decoder.decode(found, ended)
        except UnicodeDecodeError as reason:
            line = self._line + reason.object[: reason.start].count(b"\n")
            reason.reason += f" (line {line})"
            raise
        self._line += text.count("\n")
        return text.encode("utf-8", "surrogatepass")

    def close(self) -> None:
        self.fileobj.close()
        super().close()


class CancellablePipe(io.RawIOBase):
    """A pipe that reports its end after `cancel`, also to a read that is waiting for data."""

    def __init__(self, pipe: io.FileIO) -> None:
        self._pipe, self._cancelled = pipe, False
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for bytes and put them into `buffer`; how many, 0 at the end or after `cancel`."""
        while not self._poll.poll(_POLL_MS):
            if self._cancelled:
                return 0
        return self._pipe.readinto(buffer)

    def cancel(self) -> None:
        """End the pipe here, also for a read that is waiting in another thread."""
        self._cancelled = True

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()
        super().close()
