"""Find the tables that a path names: one file, all files below a folder, or a glob's matches.

Folders named key=value, as Hive, Spark and pyarrow.dataset write them, hold a column of that name.
"""

import glob
import os
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from serve_runtime.errors import InputError
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.formats import ENDINGS, STDIO, ending

_SKIPPED = (".", "_")
"""Names that begin so are skipped: other tools put _SUCCESS, _metadata and .part files there."""


@dataclass(frozen=True)
class TablePaths:
    """The tables that `find_tables` found."""

    folder: Path
    """The folder that holds all of them."""
    names: tuple[str, ...]
    """The path of each table below `folder`, with '/' as separator; sorted."""
    many: bool
    """Whether the source was a folder or a glob, even if it holds a single table."""

    def folder_columns(self, name: str) -> dict[str, Any]:
        """The columns that the folders of the table `name` hold, each with its one value: a pyarrow
        scalar, null where it is missing.

        They are int64 where all tables have whole numbers there, and text else.
        """
        return {
            key: pa.scalar(text, pa.string()).cast(
                pa.int64() if key in self._whole else pa.string()
            )
            for key, text in _keys(name).items()
        }

    @cached_property
    def _whole(self) -> set[str]:
        """The keys of which all tables have whole numbers."""
        texts: dict[str, set[str]] = {}
        for name in self.names:
            for key, text in _keys(name).items():
                if text is not None:
                    texts.setdefault(key, set()).add(text)
        return {key for key, found in texts.items() if all(map(_is_whole, found))}

    def path(self, name: str) -> str:
        """The path to open for the table `name`; '-' for standard input."""
        return name if name == STDIO else str(self.folder / name)


_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What a folder is named after where the value is missing."""


def _keys(name: str) -> dict[str, str | None]:
    """The keys and values of the folders key=value in a table's path."""
    parts = [part.partition("=") for part in name.split("/")[:-1]]
    pairs = {unquote(key): unquote(value) for key, equals, value in parts if key and equals}
    return {key: None if value == _NO_VALUE else value for key, value in pairs.items()}


def _is_whole(text: str) -> bool:
    """Whether a text is an integer of 64 bits in its usual spelling, without zeros before it."""
    return text.removeprefix("-").isdecimal() and len(text) < 19 and str(int(text)) == text


def find_tables(source: str) -> TablePaths:
    """Find the tables that `source` names: a file, a folder, a glob, or '-' for standard input.

    If something exists under exactly that name, it is meant, even if the name has the characters
    of a glob. A single file is taken whatever its name, and need not exist: opening it will tell.
    Below a folder (links are followed, unless they lead back up) and among a glob's matches, only
    files with one of ENDINGS count, and nothing that begins with '.' or '_'.

    Raises InputError if a folder or glob leads to no table, or a folder cannot be listed.
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
        raise reason  # os.walk would skip a folder that cannot be listed

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
    """The path with links resolved; Path.resolve raises an error for a link to itself."""
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
