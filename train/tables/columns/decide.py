"""What the columns of a table are, decided from all of its rows: kind, levels, gaps, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serve_runtime.arrays import Float64
from serve_runtime.features.column import (
    CATEGORY,
    MISSING_LEVELS,
    MISSING_NUMBERS,
    NUMBER,
    PRECISE,
    Column,
    numbers_of,
)
from serve_runtime.features.spellings import NUMBERS, TEXTS, canonical_text, kind_of_text
from serve_runtime.shown import listed, quoted
from train.design import Design
from train.errors import DataError
from train.recipe.column_keys import Columns
from train.tables.columns.check import check_names, check_profiles
from train.tables.columns.profile import CategoryProfile, NumberProfile, Profile

_FEW_INTEGERS = 20
"""Whole numbers with at most so many values may be codes."""


@dataclass(frozen=True)
class Decided:
    """The columns of a model, and what a person should know of how they were found."""

    design: Design
    reasons: tuple[str, ...]
    """Of each of `design.columns`, what was decided and why; may be empty."""
    notes: tuple[str, ...]
    """Further lines for a person: hints and warnings."""


def decide_columns(
    profiles: Sequence[Profile], asked: Columns, dropped: Sequence[str] = ()
) -> Decided:
    """Decide on all columns, from what their rows hold and from what the user has `asked` for.

    `profiles` are those of the features, in the order of the table; `dropped` are columns that are
    dropped already, for messages that say how to drop more.

    Raises DataError for columns that nothing can be learned from, see `check_profiles`.
    """
    check_profiles(profiles, asked, dropped)
    columns, reasons = [], []
    for profile in profiles:
        if isinstance(profile, NumberProfile):
            column, why = _number(profile, asked)
        else:
            column, why = _category(profile, asked)
        columns.append(column)
        reasons.append("; ".join(filter(None, [profile.note, *why])))
    imputed, center = _constants(columns, profiles)
    design = Design(tuple(columns), imputed, center)
    if not design.is_numeric:
        check_names([column.name for column in columns])
    return Decided(design, tuple(reasons), tuple(_notes(profiles, asked)))


def _number(profile: NumberProfile, asked: Columns) -> tuple[Column, list[str]]:
    keys, why = asked.of(profile.name), []
    missing, _ = _missing(profile, keys.missing, MISSING_NUMBERS, "indicator", "median")
    _check_error(profile, missing)
    if profile.precise and not profile.time:
        why.append("float32 would lose digits")
    if profile.gaps_anywhere:
        why.append(_MISSING_WORDS[missing])
    column = Column(
        profile.name,
        PRECISE if profile.precise else NUMBER,
        low=_end(profile.low, profile.precise),
        high=_end(profile.high, profile.precise),
        time=profile.time,
        missing=missing,
        gaps=profile.gaps,
    )
    return column, why


def _missing(
    profile: Profile, asked: str | None, known: Sequence[str], own: str, shared: str
) -> tuple[str, str | None]:
    """What a missing value does, and what of it was `asked` for, if it is one of the `known`.

    `own` gives it a weight of its own, which training rows must have shown; `shared` none.
    """
    told = asked if asked in known else None
    missing = told or (own if profile.gaps else shared if profile.gaps_anywhere else "error")
    return shared if missing == own and not profile.gaps else missing, told


_MISSING_WORDS = {
    "error": "gaps: refused",
    "mean": "gaps: mean",
    "median": "gaps: median",
    "indicator": "gaps: median and weight",
    "level": "gaps: own level",
    "unknown": "gaps: as unknown",
}


def _end(value: float, precise: bool) -> float:
    return value if precise else float(np.float32(value))


def _category(profile: CategoryProfile, asked: Columns) -> tuple[Column, list[str]]:
    keys, why = asked.of(profile.name), []
    missing, told = _missing(profile, keys.missing, MISSING_LEVELS, "level", "unknown")
    if missing == "unknown" and profile.gaps:
        raise DataError(_unserved(profile))
    if missing == "unknown" and keys.unknown == "error":
        if told == "unknown" or profile.gaps_anywhere:
            raise DataError(_contradiction(profile))
        missing = "error"
    _check_error(profile, missing)
    kept, rare = _levels(profile, keys.max_levels or 1, keys.min_rows or 1)
    if profile.spelled:
        why.append(
            f"{quoted(profile.spelled)} is {canonical_text(profile.spelled, profile.levels_are)}"
        )
    if rare:
        why.append(f"{len(rare):,} levels are merged into one")
    if len(kept) + bool(rare) + (missing == "level") == 1:
        why.append("one level only: it tells nothing")
    if profile.gaps_anywhere:
        why.append(_MISSING_WORDS[missing])
    column = Column(
        profile.name,
        CATEGORY,
        missing=missing,
        gaps=profile.gaps,
        missing_texts=profile.missing_texts,
        levels=tuple(kept),
        counts=tuple(kept.values()),
        rare=tuple(rare),
        rare_count=sum(rare.values()),
        unknown=keys.unknown or "average",
        levels_are=profile.levels_are,
    )
    return column, why


def _unserved(profile: CategoryProfile) -> str:
    return (
        f"column {quoted(profile.name)}: {profile.gaps:,} training rows have no value there, and "
        'columns.missing is "unknown" for it, which counts them as the average of the others: that '
        'is not what they teach. Say missing "level" for it, a weight of its own, or drop the rows '
        "without a value"
    )


def _contradiction(profile: CategoryProfile) -> str:
    found = f" (it misses {profile.gaps_anywhere:,} values)" * (profile.gaps_anywhere > 0)
    return (
        f"column {quoted(profile.name)}: a missing value counts as an unknown level there{found}, "
        'and columns.unknown is "error", which refuses those: say unknown "average" for it, or '
        'missing "error" and drop the rows without a value'
    )


def _levels(
    profile: CategoryProfile, most: int, least: int
) -> tuple[dict[str, int], dict[str, int]]:
    """The levels that are kept and those merged into one, with their counts, sorted."""
    counts = {text: count for text, count in profile.counts.items() if count}
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    often = [text for text in ranked[:most] if counts[text] >= least]
    kept = {text: counts[text] for text in sorted(often)}
    return kept, {text: counts[text] for text in sorted(counts.keys() - kept.keys())}


def _check_error(profile: Profile, missing: str) -> None:
    if missing == "error" and profile.gaps_anywhere:
        raise DataError(
            f"column {quoted(profile.name)} misses {profile.gaps_anywhere:,} values, the first in "
            f'data row {profile.first_gap + 1}, and columns.missing is "error" for it: leave '
            "that out, drop the rows, or fill the values"
        )


def _constants(columns: Sequence[Column], profiles: Sequence[Profile]) -> tuple[Float64, Float64]:
    """What stands for missing numbers (k,), and the centres of precise ones (p,)."""
    imputed, center = list[float](), list[float]()
    of = {profile.name: profile for profile in profiles if isinstance(profile, NumberProfile)}
    for column in numbers_of(columns):
        profile = of[column.name]
        imputed.append(
            np.nan if column.missing == "error"
            else profile.mean if column.missing == "mean" else profile.median
        )  # fmt: skip
        center += [_center(profile)] if column.kind == PRECISE else []
    return np.array(imputed, np.float64), np.array(center, np.float64)


def _center(profile: NumberProfile) -> float:
    """The mean, to a sixteenth of the standard deviation or better: of its further digits the last
    ones depend on the order in which rows are added."""
    exponent = max(math.frexp(profile.deviation)[1], math.frexp(profile.mean)[1] - 52)
    return math.ldexp(round(math.ldexp(profile.mean, 4 - exponent)), exponent - 4)


def _notes(profiles: Sequence[Profile], asked: Columns) -> list[str]:
    few = [
        profile.name
        for profile in profiles
        if isinstance(profile, NumberProfile)
        and 2 < profile.whole_values <= _FEW_INTEGERS
        and profile.name not in asked.number
    ]
    spelled = {
        profile.name: odd
        for profile in profiles
        if isinstance(profile, CategoryProfile) and (odd := _number_as_text(profile))
    }
    notes = list[str]()
    if few:
        notes.append(
            f"few whole numbers: {listed(few)}. Where they are codes, not amounts, say --category "
            f"{','.join(few)}"
        )
    if spelled:
        notes.append(
            f"levels of {listed(spelled)} are texts such as {listed(spelled.values(), 3)}, not the "
            "numbers that they spell: programs that score have to pass texts"
        )
    return notes


def _number_as_text(profile: CategoryProfile) -> str:
    """A text that is a number in another spelling than the usual one, of a column in which all are
    numbers and not all in the usual spelling; empty where there is none."""
    if profile.levels_are != TEXTS:
        return ""
    try:
        odd = [text for text in profile.counts if not (math.isnan(float(text)) or
               kind_of_text(text) == NUMBERS)]  # fmt: skip
    except ValueError:
        return ""
    return odd[0] if odd else ""
