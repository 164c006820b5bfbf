"""The error for what cannot be written, and the place that a path leads to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve_runtime.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise OutputError, with `path` in its message, for an OSError inside the block."""
    try:
        yield
    except OutputError:  # an OSError too, and its message is complete
        raise
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from reason


def followed(path: Path) -> Path:
    """Where `path` leads: the end of a symbolic link, which stays one when that is replaced.

    The result has a name of its own, whatever `path` ends with: "." and ".." have none.
    """
    if path.is_symlink() or path.name in ("", ".."):
        return Path(os.path.realpath(path))
    return path
