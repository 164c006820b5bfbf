"""What the rows of a table say of each column: gaps, range, moments, counts of levels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float64, Floats
from serve_runtime.features.column import MISSING_TEXTS
from train.tables.columns.reading import Reading
from train.tables.columns.second_look import SecondLook
from train.tables.columns.vocabulary import Int32, Vocabulary

Mask = npt.NDArray[np.bool_]

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

    @property
    def levels_anywhere(self) -> int:
        """The number of different texts in all rows."""
        return len(self.counts)

    @property
    def example(self) -> str:
        """One of the texts."""
        return min(self.counts)


Profile: TypeAlias = NumberProfile | CategoryProfile


class Profiler:
    """Profiles of the columns of some rows, which are read as `reading` says and may come in any
    number of parts."""

    def __init__(self, reading: Reading) -> None:
        self._numbers = [_Number(name, name in reading.times) for name in reading.numbers]
        self._categories = [_Category(vocabulary) for vocabulary in reading.vocabularies]
        self._notes, self._rows = reading.notes, 0

    def add(self, features: Floats, codes: Sequence[Int32], training: Mask) -> None:
        """Add rows: numbers (k, m), NaN where missing, codes (m,) of each category, and which of
        the rows are trained on."""
        everywhere = bool(training.all())
        for number, values in zip(self._numbers, features, strict=True):
            number.add(values, None if everywhere else training, self._rows)
        for category, found in zip(self._categories, codes, strict=True):
            category.add(found, None if everywhere else training, self._rows)
        self._rows += len(training)

    def second_look(self) -> SecondLook:
        """What has to look at all rows once more before `finish`: for the medians of numbers with
        gaps, and whether different values become equal in float32."""
        return SecondLook(
            {i: n.present for i, n in enumerate(self._numbers) if n.gaps_anywhere and n.present},
            [i for i, number in enumerate(self._numbers) if number.may_lose],
        )

    def finish(self, look: SecondLook, names: Sequence[str]) -> list[Profile]:
        """The profiles of the columns `names`, all that there are."""
        found: dict[str, Profile] = {}
        for i, number in enumerate(self._numbers):
            found[number.name] = number.profile(look.medians.get(i, np.nan), look.loses(i))
        for category in self._categories:
            found[category.vocabulary.name] = category.profile()
        return [replace(found[name], note=self._notes.get(name, "")) for name in names]


class _Gaps:
    """Counts of rows with and without a value."""

    def __init__(self) -> None:
        self.present = self.gaps = self.held = self.held_gaps = 0
        self.first_gap = -1

    def count(self, missing: Mask | None, training: Mask | None, rows: int, first: int) -> None:
        trained = rows if training is None else int(training.sum())
        gaps = held_gaps = 0
        if missing is not None:
            gaps = int((missing if training is None else missing & training).sum())
            held_gaps = int(missing.sum()) - gaps
            if self.first_gap < 0 and gaps + held_gaps:
                self.first_gap = first + int(missing.argmax())
        self.gaps += gaps
        self.held_gaps += held_gaps
        self.present += trained - gaps
        self.held += rows - trained - held_gaps

    @property
    def gaps_anywhere(self) -> int:
        return self.gaps + self.held_gaps

    @property
    def present_anywhere(self) -> int:
        return self.present + self.held


class _Number(_Gaps):
    def __init__(self, name: str, time: bool) -> None:
        super().__init__()
        self.name, self._time = name, time
        self._training, self._held = _Moments(), _Moments()
        self._whole: set[int] | None = set()

    def add(self, values: Floats, training: Mask | None, first: int) -> None:
        missing = np.isnan(values)
        there = missing if missing.any() else None
        self.count(there, training, len(values), first)
        if there is not None:
            values = values[~missing]
            training = None if training is None else training[~missing]
        self._training.add(_Moments.of(values if training is None else values[training]))
        if training is not None:
            self._held.add(_Moments.of(values[~training]))
        self._count_whole(values)

    def _count_whole(self, values: Floats) -> None:
        if self._whole is None or not len(values):
            return
        low, high = float(values.min()), float(values.max())
        near = max(-low, high) < _HIGHEST_CODE and high - low < _RANGE_OF_CODES
        if not near or not np.array_equal(values, np.trunc(values)):
            self._whole = None
            return
        counts = np.bincount((values - low).astype(np.intp))
        self._whole.update((np.flatnonzero(counts) + int(low)).tolist())

    @property
    def _lost(self) -> float:
        """The most by which rounding moves a value, in standard deviations."""
        every = replace(self._training)
        every.add(self._held)
        return every.rounding / every.deviation if every.low < every.high else 0.0

    @property
    def may_lose(self) -> bool:
        """Whether it hangs on the number of different values if the column is precise."""
        return _MAY_LOSE < self._lost < _LOSES

    def profile(self, median: float, loses: bool) -> NumberProfile:
        found = self._training
        return NumberProfile(
            self.name, self.present, self.gaps, self.present_anywhere, self.gaps_anywhere,
            self.first_gap,
            low=found.low, high=found.high, mean=found.mean, deviation=found.deviation,
            median=median,
            precise=self._time or self._lost >= _LOSES or (self.may_lose and loses),
            time=self._time,
            whole_values=len(self._whole or ()),
        )  # fmt: skip


@dataclass
class _Moments:
    """Count, mean, sum of squared deviations, range and rounding to float32 of one column."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    rounding: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> "_Moments":
        """Those of values without gaps, (m,)."""
        if not len(values):
            return cls()
        wide: Float64 = values.astype(np.float64, copy=False)
        mean, rounding = float(wide.mean()), 0.0
        if wide is values:
            with np.errstate(over="ignore"):
                rounding = float(np.abs(wide - wide.astype(np.float32)).max())
        squares = float(np.square(wide - mean).sum())
        return cls(len(wide), mean, squares, float(wide.min()), float(wide.max()), rounding)

    def add(self, other: "_Moments") -> None:
        """Those of the rows of both: Chan, Golub and LeVeque 1983."""
        if not other.count:
            return
        count, apart = self.count + other.count, other.mean - self.mean
        self.squares += other.squares + apart**2 * (self.count * other.count / count)
        self.mean += apart * (other.count / count)
        self.count = count
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.rounding = max(self.rounding, other.rounding)

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self.squares / max(1, self.count)))


class _Category(_Gaps):
    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self._counts = np.zeros(0, np.int64)

    def add(self, codes: Int32, training: Mask | None, first: int) -> None:
        missing = codes < 0
        self.count(missing if missing.any() else None, training, len(codes), first)
        there = codes if training is None else codes[training]
        counts = np.bincount(there[there >= 0], minlength=len(self.vocabulary))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def profile(self) -> CategoryProfile:
        return CategoryProfile(
            self.vocabulary.name, self.present, self.gaps, self.present_anywhere,
            self.gaps_anywhere, self.first_gap,
            counts=dict(zip(self.vocabulary.texts, self._counts.tolist(), strict=False)),
            missing_texts=self.vocabulary.missing_texts,
        )  # fmt: skip
