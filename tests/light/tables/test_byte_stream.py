"""What the bytes of a CSV come from: pipes that wait, and files without an end of line."""

import gzip
import os
import threading
import time
from contextlib import suppress

import pytest

from serve_runtime import InputError, Predictor

pytest.importorskip("pyarrow")

from light.helpers import TINY
from serve_runtime import score_file
from serve_runtime.tables.byte_stream import _LINE_BYTES


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
        with pytest.raises(InputError, match="x2 \\('no' is no number\\)"):
            score_file(Predictor(TINY), path, tmp_path / "out.csv")
        assert not told.is_set()
        assert time.monotonic() - start < 20
    finally:
        told.set()
        writer.join(30)


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
def test_a_file_without_line_ends_is_not_read_to_its_end(tmp_path, name):
    content = b"x" * (2 * _LINE_BYTES)
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)
    with pytest.raises(InputError, match=r"in.csv.*: a line has more than 16,777,216 bytes"):
        score_file(Predictor(TINY), tmp_path / name, tmp_path / "out.csv")
