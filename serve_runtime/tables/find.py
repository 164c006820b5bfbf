"""The tables that a path names: one file, all below a folder, or all that match a glob."""

import glob
import os
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from serve_runtime.errors import InputError
from serve_runtime.tables.formats import ENDINGS, STDIO, ending

_SKIPPED = (".", "_")
"""What other tools put beside tables begins with these: _SUCCESS, _metadata, .part files."""


@dataclass(frozen=True)
class TablePaths:
    """The tables that `find_tables` found."""

    folder: Path
    """The folder that holds them all."""
    names: tuple[str, ...]
    """Each table's path below `folder`, sorted, with '/' between its parts."""
    many: bool
    """Whether a folder or a glob was named, however many tables it led to."""

    def path(self, name: str) -> str:
        """Where the table `name` is; '-' is standard input."""
        return name if name == STDIO else str(self.folder / name)


def find_tables(source: str) -> TablePaths:
    """The tables that `source` names.

    What exists under that very name comes first: a file as it is, a folder with all tables below
    it (also by way of links, unless they lead back). Otherwise *, ?, [ and ** make it a glob. Of a
    folder or glob, only names with one of ENDINGS count, and none of a file or folder that begins
    with '.' or '_'. InputError where that leaves nothing, or a folder cannot be listed.
    """
    path = Path(source)
    try:
        if path.is_dir():
            return _chosen(source, path, _below(path))
        if source != STDIO and glob.has_magic(source) and not path.exists():
            fixed = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
            found = map(Path, glob.iglob(source, recursive=True))  # noqa: PTH207 - ** finds files
            return _chosen(source, fixed, [file for file in found if file.is_file()])
    except OSError as reason:
        raise InputError(f"cannot read {source}: {reason.strerror or reason}") from None
    if source == STDIO:
        return TablePaths(Path(), (STDIO,), many=False)
    return TablePaths(path.parent, (path.name,), many=False)


def _below(folder: Path) -> list[Path]:
    def fail(reason: OSError) -> None:
        raise reason  # otherwise a folder that cannot be listed would count as empty

    found = []
    for where, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(_SKIPPED) and not _leads_back(Path(where, name))
        ]
        found += [Path(where, name) for name in files]
    return found


def _leads_back(folder: Path) -> bool:
    return folder.is_symlink() and _real(folder.parent).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    """The path without links; unlike Path.resolve it takes one that leads to itself."""
    return Path(os.path.realpath(path))


def _chosen(source: str, folder: Path, files: list[Path]) -> TablePaths:
    below = [file.relative_to(folder) for file in files if ending(file)]
    names = [p.as_posix() for p in below if not any(n.startswith(_SKIPPED) for n in p.parts)]
    if not names:
        raise InputError(
            f"{source}: no table is there; tables are files named {', '.join(sorted(ENDINGS))} "
            "that begin with neither '.' nor '_'"
        )
    return TablePaths(folder, tuple(sorted(set(names))), many=True)  # ** may find one twice
