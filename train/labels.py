"""Two classes out of whatever labels a table has, and which of them is positive."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.card import Label
from train.errors import DataError

# Pairs of texts whose order is beyond doubt, negative first.
_TEXT_PAIRS = (
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("fail", "pass"),
)
_SHOWN = 8


@dataclass(frozen=True)
class Classes:
    """The two labels, negative first."""

    labels: tuple[Label, Label]

    def encode(self, values: Sequence[Label | None], source: str) -> npt.NDArray[np.float32]:
        """(n,) float32: 1 where the label is the positive one, 0 where it is the negative one."""
        _check(values, source)
        numbers = not any(isinstance(label, str) for label in self.labels)
        found = {value: _as_number(value) if numbers else value for value in set(values)}
        code = {label: float(i) for i, label in enumerate(self.labels)}
        odd = [value for value, label in found.items() if label is None or label not in code]
        if odd:
            raise DataError(
                f"{source}: labels must be {self.labels[0]!r} or {self.labels[1]!r}; "
                f"found {', '.join(sorted(map(repr, odd))[:_SHOWN])}"
            )
        codes = {value: code[label] for value, label in found.items() if label is not None}
        return np.array([codes[value] for value in values], np.float32)


def find_classes(values: Sequence[Label | None], positive: Label | None, source: str) -> Classes:
    """The two classes in `values`; `positive` says which one counts as 1, if the user did.

    Numbers written as text count as numbers. Raises DataError where a label is missing, where
    there are not exactly two, and where their order is not beyond doubt.
    """
    _check(values, source)
    canon = _canonical(set(values))
    counts: Counter[Label] = Counter()
    for value, rows in Counter(values).items():
        counts[canon[value]] += rows
    if len(counts) != 2:
        shown = ", ".join(f"{label!r} ({n} rows)" for label, n in counts.most_common(_SHOWN))
        more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        raise DataError(f"{source}: the target must hold two classes; found {shown}{more}")
    first, second = sorted(counts, key=lambda label: (str(type(label)), label))
    if positive is not None:
        wanted = {str(positive), str(_canonical({positive})[positive])}
        matches = [label for label in (first, second) if str(label) in wanted]
        if not matches:  # True in one file is "true" in another
            wanted = {text.casefold() for text in wanted}
            matches = [label for label in (first, second) if str(label).casefold() in wanted]
        if len(matches) != 1:
            raise DataError(
                f"{source}: the positive class {positive!r} is not there; "
                f"found {first!r}, {second!r}"
            )
        return Classes((first, second) if matches[0] == second else (second, first))
    if isinstance(first, str) or isinstance(second, str):
        pair = {str(first).lower(): first, str(second).lower(): second}
        for negative, affirmative in _TEXT_PAIRS:
            if pair.keys() == {negative, affirmative}:
                return Classes((pair[negative], pair[affirmative]))
        raise DataError(
            f"{source}: which label is the positive one, {first!r} or {second!r}? "
            f"Say so with --positive {second!r} (or data.positive in the recipe)"
        )
    return Classes((first, second))


def _canonical(values: set[Label | None]) -> dict[Label | None, Label]:
    """Each value as a number where all are numbers, else as it is; 1.0 and "1" are both 1."""
    numbers = {value: _as_number(value) for value in values}
    if None in numbers.values():
        numbers = {value: value for value in values}
    return numbers  # type: ignore[return-value]


def _as_number(value: Label | None) -> Label | None:
    """The finite number that `value` is or spells; None where there is none."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        if "_" in value:  # Python's digit separator, nobody's number in a table
            return None
        try:
            return int(value)  # all its digits, where a float may lose some
        except ValueError:
            pass
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _check(values: Sequence[Label | None], source: str) -> None:
    """Raise DataError naming the first label that is missing or no scalar."""
    for row, value in enumerate(values):
        if value is None or value == "" or value != value:
            raise DataError(f"{source}: data row {row + 1} has no label: drop the row or fill it")
        too_large = isinstance(value, int) and not -(2**63) <= value < 2**63
        if too_large or not isinstance(value, str | int | float) or value in (math.inf, -math.inf):
            raise DataError(
                f"{source}: labels must be texts, finite numbers or true and false; "
                f"data row {row + 1} holds {value!r}"
            )
