"""Temporary files and folders beside an output, removed by the next run if this one is killed.

The output "scores.csv" is written as ".scores.csv.part"; if another process writes it too, that one
takes ".scores.csv.part2", and so on. Each process holds a lock (flock) on its own. The system gives
a lock up however a process ends, so one that nobody holds is a leftover. Where there are no locks
(Windows; NFS has none for folders, and some servers have none at all) leftovers stay.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from itertools import count
from pathlib import Path

from serve_runtime.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_HAS_LOCKS: bool = fcntl is not None

_LOOKED_AT = 8
"""So many names are looked at for leftovers, even where the ones before are free."""


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """Make an empty file beside `target`, with the mode of any new file; removed on leaving.

    What killed processes left of theirs is removed first. Raises OSError.
    """

    def make(path: Path) -> int | None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _HAS_LOCKS:
            return handle
        os.close(handle)  # Windows renames no file that is open
        return None

    with _locked_temporary(target, make, alone=False) as path:
        yield path


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Make an empty folder beside `target`, with the mode of any new folder; removed on leaving.

    What killed processes left of theirs is removed first. Raises OSError, and OutputError where
    another process is about to write the folder `target`.
    """

    def make(path: Path) -> int | None:
        path.mkdir()
        return os.open(path, os.O_RDONLY) if _HAS_LOCKS else None

    with _locked_temporary(target, make, alone=True) as path:
        yield path


def remove_leftovers(target: Path) -> None:
    """Remove what killed processes left that were about to write `target`."""
    for number, path in enumerate(_names(target)):
        if _clear(path) is _State.FREE and number >= _LOOKED_AT:
            return


def remove_folder(folder: Path) -> None:
    """Remove the folder with what is in it, as far as permitted; even if it is read-only."""
    for path, _, _ in os.walk(folder):
        with suppress(OSError):
            Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Lock the folder while the block runs; gives False if another process has locked it.

    Where there are no locks it gives True: nothing is known of others.
    """
    handle = os.open(folder, os.O_RDONLY) if _HAS_LOCKS else None
    try:
        yield handle is None or _lock(handle) is not False
    finally:
        _release(handle)


def _names(target: Path) -> Iterator[Path]:
    """The names that temporary files and folders beside `target` have."""
    yield target.with_name(f".{target.name}.part")
    for number in count(2):
        yield target.with_name(f".{target.name}.part{number}")


@contextmanager
def _locked_temporary(
    target: Path, make: Callable[[Path], int | None], *, alone: bool
) -> Iterator[Path]:
    """Give the first free path that `make` can make, locked; remove what is made on leaving.

    With `alone`, raises OutputError where another process has locked one of them.
    """
    remove_leftovers(target)
    path = None
    while path is None:  # until no other process took a new one for a leftover, before its lock
        path, handle = _make_first_free(target, make, alone=alone)
    made = os.lstat(path)
    try:
        yield path
    finally:
        with suppress(OSError):
            # Once it is renamed, another process may have one of the same name.
            if os.path.samestat(made, os.lstat(path)):
                _remove(path)
        _release(handle)


def _make_first_free(
    target: Path, make: Callable[[Path], int | None], *, alone: bool
) -> tuple[Path | None, int | None]:
    """Make and lock the first free one: its path and open handle; no path if it was lost again."""
    for path in _names(target):
        state = _clear(path)
        while state is _State.FREE and os.path.lexists(path):  # another process was faster
            state = _clear(path)
        if state is _State.IN_USE and alone:
            raise OutputError(
                f"another process is writing {target}: wait until it ends, or choose another name"
            )
        if state is not _State.FREE:
            continue
        try:
            handle = make(path)
        except FileExistsError:
            return None, None
        if handle is None or (_lock(handle) is not False and _is_at(handle, path)):
            return path, handle
        os.close(handle)
        return None, None
    raise AssertionError("there is no end of names")


class _State(Enum):
    """What is known of a temporary file or folder of some process."""

    FREE = auto()
    """There is none, or it was a leftover and was removed."""
    IN_USE = auto()
    """A process has locked it."""
    UNKNOWN = auto()
    """It cannot be locked, or not be removed, or is nothing that this module makes."""


def _clear(path: Path) -> _State:
    """Remove what is at `path` if no process has locked it."""
    if not os.path.lexists(path):
        return _State.FREE
    if not _HAS_LOCKS or path.is_symlink() or not (path.is_file() or path.is_dir()):
        return _State.UNKNOWN if os.path.lexists(path) else _State.FREE
    # NFS locks only what is open for writing.
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return _State.FREE
    except OSError:
        return _State.UNKNOWN
    try:
        free = _lock(handle)
        if free is False:
            return _State.IN_USE
        if free and _is_at(handle, path):
            with suppress(OSError):
                _remove(path)
        return _State.UNKNOWN if _is_at(handle, path) else _State.FREE
    finally:
        os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock what is open as `handle`: False if another process has; None if there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _release(handle: int | None) -> None:
    """Close `handle`, and give up its lock even where a forked process holds the handle too."""
    if handle is not None:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_folder(path)
    else:
        path.unlink(missing_ok=True)
