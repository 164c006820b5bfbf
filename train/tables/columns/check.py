"""Columns that no model is made of, whatever is decided on them."""

from collections.abc import Sequence
from typing import Final
from unicodedata import normalize

import numpy as np

from serve_runtime.features.column import MISSING_LEVELS, MISSING_NUMBERS
from serve_runtime.shown import listed, printable, quoted
from train.errors import DataError
from train.recipe.column_keys import ColumnKeys, Columns
from train.tables.columns.profile import CategoryProfile, NumberProfile, Profile
from train.tables.remedies import drop_remedy

_ID_LIKE: Final = 0.9
"""A category of which this share of the rows has a level of its own tells nothing of new rows."""
_NEAREST: Final = float(np.finfo(np.float32).tiny)
"""Standard deviations of numbers are no smaller: below, float32 loses digits and then all of them.
"""


def check_profiles(profiles: Sequence[Profile], asked: Columns, dropped: Sequence[str]) -> None:
    """Raise DataError for columns that nothing can be learned from: one that misses every value, or
    one of texts of which nearly every row has its own; for numbers too near to each other; and for
    what is `asked` of a column that its kind cannot do.

    `profiles` are those of the features; `dropped` are columns that are dropped already.
    """
    _refuse_empty(profiles, dropped)
    _refuse_id_like(profiles, asked, dropped)
    _refuse_too_near(profiles, dropped)
    for profile in profiles:
        if profile.name in asked.own:
            _check_own(profile, asked.own[profile.name])


def check_names(names: Sequence[str]) -> None:
    """Raise DataError where two names differ in nothing that a person sees."""
    found = dict[str, str]()
    for name in names:
        other = found.setdefault(" ".join(normalize("NFKC", name).split()), name)
        if other != name:
            raise DataError(
                f"two columns have the same name but for blanks or the way that characters are "
                f"written: {other!a} and {name!a}. Rename one of them, or drop one"
            )


def _refuse_empty(profiles: Sequence[Profile], dropped: Sequence[str]) -> None:
    empty = [p.name for p in profiles if p.present == 0]
    if empty:
        raise DataError(
            f"every value is missing in {listed(empty)}: nothing can be learned from that. "
            f"{drop_remedy([*dropped, *empty])}"
        )


def _refuse_id_like(profiles: Sequence[Profile], asked: Columns, dropped: Sequence[str]) -> None:
    own = [
        profile
        for profile in profiles
        if isinstance(profile, CategoryProfile)
        and profile.name not in asked.category
        and profile.levels_anywhere > _ID_LIKE * profile.present_anywhere
        and profile.present_anywhere > 2
    ]
    if own:
        shown = [
            f"{quoted(p.name)} ({p.levels_anywhere:,} texts in {p.present_anywhere:,} rows, such "
            f"as {quoted(p.example)})"
            for p in own
        ]
        names = [profile.name for profile in own]
        raise DataError(
            f"nearly every row has a text of its own in {listed(shown, show=str)}, which tells "
            f"nothing of new rows. {drop_remedy([*dropped, *names])}, or say --category "
            f"{','.join(names)} to learn from it all the same"
        )


def _refuse_too_near(profiles: Sequence[Profile], dropped: Sequence[str]) -> None:
    near = [
        profile
        for profile in profiles
        if isinstance(profile, NumberProfile)
        and profile.low < profile.high
        and profile.deviation < _NEAREST
    ]
    if near:
        shown = [f"{quoted(p.name)} ({p.low:.4g} to {p.high:.4g})" for p in near]
        raise DataError(
            f"the values of {listed(shown, show=str)} are too near to each other for float32, in "
            f"which rows are scored: standard deviations must be {_NEAREST:.2g} or more. Take "
            "another unit, so that they are about 1, in every table that is scored too. "
            f"{drop_remedy([*dropped, *(p.name for p in near)])}"
        )


def _check_own(profile: Profile, own: ColumnKeys) -> None:
    """Raise DataError where a column's own table says what its kind cannot do."""
    known: tuple[str, ...]
    if isinstance(profile, NumberProfile):
        kind, known = "number", MISSING_NUMBERS
        odd = [key for key in ("unknown", "max_levels", "min_rows") if getattr(own, key)]
    else:
        kind, known, odd = "category", MISSING_LEVELS, []
    problem = f"it is a {kind}, and {listed(odd)} is of categories: say --category for it"
    if own.missing and own.missing not in known:
        odd = ["missing"]
        problem = (
            f"it is a {kind}, and missing must be one of {', '.join(known)}; got "
            f"{quoted(own.missing)}"
        )
    if odd:
        raise DataError(f"[columns.{printable(profile.name)}]: {problem}")
