"""What the tests of several outputs use."""

import subprocess
import sys
from contextlib import contextmanager

from serve_runtime.outputs.new_folder import new_folder


class BlockError(Exception):
    """What a block raises that fails."""


def fail_after_writing(block, error):
    with block as aside:
        (aside / "half" if aside.is_dir() else aside).write_text("half")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_folder(path, content, *, force=False, meanwhile=lambda: None):
    with new_folder(path, marker="marker", force=force) as aside:
        (aside / "marker").write_text(content)
        meanwhile()


@contextmanager
def another_process(code, *arguments):
    """A process that runs `code` up to its `input()`, and ends with SIGKILL after the block."""
    command = [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{code}"]
    with subprocess.Popen(
        [*command, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()
