"""From the values of the target column to 0 and 1: which two classes there are, and which one is
positive."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serve_runtime.bundle.card import MOST_LABEL_CHARACTERS, Label, label_type
from serve_runtime.evaluation.labels import (
    as_number,
    class_of,
    distinct_labels,
    refusal,
    without_full_stop,
)
from serve_runtime.shown import listed, quoted
from train.errors import DataError

# Pairs of texts of which everybody would call the second one positive.
_TEXT_PAIRS = (
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("fail", "pass"),
)
_MOST_SPELLINGS = 10_000
"""A column with more distinct values than this holds no labels of two classes, however they are
spelled; reading stops."""


@dataclass(frozen=True)
class Classes:
    """The two labels, negative first."""

    labels: tuple[Label, Label]


class LabelColumn:
    """The target column while it is read: the distinct labels, and a code for each row."""

    def __init__(self) -> None:
        self._values: dict[Label, int] = {}
        """The code of each distinct label."""
        self._codes: list[npt.NDArray[np.int32]] = []

    @classmethod
    def of(cls, values: Sequence[Label | None], source: str) -> "LabelColumn":
        """A column of labels that are in memory already."""
        column = cls()
        column._add_values(values, source, 0)
        return column

    def __len__(self) -> int:
        return sum(map(len, self._codes))

    def add(self, values: Any, source: str, first: int) -> None:
        """Append an Arrow array, whose first value is that of data row `first` (from 0) of the
        table `source`.

        Raises DataError naming the first row whose label is missing or no scalar.
        """
        self._add(*distinct_labels(values), source, first)

    def _add_values(self, values: Sequence[Any], source: str, first: int) -> None:
        codes: dict[Any, int] = {}
        for row, value in enumerate(values):
            if not isinstance(value, Hashable):
                raise DataError(f"{source}: {refusal(value, first + row)}")
            codes.setdefault(value, len(codes))
        rows = np.array([codes[value] for value in values], np.int32)
        self._add(list(codes), rows, source, first)

    def _add(
        self, values: Sequence[Any], codes: npt.NDArray[np.int32], source: str, first: int
    ) -> None:
        bad = [code for code, value in enumerate(values) if refusal(value, first)]
        if bad:
            row = int(np.isin(codes, bad).argmax())
            raise DataError(f"{source}: {refusal(values[codes[row]], first + row)}")
        ours = [self._values.setdefault(value, len(self._values)) for value in values]
        if len(self._values) > _MOST_SPELLINGS:
            self._codes.append(np.array(ours, np.int32)[codes])
            self.classes(None, source)
        self._codes.append(np.array(ours, np.int32)[codes] if ours else codes)

    def classes(self, positive: Label | None, source: str) -> Classes:
        """The two classes; `positive` says which one counts as 1, if the user did.

        Numbers written as text count as numbers. Raises DataError where there are not exactly two,
        where no model could answer both (a text and a number, say), and where their order is not
        beyond doubt.
        """
        canon, counts = _canonical(set(self._values)), Counter[Label]()
        rows = sum(np.bincount(codes, minlength=len(self._values)) for codes in self._codes)
        for value, code in self._values.items():
            counts[canon[value]] += int(np.asarray(rows)[code])
        return _ordered(counts, positive, source)

    def encode(self, classes: Classes, source: str) -> npt.NDArray[np.float32]:
        """(n,) float32: 1 where the label is the positive one, 0 where it is the negative one.

        A full stop behind every label is ignored where none is a class with it
        (`without_full_stop`). Raises DataError where there is another label.
        """
        found = [class_of(value, classes.labels) for value in self._values]
        plain = [without_full_stop(value) for value in self._values]
        if all(code is None for code in found):
            found = [None if p is None else class_of(p, classes.labels) for p in plain]
        odd = [value for value, code in zip(self._values, found, strict=True) if code is None]
        if odd:
            raise DataError(
                f"{source}: labels must be {quoted(classes.labels[0])} or "
                f"{quoted(classes.labels[1])}; found {listed(sorted(odd, key=repr))}"
            )
        table = np.array(found, np.float32)
        return np.concatenate([table[codes] for codes in self._codes])


def _ordered(counts: Counter[Label], positive: Label | None, source: str) -> Classes:
    if len(counts) != 2:
        found = counts.most_common()
        shown = listed(found, show=lambda pair: f"{quoted(pair[0])} ({pair[1]} rows)")
        raise DataError(f"{source}: the target must hold two classes; found {shown}")
    first, second = sorted(counts, key=lambda label: (isinstance(label, str), label))
    longest = max((first, second), key=lambda label: len(str(label)))
    if isinstance(longest, str) and len(longest) > MOST_LABEL_CHARACTERS:
        raise DataError(
            f"{source}: a label must have at most {MOST_LABEL_CHARACTERS:,} characters; "
            f"{quoted(longest)} has {len(longest):,}: write a shorter one"
        )
    if label_type(counts) is None:
        raise DataError(
            f"{source}: no type holds both labels, {quoted(first)} and {quoted(second)}: write "
            "both as texts, or as numbers that float64 holds"
        )
    if positive is not None:
        wanted = {str(positive), str(_canonical({positive})[positive])}
        matches = [label for label in (first, second) if str(label) in wanted]
        if not matches:  # True in one file is "true" in another
            wanted = {text.casefold() for text in wanted}
            matches = [label for label in (first, second) if str(label).casefold() in wanted]
        if len(matches) != 1:
            raise DataError(
                f"{source}: the positive class {quoted(positive)} is not there; "
                f"found {quoted(first)}, {quoted(second)}"
            )
        return Classes((first, second) if matches[0] == second else (second, first))
    if isinstance(first, str) or isinstance(second, str):
        pair = {str(first).lower(): first, str(second).lower(): second}
        for negative, affirmative in _TEXT_PAIRS:
            if pair.keys() == {negative, affirmative}:
                return Classes((pair[negative], pair[affirmative]))
        raise DataError(
            f"{source}: which label is the positive one, {quoted(first)} or "
            f"{quoted(second)}? Say so with --positive {quoted(second)} (or data.positive in the "
            "recipe)"
        )
    return Classes((first, second))


def _canonical(values: set[Label | None]) -> dict[Label | None, Label]:
    """Each value as a number where all are numbers that one type holds, else as it is; 1.0 and "1"
    are both 1, and so is true beside numbers."""
    numbers = {value: as_number(value) for value in values}
    if not all(isinstance(number, bool) for number in numbers.values()):
        numbers = {
            value: int(number) if isinstance(number, bool) else number
            for value, number in numbers.items()
        }
    if label_type(numbers.values()) is None:
        numbers = {value: value for value in values}
    return numbers  # type: ignore[return-value]
