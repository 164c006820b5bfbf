"""The section of a recipe on what the columns of the table are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serve_runtime.features.column import MISSING_LEVELS, MISSING_NUMBERS, UNKNOWN_LEVELS
from train.recipe.key_declaration import are_names, comma_separated, key

MOST_LEVELS: Final = 32_000
"""Levels of a category, where nothing else is said: their codes fit into 16 bits."""
_HIGHEST_LEVELS: Final = 10**6

_MISSING = tuple(dict.fromkeys((*MISSING_NUMBERS, *MISSING_LEVELS)))

_BENDS = ("auto", "none")


def _are_bends(value: str | list[Any]) -> bool:
    return value in _BENDS if isinstance(value, str) else bool(value) and are_names(value)


def _bends(text: str) -> str | list[str]:
    return text if text in _BENDS else comma_separated(text)


def _is_count(value: int) -> bool:
    return value >= 1


def _is_level_count(value: int) -> bool:
    return 1 <= value <= _HIGHEST_LEVELS


_LEVEL_COUNT = "a whole number from 1 to 10⁶"
_ROW_COUNT = "a whole number, 1 or more"
_MISSING_WANTED = f"one of {', '.join(_MISSING)}"
_UNKNOWN_WANTED = f"one of {', '.join(UNKNOWN_LEVELS)}"


@dataclass(frozen=True)
class ColumnKeys:
    """Of one column, in [columns.NAME]: what differs from [columns]."""

    missing: str | None = key(
        None, str, _MISSING_WANTED, "What a missing value does.", fits=_MISSING.__contains__,
        shown="that of [columns]",
    )  # fmt: skip
    unknown: str | None = key(
        None, str, _UNKNOWN_WANTED, "What a level does that training did not see.",
        fits=UNKNOWN_LEVELS.__contains__, shown="that of [columns]",
    )  # fmt: skip
    max_levels: int | None = key(
        None, int, _LEVEL_COUNT, "Most levels.", fits=_is_level_count, shown="that of [columns]",
    )  # fmt: skip
    min_rows: int | None = key(
        None, int, _ROW_COUNT, "Fewest training rows of a level.", fits=_is_count,
        shown="that of [columns]",
    )  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """What columns are, where it is not left to what they hold.

    A table [columns.NAME] sets missing, unknown, max_levels and min_rows of one column.
    """

    category: list[str] = key(
        types=list, wanted="column names", help="Columns whose values are levels, not amounts.",
        default_factory=list, fits=are_names, flag="--category", metavar="COL[,COL…]",
        parse=comma_separated, shown="columns of texts, and dictionaries of Parquet",
        more="Whole numbers are amounts unless they are named here, such as a zip code.",
    )  # fmt: skip
    number: list[str] = key(
        types=list, wanted="column names", help="Columns that are numbers, or times in seconds.",
        default_factory=list, fits=are_names, flag="--number", metavar="COL[,COL…]",
        parse=comma_separated, shown="columns that hold numbers, or true and false",
        more="Dates and times count as the seconds since 1970 began, in UTC; those without a zone "
        "are taken for UTC.",
    )  # fmt: skip
    bend: str | list[str] | None = key(
        None, (str, list), "auto, none, or column names", "Numbers that may become curves.",
        fits=_are_bends, flag="--bend", metavar="COL[,COL…]|auto|none", parse=_bends,
        shown='"auto" where lr is, loss = "bce", standardize is true and there is a penalty; else '
        '"none"',
        more="A bent number is piecewise linear: its slope changes at quantiles of the column, and "
        "values that more than a twentieth of the rows have get weights of their own. How many "
        'quantiles is chosen by folds, together with the penalty. With "auto", numbers stay '
        "straight where bends are not better on rows that were left out.",
    )  # fmt: skip
    max_levels: int = key(
        MOST_LEVELS, int, _LEVEL_COUNT, "Most levels of a category; rarer ones are merged.",
        fits=_is_level_count,
    )  # fmt: skip
    min_rows: int = key(
        1, int, _ROW_COUNT, "Fewest training rows of a level; rarer ones are merged.",
        fits=_is_count,
    )  # fmt: skip
    missing: str | None = key(
        None, str, _MISSING_WANTED, "What a missing value does, where the column's kind can.",
        fits=_MISSING.__contains__,
        shown='where training rows had gaps "indicator" (numbers) and "level" (categories); where '
        'only held-out rows had, "median" and "unknown"; else "error"',
        more='"error": it is refused. Numbers: it counts as the "mean" or the "median" of the '
        'training rows; "indicator" is the median and a weight of its own besides. Categories: '
        'it is a "level" of its own where training rows miss it, else it may count as an '
        '"unknown" one.',
    )  # fmt: skip
    unknown: str = key(
        "average", str, _UNKNOWN_WANTED, "What a level does that training did not see.",
        fits=UNKNOWN_LEVELS.__contains__,
        more='"average": it counts as the training rows do on average; "rare": as the merged '
        'rare levels; "error": it is refused.',
    )  # fmt: skip
    own: dict[str, ColumnKeys] = field(default_factory=dict)
    """By column, what stands in [columns.NAME]."""

    def of(self, name: str) -> ColumnKeys:
        """What counts for the column `name`; `missing` is None where it hangs on its gaps."""
        own = self.own.get(name, ColumnKeys())
        return ColumnKeys(
            own.missing or self.missing,
            own.unknown or self.unknown,
            own.max_levels or self.max_levels,
            own.min_rows or self.min_rows,
        )

    def to_tables(self) -> dict[str, Any]:
        """The section as it stands in a recipe: what differs from the defaults."""
        keys = {name: getattr(self, name) for name in _NAMES}
        given = {name: value for name, value in keys.items() if value != getattr(_DEFAULT, name)}
        return given | {
            name: {key: value for key, value in vars(own).items() if value is not None}
            for name, own in self.own.items()
        }


_NAMES: Final = ("category", "number", "bend", "max_levels", "min_rows", "missing", "unknown")
_DEFAULT: Final = Columns()


def own_tables(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables [columns.NAME] among the `values` of the section [columns]: all that are tables,
    as no key of the section itself is one. So a column may be called like a key."""
    return {name: value for name, value in values.items() if isinstance(value, dict)}
