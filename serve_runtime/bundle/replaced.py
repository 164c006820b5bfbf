"""Read a bundle, or a run, while another process replaces it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

from serve_runtime.bundle.manifest import StrPath
from serve_runtime.errors import ServeError

_T = TypeVar("_T")
_Path = TypeVar("_Path", bound=StrPath)

_TRIES: Final = 50
_PAUSE: Final = 0.002
"""Seconds between two tries. A replacement takes microseconds: all of them together, 0.1 s, are
more than it takes on a busy machine."""


def moved_aside(folder: StrPath) -> str:
    """Where a folder is while another takes its place, on systems that do it by two renames."""
    head, tail = os.path.split(os.path.realpath(folder))
    return os.path.join(head, f".{tail}.part.old")


def read_replaced(location: _Path, read: Callable[[_Path], _T]) -> _T:
    """Return `read(location)`, tried again where what is there was replaced meanwhile.

    Files that are read one after another, from a folder that is replaced in between, do not fit
    together. Raises what `read` raises where nothing was replaced.
    """
    for _ in range(_TRIES):
        before = _identity(location)
        try:
            return read(location)
        except ServeError:
            if _identity(location) == before and not _is_moved_aside(location):
                raise
        time.sleep(_PAUSE)
    return read(location)


def _is_moved_aside(location: StrPath) -> bool:
    try:
        return not os.path.exists(location) and os.path.exists(moved_aside(location))
    except ValueError:  # a name with a NUL, of which there can be no file
        return False


def _identity(location: StrPath) -> tuple[int, int, int] | None:
    """Another value for another file or folder at `location`; None where there is none."""
    try:
        status = os.stat(location)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns
