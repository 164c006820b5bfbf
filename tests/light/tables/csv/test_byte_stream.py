"""What the bytes of a CSV come from: pipes that wait, and files without an end of line."""

import gzip
import io
import os
import select
import threading
import time
from contextlib import suppress

import pytest

from serve_runtime import InputError, Predictor

pytest.importorskip("pyarrow")

from light.helpers import TINY
from serve_runtime import score_file
from serve_runtime.tables.csv.byte_stream import ROW_BYTES, PeekableStream
from serve_runtime.tables.open_bytes import open_bytes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_an_error_does_not_wait_for_who_writes_a_named_pipe(tmp_path):
    path, told = tmp_path / "pipe.csv", threading.Event()
    os.mkfifo(path)

    def write():
        with suppress(BrokenPipeError), path.open("w") as pipe:
            pipe.write("x1,x2\n" + "1,2\n" * 200 + "1,no\n" + "1,2\n" * 2_000_000)
            pipe.flush()
            told.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        start = time.monotonic()
        with pytest.raises(InputError, match="'x2' \\('no' is no number\\)"):
            score_file(Predictor(TINY), path, tmp_path / "out.csv")
        assert not told.is_set()
        assert time.monotonic() - start < 20
    finally:
        told.set()
        writer.join(30)


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
def test_a_file_without_line_ends_is_not_read_to_its_end(tmp_path, name):
    content = b"x" * (ROW_BYTES + (1 << 20))
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)
    with pytest.raises(
        InputError, match=r", line 1, column 1: a row has more than 67,108,864 bytes"
    ):
        score_file(Predictor(TINY), tmp_path / name, tmp_path / "out.csv")


def test_peeked_lines_are_read_again_unless_discarded():
    content = b"\xef\xbb\xbfx1,x2\n\xc3\xa4,2\n3,4\n"
    stream = PeekableStream(io.BytesIO(content))
    rows = stream.rows(peek=True)
    assert next(rows) == (["x1", "x2"], 1)
    stream.discard_peeked()
    assert (next(rows), len(stream.peeked())) == ((["ä", "2"], 2), 8)
    assert (stream.read(5), len(stream.peeked())) == (b"\xef\xbb\xbf\xc3\xa4", 3)
    assert (stream.read(100), stream.read(100), stream.read(100)) == (b",2\n", b"3,4\n", b"")


def test_a_cancelled_stream_is_at_its_end():
    stream = PeekableStream(io.BytesIO(b'"a"\n1\n'))
    assert stream.read(4) == b'"a"\n'
    stream.cancel()
    assert stream.read(4) == b""


@pytest.mark.skipif(not hasattr(select, "poll"), reason="pipes cannot be polled here")
def test_cancel_ends_a_read_that_waits_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"a,b\n1,2\n3,4\n5,6\n")
    stream = PeekableStream(open_bytes(str(tmp_path / "pipe")))
    assert stream.read(16) == b"a,b\n1,2\n3,4\n5,6\n"
    threading.Timer(0.1, stream.cancel).start()
    try:
        assert stream.read(4) == b""
    finally:
        stream.close()
        os.close(writer)
