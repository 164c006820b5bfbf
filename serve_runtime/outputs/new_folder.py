"""Make a folder that appears complete or not at all, and never replaces what it should not.

It is filled under a temporary name beside its destination and renamed when it is complete.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serve_runtime.bundle.replaced import moved_aside
from serve_runtime.errors import OutputError
from serve_runtime.outputs.attributes import keep_attributes, keep_attributes_of_tree
from serve_runtime.outputs.keep_beside import keep_beside
from serve_runtime.outputs.rename import exchange, rename_new
from serve_runtime.outputs.temporary import locked, remove_folder, temporary_folder
from serve_runtime.outputs.writing import followed, writing


@contextmanager
def new_folder(path: Path, *, marker: str, force: bool = False) -> Iterator[Path]:
    """Give the path of a temporary folder beside `path`, to be filled in the block.

    When the block succeeds, the folder is renamed to `path`, or to where `path` leads if it is a
    symbolic link; when it fails, the folder is removed and nothing has changed. Raises OutputError
    if the folder cannot be made or written, if another process is making it, or if `path` exists.
    With `force` an existing folder is replaced, but only one that holds the file `marker` or
    nothing at all, so that a mistyped path destroys nothing.

    What appears at `path` during the block is left as it is too, unless `force` may replace it: the
    finished folder is kept beside it, and KeptBesideError says where.

    An existing folder and the new one change places in one step where the system can exchange
    names (Linux, but not on NFS). Elsewhere the old one is renamed first, and for a moment there
    is none; a process that is killed in that moment leaves the old one as `moved_aside(path)`, from
    where the next call puts it back. The new folder and files take over the mode, owner and group
    of those that they replace, as far as permitted.
    """
    with writing(path):
        target = followed(path)
        _require_free(target, marker, force)
        parents = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary_folder(target) as temporary:
                _put_back(target)
                _require_free(target, marker, force)
                if target.exists():  # from the start, nobody reads it who may not read the old one
                    keep_attributes(target, temporary, more=0o700)
                yield temporary
                _publish(temporary, target, marker, force)
        finally:
            if not target.exists():
                for folder in parents:
                    with suppress(OSError):
                        folder.rmdir()


def _require_free(target: Path, marker: str, force: bool) -> None:
    """Raise OutputError unless there is nothing at `target`, or what `force` may replace."""
    if not os.path.lexists(target):
        return
    if not force:
        raise OutputError(f"{target} exists: choose another name, or replace it with --force")
    if os.path.ismount(target):
        raise OutputError(
            f"{target} is a mount point, which cannot be replaced: name a folder inside of it"
        )
    if problem := _not_ours(target, marker):
        raise OutputError(f"{target} {problem}")


def _not_ours(path: Path, marker: str) -> str | None:
    """Why `force` may not replace what is at `path`, to follow its name; None where it may."""
    if path.is_symlink() or not path.is_dir():
        return "is no plain folder: --force replaces only a folder"
    if any(path.iterdir()) and not (path / marker).is_file():
        return f"holds no {marker}: --force replaces only what this command once wrote"
    return None


def _publish(temporary: Path, target: Path, marker: str, force: bool) -> None:
    """Rename `temporary` to `target`; keep it beside where that cannot or must not be."""
    try:
        if force and os.path.lexists(target):
            _replace(temporary, target, marker)
        else:
            rename_new(temporary, target)
    except OutputError:
        raise
    except FileExistsError:
        raise keep_beside(temporary, target) from None
    except OSError as reason:
        raise keep_beside(
            temporary, target, f"cannot be put in place ({reason.strerror})"
        ) from reason


def _replace(temporary: Path, target: Path, marker: str) -> None:
    """Put `temporary` in the place of the folder `target`, which is removed."""
    if problem := _not_ours(target, marker):  # it was made during the block
        raise keep_beside(temporary, target, problem)
    keep_attributes_of_tree(target, temporary)
    with locked(target):  # or another process takes what is removed below for a leftover
        old = temporary
        if not exchange(temporary, target):
            old = Path(moved_aside(target))
            target.rename(old)
            try:
                rename_new(temporary, target)
            except BaseException:
                rename_new(old, target)
                raise
        remove_folder(old)


def _put_back(target: Path) -> None:
    """Put back a folder that a killed process had moved aside; remove it where it was replaced."""
    old = Path(moved_aside(target))
    if old.is_dir():
        try:
            rename_new(old, target)
        except FileExistsError:
            remove_folder(old)
