"""Find out how the columns of a table's files are read, from their types and their texts."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np

from serve_runtime.errors import InputError
from serve_runtime.features.column import MISSING_TEXTS
from serve_runtime.shown import listed, quoted
from serve_runtime.tables.arrow import pa
from serve_runtime.tables.csv.numbers import is_number, parse_texts
from serve_runtime.tables.dialect import PLAIN, Dialect, gap_marker, is_missing_mark
from serve_runtime.tables.formats import holds_parquet
from serve_runtime.tables.read import open_table, read_batches
from serve_runtime.tables.times import is_iso
from train.errors import DataError
from train.recipe.column_keys import Columns
from train.recipe.keys import Data
from train.tables.choose_columns import check_asked
from train.tables.columns.reading import Reading
from train.tables.columns.types import TEXTS, TIMES
from train.tables.columns.vocabulary import Vocabulary
from train.tables.remedies import drop_remedy
from train.tables.table_files import TableFiles

T = TypeVar("T")

_MOST_ODD = 8
"""Different texts that are no numbers which are kept of a column."""
_FEW_VALUES = 50
"""With at most so many numbers, a column of numbers and other texts may be one of levels."""


def read_as_found(files: TableFiles, data: Data, asked: Columns, use: Callable[[Reading], T]) -> T:
    """What `use` makes of the files when they are read as their first rows suggest; where a later
    row turns out to be another kind, when they are read as all rows say.

    Raises InputError and DataError.
    """
    reading = plan_reading(files, data, asked)
    try:
        return use(reading)
    except InputError as reason:
        again = plan_reading(files, data, asked, every_row=True)
        if again.kinds == reading.kinds:
            raise _with_remedy(reason, reading) from None
    try:
        return use(again)
    except InputError as reason:
        raise _with_remedy(reason, again) from None


def _with_remedy(reason: InputError, reading: Reading) -> InputError:
    """The error of reading, with what else may be said of columns that hold texts."""
    if not reading.mistaken:
        return reason
    names, words = ",".join(reading.mistaken), ",".join(reading.mistaken.values())
    return InputError(
        f"{reason}; or say --category {shlex.quote(names)} if its values are kinds rather than "
        f"amounts, or --missing {shlex.quote(words)} if that marks a missing value"
    )


def plan_reading(
    files: TableFiles, data: Data, asked: Columns, *, every_row: bool = False
) -> Reading:
    """How the features of `files` are read.

    Types of Parquet tell; of CSV the texts of the first rows, and of columns in which some are no
    numbers those of all rows; with `every_row`, all texts of all columns.
    Raises InputError and DataError.
    """
    check_asked(files.names, files.target, files.paths[0], asked)
    plan = _Plan(files, data, asked)
    unknown = [name for name in files.names if plan.is_open(name)]
    if not every_row:
        unknown = plan.not_plain(unknown)
    for name, found in plan.survey(unknown).items():
        plan.settle(name, found)
    return plan.reading()


@dataclass
class _Found:
    """What the texts of a column are, beside usual marks of missing ones: rows of numbers, of true
    and false, and of other texts."""

    numbers: int = 0
    flags: int = 0
    others: int = 0
    odd: dict[str, None] = field(default_factory=dict)
    """The first of the other texts."""
    values: set[str] = field(default_factory=set)
    """The first texts that are numbers."""

    @property
    def plain(self) -> bool:
        """Whether all are numbers, or all are true and false, as far as was looked."""
        return not self.others and not (self.numbers and self.flags)

    @property
    def mistaken(self) -> bool:
        """Whether the other texts seem to be mistakes in a column of numbers: most rows are
        numbers, and these are many different ones, or the other texts are hardly repeated."""
        many = len(self.values) > _FEW_VALUES or self.others <= 2 * len(self.odd)
        return 0 < self.others < self.numbers and many

    def add(self, column: Any, dialect: Dialect) -> None:
        """Add rows, an Arrow array of a dictionary of texts."""
        codes = np.asarray(column.indices.to_numpy())
        rows = np.bincount(codes, minlength=len(column.dictionary))
        texts = column.dictionary.cast(pa.string()).filter(pa.array(rows > 0)).to_pylist()
        others = list[tuple[str, int]]()
        for text, count, value in zip(
            texts, rows[rows > 0].tolist(), _numbers(texts, dialect), strict=True
        ):
            if value is False:
                others.append((text, count))
            elif value is not None:
                self.numbers += count
                if len(self.values) <= _FEW_VALUES:
                    self.values.add(text)
        for text, count in others:
            if text.lower() in ("true", "false"):
                self.flags += count
            else:
                self.others += count
                if len(self.odd) < _MOST_ODD:
                    self.odd[text] = None


def _numbers(texts: Sequence[str], dialect: Dialect) -> list[float | Literal[False] | None]:
    """Of each text of a CSV the number that it is, None where it is missing, False where neither.

    Those that Arrow refuses are found by halves: it takes all texts at once, or none.
    """
    likely = [place for place, text in enumerate(texts) if is_number(text, dialect)]
    found: list[float | Literal[False] | None] = [False] * len(texts)
    parts = [likely]
    while parts:
        places = parts.pop()
        try:
            parsed = parse_texts(pa.array([texts[i] for i in places], pa.string()), pa.float64(),
                                 dialect)  # fmt: skip
        except pa.ArrowInvalid:
            half = len(places) // 2
            parts += [places[:half], places[half:]] if half else []
            continue
        for place, value in zip(places, parsed.to_pylist(), strict=True):
            found[place] = value
    return found


class _Plan:
    """The kinds of columns while they are found."""

    def __init__(self, files: TableFiles, data: Data, asked: Columns) -> None:
        self._files, self._asked = files, asked
        csv = next((path for path in files.paths if not holds_parquet(path)), None)
        self._dialect: Dialect | None = None
        if csv is not None:
            with open_table(csv, dialect=files.dialect) as table:
                self._dialect = table.dialect
        self._missing = tuple(dict.fromkeys(("", *(data.missing or MISSING_TEXTS))))
        self._markers: dict[str, None] = {}
        self._notes: dict[str, str] = {}
        self._categories, self._times = {*asked.category}, set[str]()
        self._mistaken: dict[str, str] = {}
        """Columns that are read as numbers though this text is none."""
        self._by_type()

    def _by_type(self) -> None:
        """Decide what the files' types tell."""
        mixed, dates, texts = list[str](), list[str](), list[str]()
        for name in self._files.names:
            kinds = self._files.kinds[name]
            told = name in self._asked.number
            if name in self._categories:
                continue
            if TIMES in kinds:
                dates += [] if told else [name]
                self._times.add(name)
                self._notes[name] = "times, in seconds since 1970"
            elif TEXTS in kinds and told:
                texts.append(name)
            elif TEXTS in kinds:
                self._categories.add(name)
                self._notes[name] = "texts"
            if len(kinds) > 1:
                mixed.append(name)
        if dates:
            raise DataError(self._dates(dates))
        if texts:
            raise DataError(self._texts(texts))
        if mixed:
            raise DataError(
                f"{self._files.paths[0]} and the tables beside it differ in what {listed(mixed)} "
                f"holds: texts in one, numbers in another. Say --category {','.join(mixed)}, "
                "write all of them alike, or leave the column out with --drop"
            )

    def _dates(self, names: Sequence[str]) -> str:
        said = ",".join(names)
        return (
            f"{self._files.paths[0]}: {listed(names)} holds dates or times. Say --number {said} "
            f"for the seconds since 1970, or write what counts, such as an age in days or the hour "
            f"of the day. {drop_remedy(names)}"
        )

    def _texts(self, names: Sequence[str]) -> str:
        return (
            f"{self._files.paths[0]}: columns.number names {listed(names)}, which hold texts: "
            "write numbers there, or leave that out"
        )

    def is_open(self, name: str) -> bool:
        """Whether the texts of a column are to be looked at."""
        settled = name in self._categories or name in self._times
        return not settled and (self._dialect is not None or name in self._files.from_folders)

    def not_plain(self, names: Sequence[str]) -> list[str]:
        """The columns of which texts in the first rows are no numbers."""
        found = []
        for name in names:
            column = self._files.first_rows.column(name)
            if pa.types.is_string(column.type):
                look = _Found()
                look.add(column.dictionary_encode(), self._dialect or PLAIN)
                found += [] if look.plain else [name]
        return found

    def survey(self, names: Sequence[str]) -> dict[str, _Found]:
        """What the texts of the columns are, in all rows."""
        found = {name: _Found() for name in names}
        files = self._files
        for path, folders in zip(files.paths, files.folder_columns, strict=True):
            here = [name for name in names if not holds_parquet(path) or name in folders]
            if here:
                for batch in read_batches(
                    path, here, folder_columns=folders,
                    dialect=self._dialect, texts=here,
                ):  # fmt: skip
                    for name, column in zip(here, batch.columns, strict=True):
                        found[name].add(column, self._dialect or PLAIN)
        return found

    def settle(self, name: str, found: _Found) -> None:
        """Decide on a column, all of whose texts were `found`."""
        odd, told = list(found.odd), name in self._asked.number
        is_marker = gap_marker(odd) is not None or (told and all(map(is_missing_mark, odd)))
        if odd and is_marker and bool(found.numbers) != bool(found.flags):
            self._markers |= dict.fromkeys(odd)
            self._notes[name] = f"{listed(odd)} is a gap"
        elif odd and not found.numbers and is_iso(odd):
            if not told:
                raise DataError(self._dates([name]))
            self._times.add(name)
            self._notes[name] = "times, in seconds since 1970"
        elif told and not found.numbers and not found.flags:
            raise DataError(self._texts([name]))
        elif not found.plain and not told and not found.mistaken:
            self._categories.add(name)
            among = f" such as {quoted(odd[0])}" if found.numbers and odd else ""
            self._notes[name] = f"texts{among}"
        elif not found.plain:
            self._mistaken[name] = odd[0] if odd else "true"

    def reading(self) -> Reading:
        """How the columns are read, now that all are settled."""
        names, dialect = self._files.names, self._dialect
        if dialect is not None and self._markers:
            missing = tuple(dict.fromkeys((*dialect.missing, *self._markers)))
            dialect = replace(dialect, missing=missing)
        numbers = tuple(name for name in names if name not in self._categories)
        for name in self._asked.category:
            self._notes[name] = "told"
        return Reading(
            numbers,
            tuple(Vocabulary(name, self._missing) for name in names if name in self._categories),
            frozenset(self._times),
            np.float32 if self._files.narrow.issuperset(numbers) else np.float64,
            dialect,
            self._notes,
            self._mistaken,
        )
