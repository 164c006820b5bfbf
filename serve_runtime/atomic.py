"""Files and folders that appear whole or not at all: built aside, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serve_runtime.errors import OutputError


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    A file that is there is replaced at that moment and not before. OutputError when the folder
    cannot be written to.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from None
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o666 & ~_umask())
        aside.replace(path)
    except OutputError:
        raise
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from reason
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, marker: str, force: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it to `path` if the block succeeds.

    A folder that is there is an OutputError unless `force`, and then only a folder that holds
    the file `marker` (or nothing) is replaced, so that a mistyped path loses nothing.
    """
    try:
        there = path.exists() or path.is_symlink()
    except OSError as reason:  # a name too long, say
        raise OutputError(f"cannot write {path}: {reason.strerror}") from None
    if there:
        if not force:
            raise OutputError(f"{path} exists: choose another name, or replace it with --force")
        if not path.is_dir() or path.is_symlink():
            raise OutputError(f"{path} is no plain folder: --force replaces only a folder")
        if any(path.iterdir()) and not (path / marker).is_file():
            raise OutputError(
                f"{path} holds no {marker}: --force replaces only what this command once wrote"
            )
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from None
    try:
        yield aside
        aside.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
            path.rename(old)
            try:
                aside.rename(path)
            except OSError:
                old.rename(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            aside.rename(path)
    except OutputError:
        raise
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from reason
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if not path.exists():
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()


def _umask() -> int:
    """Temporary files are private; what is renamed into place gets the user's usual mode."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
