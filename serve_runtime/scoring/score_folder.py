"""Score many tables into a folder, one output file for each, such that the job can be resumed.

The folder holds a record, a JSON file, of the output files that are finished, of the tables that
they were made from, and of the settings. An interrupted job is resumed by making the files that
the record does not list.
"""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serve_runtime.bundle.sealed_json import seal, unseal
from serve_runtime.errors import OutputError, ServeError
from serve_runtime.outputs.new_file import Notice, new_file, silent
from serve_runtime.outputs.temporary import locked, remove_leftovers
from serve_runtime.outputs.writing import writing
from serve_runtime.scoring.score_writer import table_writer
from serve_runtime.scoring.table_scorer import TableScorer
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.explain_errors import reading
from serve_runtime.tables.find import TablePaths
from serve_runtime.tables.formats import ending, is_parquet

RECORD = "_serve_runtime.json"
"""The record's name. Programs that read all tables of a folder skip names that begin with _."""

_VERSION = 1
_SAVE_SECONDS = 1.0
"""Least time between two writes of the record, which is a megabyte for ten thousand files. After
a crash, files that were finished but are not in the record yet are made again."""


@dataclass(frozen=True)
class FinishedFile:
    """A finished output file, as the record keeps it."""

    source: str
    """The table that it was made from: its path below the input folder."""
    size: int
    """Size of that table in bytes, before it was read."""
    mtime_ns: int
    """When that table was last modified, before it was read; nanoseconds since 1970."""
    bytes: int
    """Size of the output file in bytes."""
    rows: int
    """Rows in it."""

    def __post_init__(self) -> None:
        numbers = (self.size, self.mtime_ns, self.bytes, self.rows)
        if type(self.source) is not str or any(type(number) is not int for number in numbers):
            raise TypeError("a finished file has a source and four whole numbers")


def score_into_folder(
    scorer: TableScorer,
    tables: TablePaths,
    folder: Path,
    *,
    output_ending: str | None,
    resume: bool,
    notice: Notice = silent,
) -> int:
    """Score each of `tables` into a file of the same name in `folder`; the rows scored now.

    Each file is renamed into place when it is complete. `output_ending` replaces the tables' own
    endings, if given. With `resume`, files that the record in `folder` lists are kept; a file
    is made again if its table has changed since, or the file itself has another size.

    Raises OutputError if the files in `folder` were made with another model, other kept columns
    or other settings, or from tables that are not among `tables`; if another process is scoring
    into `folder`, or somebody else has made a file there meanwhile; and what `scorer.score` raises.
    """
    sources = _output_names(tables.names, output_ending)
    settings = {
        "model": scorer.predictor.card.sha256(),
        "kept columns": list(scorer.keep),
        "score columns": list(scorer.score_columns),
        "dialect": scorer.told or None,
        "format": output_ending,
    }
    with _alone_in(folder):
        record = _Record(folder, settings, resume, notice)
        record.check_sources(tables.names)
        return _score_missing(scorer, tables, folder, sources, record, notice)


def _score_missing(
    scorer: TableScorer,
    tables: TablePaths,
    folder: Path,
    sources: Mapping[str, str],
    record: "_Record",
    notice: Notice,
) -> int:
    """Make the files among `sources` (file → table) that `record` lacks; the rows scored."""
    # A table that changes after this look is scored as it is then, and again by the next resume.
    found = {name: _size_and_mtime(tables.path(name)) for name in tables.names}
    left = {file: name for file, name in sources.items() if not record.has(file, *found[name])}
    scorer.kept_types = record.types
    scorer.expect([tables.path(name) for name in left.values()])
    # Those of an earlier call that were not in its record yet; others are not ours to replace.
    earlier = {file for file in left if os.path.lexists(folder / file)}
    total = 0
    with record.saved():
        for file, name in left.items():
            target = folder / file
            with writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            with table_writer(str(target), replace=file in earlier, notice=notice) as write:
                rows = scorer.score(
                    tables.path(name),
                    write,
                    one_type=is_parquet(file),
                    folder_columns=tables.folder_columns(name),
                )
            record.types = scorer.kept_types
            record.add(file, FinishedFile(name, *found[name], target.stat().st_size, rows))
            total += rows
    return total


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make `folder` if there is none, and keep other processes from scoring into it meanwhile.

    If the block fails and leaves nothing in a folder that was made here, it is removed again.
    Raises OutputError.
    """
    with ExitStack() as stack:
        with writing(folder):
            before = folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            if not stack.enter_context(locked(folder)):
                raise OutputError(
                    f"another process is scoring into {folder}: wait until it ends, or choose "
                    "another folder"
                )
        try:
            yield
        except BaseException:
            if not before:
                with suppress(OSError):
                    folder.rmdir()
            raise


def _output_names(names: Sequence[str], output_ending: str | None) -> dict[str, str]:
    """The name of each output file, with the name of the table that it is made from."""
    sources: dict[str, str] = {}
    for name in names:
        own = ending(name) or ""
        file = name[: len(name) - len(own)] + (output_ending or own or ".csv")
        if file in sources:
            raise OutputError(f"{sources[file]} and {name} would both become {file}: rename one")
        sources[file] = name
    return sources


def _size_and_mtime(path: str) -> tuple[int, int]:
    """Size in bytes, and time of the last modification in ns. Raises InputError."""
    with reading(path):
        found = Path(path).stat()
    return found.st_size, found.st_mtime_ns


class _Record:
    """The record of the finished files in `folder`, and of the settings that made them.

    Raises OutputError if the folder is not empty and `resume` is not set, or if it was made with
    other `settings`.
    """

    def __init__(
        self, folder: Path, settings: dict[str, Any], resume: bool, notice: Notice
    ) -> None:
        self._folder, self._path, self._notice = folder, folder / RECORD, notice
        self._settings, self._saved = settings, 0.0
        self.types: Mapping[str, str] = {}
        """Types of the kept columns in the Parquet files, by column name."""
        self._files: dict[str, FinishedFile] = {}
        with writing(folder):
            remove_leftovers(self._path)
            not_empty = any(folder.iterdir())
        if not_empty and not resume:
            raise OutputError(
                f"{folder} is not empty: go on with --resume, or choose another folder"
            )
        if not_empty:
            self._load()

    def _load(self) -> None:
        remedy = "score into another folder"
        if not self._path.is_file():
            raise OutputError(f"{self._folder} has no {RECORD} to resume from: {remedy}")
        with writing(self._path):
            text = self._path.read_bytes().decode("utf-8", errors="replace")
        what = str(self._path)
        found = unseal(text, what=what, version=_VERSION, error=OutputError, remedy=remedy)
        try:
            settings, self.types = dict(found["settings"]), dict(found["types"])
            if not all(isinstance(kind, str) for kind in self.types.values()):
                raise TypeError("types are named by texts")
            self._files = {name: FinishedFile(**file) for name, file in found["parts"].items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise OutputError(
                f"{what} is no record of this command: it lacks what one holds; {remedy}"
            ) from None
        for name, value in self._settings.items():
            if settings.get(name) != value:
                raise OutputError(
                    f"the files in {self._folder} were made with other settings ({name}: "
                    f"{quoted(settings.get(name))}, now {quoted(value)}): {remedy}"
                )

    def check_sources(self, names: Collection[str]) -> None:
        """Raise OutputError if a file was made from a table that is not among `names`."""
        gone = sorted({file.source for file in self._files.values()} - set(names))
        if gone:
            raise OutputError(
                f"{self._folder} has the scores of tables that are no longer among the input: "
                f"{listed(gone)}: score into another folder"
            )

    def has(self, name: str, size: int, mtime_ns: int) -> bool:
        """Whether the file `name` is finished and unchanged, and so is the table that it came from.

        `size` (bytes) and `mtime_ns` are those of the table now.
        """
        file = self._files.get(name)
        if file is None or (file.size, file.mtime_ns) != (size, mtime_ns):
            return False
        try:
            return (self._folder / name).stat().st_size == file.bytes
        except OSError:
            return False

    def add(self, name: str, file: FinishedFile) -> None:
        """Add a file that was finished, and save the record unless it was saved just now."""
        self._files[name] = file
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save()

    @contextmanager
    def saved(self) -> Iterator[None]:
        """Save the record before and after the block, in which files are made.

        If the block fails before any file is finished, the record and empty folders below are
        removed; otherwise the error gets a note that the job can be resumed.
        """
        try:
            self._save()
            yield
        except BaseException as reason:
            if not self._files:
                self._path.unlink(missing_ok=True)
                _remove_empty_below(self._folder)
            else:
                with suppress(OutputError):  # the first error is the one to report
                    self._save()
                if isinstance(reason, ServeError):
                    reason.add_note(
                        f"{self._folder} keeps the files that are finished: go on with --resume"
                    )
            raise
        self._save()

    def _save(self) -> None:
        document = {
            "format_version": _VERSION,
            "settings": self._settings,
            "types": dict(self.types),
            "parts": {name: asdict(file) for name, file in self._files.items()},
        }
        with new_file(self._path, notice=self._notice) as temporary:
            temporary.write_text(seal(document), encoding="utf-8")
        self._saved = time.monotonic()


def _remove_empty_below(folder: Path) -> None:
    """Remove the empty folders below `folder`."""
    for where, _, _ in os.walk(folder, topdown=False):
        if Path(where) != folder:
            with suppress(OSError):
                Path(where).rmdir()
