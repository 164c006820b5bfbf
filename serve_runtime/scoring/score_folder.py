"""Many tables into a folder, one part for each, with a record that lets a job go on."""

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve_runtime.atomic import new_file
from serve_runtime.bundle.sealed_json import seal, unseal
from serve_runtime.errors import OutputError, ServeError
from serve_runtime.scoring.score_writer import table_writer
from serve_runtime.scoring.table_scorer import TableScores
from serve_runtime.tables.explain_errors import reading
from serve_runtime.tables.find import TablePaths
from serve_runtime.tables.formats import ending, is_parquet

RECORD = "_serve_runtime.json"
"""Engines that read the folder skip a name that begins so."""

_VERSION = 1
_SAVE_SECONDS = 1.0
"""The record of ten thousand parts is a megabyte: it is not written after each of them. A part
that is not in the record yet is made again."""


@dataclass(frozen=True)
class Part:
    """One finished part."""

    source: str
    """The table that it was made from, below the input folder."""
    size: int
    """Bytes of that table, and when it was changed, just before it was read."""
    mtime_ns: int
    bytes: int
    """Bytes of the part."""
    rows: int


def score_parts(
    scores: TableScores, tables: TablePaths, folder: Path, *, form: str | None, resume: bool
) -> int:
    """Score each of `tables` into a part of the same name in `folder`; the rows scored now.

    Each part is renamed into place whole. `form` is the ending that parts get in place of their
    tables' own. With `resume`, parts that the record in `folder` knows are left alone, unless
    their table has changed since or they are not as they were written: those are made again.
    OutputError where another model, other kept columns or other tables made them.
    """
    parts = _named(tables.names, form)
    settings = {
        "model": _digest(scores),
        "kept columns": list(scores.keep),
        "header": scores.header,
        "format": form,
    }
    record = _Record(folder, settings, resume)
    record.check_sources(tables.names)
    states = {name: _state(tables.path(name)) for name in tables.names}
    left = {part: name for part, name in parts.items() if not record.has(part, *states[name])}
    scores.types = record.types
    scores.expect([tables.path(name) for name in left.values()])
    total = 0
    with record.kept():
        for part, name in left.items():
            target = folder / part
            state = _state(tables.path(name))
            with _writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            with table_writer(str(target)) as write:
                rows = scores.score(tables.path(name), write, one_type=is_parquet(part))
            record.types = scores.types
            record.add(part, Part(name, *state, target.stat().st_size, rows))
            total += rows
    return total


def _named(names: Sequence[str], form: str | None) -> dict[str, str]:
    """The name of each part, and of the table that it is made from."""
    parts: dict[str, str] = {}
    for name in names:
        own = ending(name) or ""
        part = name[: len(name) - len(own)] + (form or own or ".csv")
        if part in parts:
            raise OutputError(f"{parts[part]} and {name} would both become {part}: rename one")
        parts[part] = name
    return parts


def _digest(scores: TableScores) -> str:
    """The digest that the model's card states of itself."""
    return str(json.loads(scores.predictor.card.to_json())["sha256"])


def _state(path: str) -> tuple[int, int]:
    with reading(path):
        found = Path(path).stat()
    return found.st_size, found.st_mtime_ns


class _Record:
    """What is known of the parts in a folder, and under which settings they were made."""

    def __init__(self, folder: Path, settings: dict[str, Any], resume: bool) -> None:
        self._folder, self._path = folder, folder / RECORD
        self._settings, self._saved = settings, 0.0
        self.types: Mapping[str, str] = {}
        """Types of the kept columns in parts that are Parquet."""
        self._parts: dict[str, Part] = {}
        with _writing(folder):
            there = folder.is_dir() and any(folder.iterdir())
        if there and not resume:
            raise OutputError(
                f"{folder} is not empty: go on with --resume, or choose another folder"
            )
        if there:
            self._load()

    def _load(self) -> None:
        remedy = "score into another folder"
        if not self._path.is_file():
            raise OutputError(f"{self._folder} has no {RECORD} to resume from: {remedy}")
        with _writing(self._path):
            text = self._path.read_text(encoding="utf-8")
        what = str(self._path)
        found = unseal(text, what=what, version=_VERSION, error=OutputError, remedy=remedy)
        for name, value in self._settings.items():
            if found["settings"].get(name) != value:
                raise OutputError(
                    f"the parts in {self._folder} were made with other settings ({name}: "
                    f"{found['settings'].get(name)!r}, now {value!r}): {remedy}"
                )
        self.types = found["types"]
        self._parts = {name: Part(**part) for name, part in found["parts"].items()}

    def check_sources(self, names: Collection[str]) -> None:
        """Raise OutputError where a part was made from a table that is not among `names`."""
        gone = sorted({part.source for part in self._parts.values()} - set(names))
        if gone:
            raise OutputError(
                f"{self._folder} has parts of tables that are no longer among the input: "
                f"{', '.join(gone)}: score into another folder"
            )

    def has(self, name: str, size: int, mtime_ns: int) -> bool:
        """Whether the part `name` is there as it was written, from a table of this state."""
        part = self._parts.get(name)
        if part is None or (part.size, part.mtime_ns) != (size, mtime_ns):
            return False
        try:
            return (self._folder / name).stat().st_size == part.bytes
        except OSError:
            return False

    def add(self, name: str, part: Part) -> None:
        """Remember a part that was finished."""
        self._parts[name] = part
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the record while parts are made; where none was, leave nothing."""
        before = self._folder.is_dir()
        with _writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._save()
            yield
        except BaseException as reason:
            if not self._parts:
                self._path.unlink(missing_ok=True)
                _remove_empty(self._folder, itself=not before)
            else:
                with suppress(OutputError):  # what failed first is to be told
                    self._save()
                if isinstance(reason, ServeError):
                    reason.add_note(
                        f"{self._folder} keeps the parts before it: go on with --resume"
                    )
            raise
        self._save()

    def _save(self) -> None:
        document = {
            "format_version": _VERSION,
            "settings": self._settings,
            "types": dict(self.types),
            "parts": {name: asdict(part) for name, part in self._parts.items()},
        }
        with new_file(self._path) as aside:
            aside.write_text(seal(document), encoding="utf-8")
        self._saved = time.monotonic()


def _remove_empty(folder: Path, *, itself: bool) -> None:
    for where, _, _ in os.walk(folder, topdown=False):
        if itself or Path(where) != folder:
            with suppress(OSError):
                Path(where).rmdir()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as reason:
        raise OutputError(f"cannot write {path}: {reason.strerror or reason}") from None
