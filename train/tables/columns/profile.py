"""What the rows of a table say of each column: gaps, range, moments, counts of levels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float64, Floats
from serve_runtime.features.column import MISSING_TEXTS
from serve_runtime.features.spellings import TEXTS
from train.recipe.column_keys import Columns
from train.standardize import Moments
from train.tables.columns.reading import Reading
from train.tables.columns.second_look import SecondLook
from train.tables.columns.vocabulary import Int32, Vocabulary

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

_LOSES, _MAY_LOSE = 2.0**-16, 2.0**-20
"""What rounding to float32 may move a value by, in standard deviations: from the first on a column
is precise, between both where different values become equal."""
_RANGE_OF_CODES, _HIGHEST_CODE = 4096, 2**53
"""Whole numbers further apart than the first, or beyond the second, are no few codes."""


@dataclass(frozen=True)
class ColumnProfile:
    """What all kinds of columns have."""

    name: str
    present: int
    """Training rows that have a value."""
    gaps: int
    """Training rows that miss it."""
    present_anywhere: int
    """Rows that have a value, those held out as a fraction too."""
    gaps_anywhere: int
    first_gap: int = -1
    """The first row that misses it, from 0; -1 where none does."""
    note: str = ""
    """What decided how the column is read, in words; may be empty."""


@dataclass(frozen=True)
class NumberProfile(ColumnProfile):
    """A column of numbers."""

    low: float = np.nan
    """Of the training rows, as the next four."""
    high: float = np.nan
    mean: float = np.nan
    deviation: float = np.nan
    median: float = np.nan
    """NaN where no row misses a value: nobody needs it then."""
    precise: bool = False
    """Whether float32 would lose what the values hold, or they are times."""
    time: bool = False
    """Whether the values are dates or times, in seconds."""
    whole_values: int = 0
    """The number of different values, where they are few whole numbers; else 0."""


@dataclass(frozen=True)
class CategoryProfile(ColumnProfile):
    """A column of texts."""

    counts: dict[str, int] = field(default_factory=dict)
    """Training rows of each text, 0 of those that only rows held out have."""
    missing_texts: tuple[str, ...] = MISSING_TEXTS
    levels_are: str = TEXTS
    """What all texts spell, see `Column.levels_are`."""
    spelled: str = ""
    """A text that was seen in another spelling than the canonical one, which counts; may be empty.
    """

    @property
    def levels_anywhere(self) -> int:
        """The number of different texts in all rows."""
        return len(self.counts)

    @property
    def example(self) -> str:
        """One of the texts."""
        return min(self.counts)


Profile: TypeAlias = NumberProfile | CategoryProfile


_OF_MEDIANS: Final = ("median", "indicator")


class Profiler:
    """Profiles of the columns of some rows, which are read as `reading` says and may come in any
    number of parts, in any order."""

    def __init__(self, reading: Reading) -> None:
        self._numbers = [_Number(name, name in reading.times) for name in reading.numbers]
        self._categories = [_Category(vocabulary) for vocabulary in reading.vocabularies]
        self._notes = reading.notes
        self.moments = self._held = Moments.none(len(reading.numbers))
        """Of the numbers in the training rows."""

    def add(self, features: Floats, codes: Sequence[Int32], rows: Indices, trained: bool) -> None:
        """Add rows: numbers (k, m), NaN where missing, codes (m,) of each category, which `rows`
        (m,) of the table they are, rising, and whether they are trained on."""
        moments = Moments.of(features)
        if trained:
            self.moments += moments
        else:
            self._held += moments
        for i, (number, values) in enumerate(zip(self._numbers, features, strict=True)):
            missing = np.isnan(values) if moments.count[i] < len(values) else None
            number.count(missing, rows, trained)
            there = values if missing is None else values[~missing]
            number.count_whole(there, moments.low[i], moments.high[i])
        for category, found in zip(self._categories, codes, strict=True):
            category.add(found, rows, trained)

    @cached_property
    def _lost(self) -> Float64:
        """(k,) the most by which rounding to float32 moves a value, in standard deviations."""
        every = self.moments + self._held
        with np.errstate(all="ignore"):
            return np.where(every.low < every.high, every.rounding / every.deviation, 0.0)

    def _may_lose(self, place: int) -> bool:
        """Whether it hangs on the number of different values if a column is precise."""
        return bool(_MAY_LOSE < self._lost[place] < _LOSES)

    def second_look(self, asked: Columns) -> SecondLook:
        """What has to look at all rows once more before `finish`: for the medians of numbers that
        have gaps or are `asked` to take them, and whether different values become equal in
        float32."""
        return SecondLook(
            {
                i: number.present
                for i, number in enumerate(self._numbers)
                if number.present
                and (number.gaps_anywhere or asked.of(number.name).missing in _OF_MEDIANS)
            },
            [i for i in range(len(self._numbers)) if self._may_lose(i)],
        )

    def finish(self, look: SecondLook, names: Sequence[str]) -> list[Profile]:
        """The profiles of the columns `names`, all that there are."""
        found: dict[str, Profile] = {}
        for i, number in enumerate(self._numbers):
            found[number.name] = self._number(i, look)
        for category in self._categories:
            found[category.vocabulary.name] = category.profile()
        return [replace(found[name], note=self._notes.get(name, "")) for name in names]

    def _number(self, place: int, look: SecondLook) -> NumberProfile:
        number, moments = self._numbers[place], self.moments
        lost = bool(self._lost[place] >= _LOSES) or (self._may_lose(place) and look.loses(place))
        return NumberProfile(
            number.name, number.present, number.gaps, number.present_anywhere,
            number.gaps_anywhere, number.first_gap,
            low=float(moments.low[place]),
            high=float(moments.high[place]),
            mean=float(moments.mean[place]),
            deviation=float(moments.deviation[place]),
            median=look.medians.get(place, np.nan),
            precise=number.time or lost,
            time=number.time,
            whole_values=len(number.whole or ()),
        )  # fmt: skip


class _Gaps:
    """Counts of rows with and without a value."""

    def __init__(self) -> None:
        self.present = self.gaps = self.held = self.held_gaps = 0
        self.first_gap = -1

    def count(self, missing: Mask | None, rows: Indices, trained: bool) -> None:
        """Count `rows`, rising; `missing` says which miss the value, None that none does."""
        gaps = 0
        if missing is not None and (gaps := int(missing.sum())):
            first = int(rows[missing.argmax()])
            self.first_gap = first if self.first_gap < 0 else min(self.first_gap, first)
        if trained:
            self.gaps += gaps
            self.present += len(rows) - gaps
        else:
            self.held_gaps += gaps
            self.held += len(rows) - gaps

    @property
    def gaps_anywhere(self) -> int:
        return self.gaps + self.held_gaps

    @property
    def present_anywhere(self) -> int:
        return self.present + self.held


class _Number(_Gaps):
    def __init__(self, name: str, time: bool) -> None:
        super().__init__()
        self.name, self.time = name, time
        self.whole: set[int] | None = set()
        """The different values, while they are few whole numbers."""

    def count_whole(self, values: Floats, low: float, high: float) -> None:
        """Add values that are there, from `low` to `high`."""
        if self.whole is None or not len(values):
            return
        near = max(-low, high) < _HIGHEST_CODE and high - low < _RANGE_OF_CODES
        if not near or not np.array_equal(values, np.trunc(values)):
            self.whole = None
            return
        counts = np.bincount((values - low).astype(np.intp))
        self.whole.update((np.flatnonzero(counts) + int(low)).tolist())


class _Category(_Gaps):
    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self._counts = np.zeros((2, 0), np.int64)
        """By text, in the rows held out and in the training rows."""

    def add(self, codes: Int32, rows: Indices, trained: bool) -> None:
        self.count(codes < 0, rows, trained)
        counts = np.zeros((2, len(self.vocabulary)), np.int64)
        counts[:, : self._counts.shape[1]] = self._counts
        counts[int(trained)] += np.bincount(codes[codes >= 0], minlength=len(self.vocabulary))
        self._counts = counts

    def profile(self) -> CategoryProfile:
        counts = dict[str, int]()
        for text, held, trained in zip(self.vocabulary.texts, *self._counts.tolist(), strict=False):
            if held or trained:  # else only rows that do not count have it
                counts[text] = counts.get(text, 0) + trained
        return CategoryProfile(
            self.vocabulary.name, self.present, self.gaps, self.present_anywhere,
            self.gaps_anywhere, self.first_gap,
            counts=counts,
            missing_texts=self.vocabulary.missing_texts,
            levels_are=self.vocabulary.texts_are,
            spelled=next(iter(self.vocabulary.spellings()), ""),
        )  # fmt: skip
