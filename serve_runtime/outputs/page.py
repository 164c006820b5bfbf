"""Write a page to where a command was told to."""

import sys
from pathlib import Path

from serve_runtime.errors import OutputError
from serve_runtime.outputs.direct import is_direct, is_stdout, open_direct
from serve_runtime.outputs.new_file import Notice, new_file, silent


def write_page(path: Path, content: bytes, *, notice: Notice = silent) -> None:
    """Write `content` to the file `path`, whole or not at all, or directly to standard output, a
    pipe or a device.

    Raises OutputError, and BrokenPipeError if the program that reads it has ended.
    """
    if is_stdout(path):
        if sys.stdout is None:
            raise OutputError("standard output is closed: name a file with -o")
        path = Path("/dev/stdout")
    if not is_direct(path):
        with new_file(path, notice=notice) as temporary:
            temporary.write_bytes(content)
        return
    try:
        with open_direct(path) as stream:
            stream.write(content)
    except BrokenPipeError:
        raise
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from reason
