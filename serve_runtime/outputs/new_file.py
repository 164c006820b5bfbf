"""Write a file that appears complete or not at all.

It is written under a temporary name beside its destination and renamed when it is complete.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serve_runtime.outputs.attributes import keep_attributes
from serve_runtime.outputs.keep_beside import keep_beside
from serve_runtime.outputs.rename import rename_new
from serve_runtime.outputs.temporary import temporary_file
from serve_runtime.outputs.writing import followed, writing

Notice = Callable[[str], object]
"""Takes a line for a person."""

_NO_RENAME = (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES)
"""Errors of a rename to a file that may be written all the same: it is a mount point, or belongs to
somebody else in a folder with the sticky bit."""


def silent(_: str) -> None:
    """A Notice that tells nobody."""


@contextmanager
def new_file(path: Path, *, replace: bool = True, notice: Notice = silent) -> Iterator[Path]:
    """Give the path of an empty temporary file, to be written in the block.

    When the block succeeds, the file is renamed to `path`, or to where `path` leads if it is a
    symbolic link. It takes the place of a file that was there, and its mode, owner and group as far
    as permitted. A file that cannot be replaced but can be written, such as a mount point or one in
    a folder that may not be changed, is written in place, and `notice` gets a line that says so.
    When the block fails, the temporary file is removed and nothing has changed.

    Without `replace`, what is at `path` is left as it is: the new file is kept beside it, and
    KeptBesideError says where. Raises OutputError if the file cannot be made or written.

        with new_file(Path("scores.csv")) as temporary:
            temporary.write_text("…")
    """
    with writing(path):
        target = followed(path)
        closed = target.is_file() and not os.access(target.parent, os.W_OK | os.X_OK)
        place = Path(tempfile.gettempdir(), target.name) if closed else target
        with temporary_file(place) as temporary:
            if target.is_file():  # from the start, nobody reads it who may not read the old one
                keep_attributes(target, temporary, more=0o600)
            yield temporary
            if not replace:
                _rename_to_new(temporary, target)
            elif closed:
                _write_in_place(temporary, target, f"{target.parent} may not be changed", notice)
            else:
                _replace(temporary, target, notice)


def _rename_to_new(temporary: Path, target: Path) -> None:
    try:
        rename_new(temporary, target)
    except FileExistsError:
        raise keep_beside(temporary, target) from None


def _replace(temporary: Path, target: Path, notice: Notice) -> None:
    """Rename `temporary` to `target`; where that cannot be, write `target` in place."""
    if target.is_file():
        keep_attributes(target, temporary)
    try:
        temporary.replace(target)
    except OSError as reason:
        if reason.errno not in _NO_RENAME or not target.is_file():
            raise
        _write_in_place(temporary, target, f"it cannot be replaced ({reason.strerror})", notice)


def _write_in_place(temporary: Path, target: Path, reason: str, notice: Notice) -> None:
    """Copy `temporary` into the file `target`, which keeps all its attributes."""
    shutil.copyfile(temporary, target)
    notice(
        f"{target} was written in place, since {reason}: a program that read it meanwhile may "
        "have seen a part of it"
    )
