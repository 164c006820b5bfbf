import contextlib
import os
import re
import subprocess
import sys

import pytest

from light.helpers import TINY


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_a_terminal_shows_progress_and_is_left_clean(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.csv").write_text("x1,x2\n" + "1,2\n" * 600_000)
    controller, terminal = os.openpty()
    # A line after every batch: how many there are does not depend on the machine's speed.
    program = (
        "from serve_runtime import cli; from serve_runtime.commands import progress\n"
        "progress.SECONDS_BETWEEN_LINES = 0; cli.main()"
    )
    command = [sys.executable, "-c", program, "score", TINY, "data", "-o", "out.csv"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while more := os.read(controller, 1 << 16):
                shown += more
    os.close(controller)
    assert process.returncode == 0
    assert re.search(rb"\r\x1b\[K[\d,]+ rows, [01] of 2 files, [\d,]+ rows/s", shown)
    told = b"1,200,000 rows scored into out.csv: 0 (0.0%) labelled 1\r\n"
    assert shown.endswith(b"\r\x1b[K" + told + b"all rows lie within the training ranges\r\n")
