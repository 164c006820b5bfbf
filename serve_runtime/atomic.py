"""Write files and folders that appear complete or not at all.

They are written under a temporary name beside their destination and renamed when complete.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give the path of an empty temporary file beside `path`, to be written in the block.

    When the block succeeds, the file is renamed to `path`, in place of a file that was there; when
    it fails, the file is removed and nothing has changed. Raises OutputError if the file cannot
    be made or written.

        with new_file(Path("scores.csv")) as temporary:
            temporary.write_text("…")
    """
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, marker: str, force: bool = False) -> Iterator[Path]:
    """Give the path of a temporary folder beside `path`, to be filled in the block.

    When the block succeeds, the folder is renamed to `path`; when it fails, the folder is removed
    and nothing has changed. Raises OutputError if the folder cannot be made or written, or if
    `path` exists. With `force` an existing folder is replaced, but only one that holds the file
    `marker` or nothing at all, so that a mistyped path destroys nothing.
    """
    with writing(path):  # even this may fail: a name that is too long, for example
        exists = path.exists() or path.is_symlink()
    if exists:
        if not force:
            raise OutputError(f"{path} exists: choose another name, or replace it with --force")
        if not path.is_dir() or path.is_symlink():
            raise OutputError(f"{path} is no plain folder: --force replaces only a folder")
        if any(path.iterdir()) and not (path / marker).is_file():
            raise OutputError(
                f"{path} holds no {marker}: --force replaces only what this command once wrote"
            )
    parents = [folder for folder in path.parents if not folder.exists()]
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _folder_beside(path, ".part")
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _replace_folder(path, temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            if not path.exists():
                for folder in parents:
                    with suppress(OSError):
                        folder.rmdir()


def _replace_folder(path: Path, new: Path) -> None:
    """Rename the folder `new` to `path`; an existing folder is moved away first, then removed."""
    if not path.exists():
        new.rename(path)
        return
    old = _folder_beside(path, ".old")
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _folder_beside(path: Path, suffix: str) -> Path:
    """Make an empty folder with a name of its own in the folder that holds `path`."""
    return Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=suffix))


def _umask() -> int:
    """The user's umask: temporary files are private, and get the usual mode when they are done."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
