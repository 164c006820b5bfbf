"""Outputs that are written to directly: streams that are open already, pipes, and devices.

There is no file that a complete one could take the place of.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO

from serve_runtime.outputs.writing import writing

_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(rf"/(?:dev|proc/(?:self|thread-self|{os.getpid()}))/fd/(\d+)", re.ASCII)
_MOST_LINKS = 40
"""As many as Linux follows."""


def is_direct(path: Path) -> bool:
    """Whether `path` is an open stream, a pipe, a device or a socket: no file, and no folder."""
    with writing(path):  # OutputError for a name that is too long, for example
        special = path.exists() and not path.is_file() and not path.is_dir()
    return special or open_stream(path) is not None


def open_stream(path: Path) -> int | None:
    """The file descriptor that `path` stands for, such as 1 for /dev/stdout; else None.

    What a shell has opened as one, to append to say, is lost if it is opened by its name again.
    """
    name = os.path.normpath(path.absolute())
    for _ in range(_MOST_LINKS):
        if name in _STREAMS:
            return _STREAMS[name]
        if found := _DESCRIPTOR.fullmatch(name):
            return int(found[1])
        try:
            name = os.path.normpath(Path(name).parent / Path(name).readlink())
        except OSError:  # it is no link
            return None
    return None


def is_stdout(path: Path) -> bool:
    """Whether `path` is '-' or a name of standard output, such as /dev/stdout."""
    return str(path) == "-" or open_stream(path) == _STREAMS["/dev/stdout"]


def open_direct(path: Path) -> BinaryIO:
    """Open `path`, for which `is_direct` holds, to be written. Raises OSError."""
    stream = open_stream(path)
    return path.open("wb") if stream is None else os.fdopen(os.dup(stream), "wb")
