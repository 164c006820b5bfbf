"""Compare the column names of some input with those that a model needs."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice

from serve_runtime.errors import InputError
from serve_runtime.shown import listed, quoted

_COMPARED = 1_000
"""So many columns are compared with a missing one, each by its first `_COMPARED_CHARACTERS`."""
_COMPARED_CHARACTERS = 100
_MOST_MISSING, _HINTS = 8, 3
"""Missing names that are looked at, and those of them of which the near match is said."""


def check_names(found: Collection[str], names: Sequence[str]) -> None:
    """Raise InputError unless each of `names` is among the column names `found` exactly once.

    The message lists the missing names with those that are nearly the same, or those that occur
    twice.
    """
    distinct = set(found)
    if len(distinct) == len(found) and distinct.issuperset(names):  # the usual case
        return
    count = Counter(list(found))  # list: a Counter of a mapping would take its values as counts
    missing = [name for name in names if name not in count]
    if missing:
        needed = set(names)
        others = [name for name in found if name not in needed]
        raise InputError(
            f"the model needs {len(names):,} named features; missing: {listed(missing)} "
            f"(got: {listed(found) or 'no columns'}){did_you_mean(missing, others)}"
        )
    twice = [name for name in dict.fromkeys(names) if count[name] > 1]
    if twice:
        raise InputError(f"column names must be unique; more than one is named {listed(twice)}")


def column_at(target: str | int, columns: Sequence[str]) -> str | None:
    """The column that `target` names, or whose position it is (-1 is the last); None if none is."""
    if target in columns:
        return str(target)
    try:
        position = int(target)
    except ValueError:
        return None
    return columns[position] if -len(columns) <= position < len(columns) else None


def did_you_mean(missing: Collection[object], found: Collection[object]) -> str:
    """ "; did you mean 'age'?" where some of `found` are nearly those that are missing, else "".

    Where two names differ in characters that may look alike, as Latin and Cyrillic ones do, they
    are written in ASCII.
    """
    candidates = {str(name)[:_COMPARED_CHARACTERS]: name for name in islice(found, _COMPARED)}
    hints = []
    for name in islice(missing, _MOST_MISSING):
        near = _nearest(str(name)[:_COMPARED_CHARACTERS], candidates)
        if near is not None:
            hints.append(_hint(str(name), str(candidates[near]), alone=len(missing) == 1))
        if len(hints) == _HINTS:
            break
    return f"; did you mean {', '.join(hints)}?" if hints else ""


def _nearest(name: str, candidates: Collection[str]) -> str | None:
    """The candidate that is `name` but for blanks and case, or else for some letters."""
    from difflib import get_close_matches  # only for an error
    from unicodedata import normalize

    def plain(text: str) -> str:
        return "".join(normalize("NFKC", text).casefold().replace("_", " ").split())

    same = next((other for other in candidates if plain(other) == plain(name)), None)
    return same if same is not None else next(iter(get_close_matches(name, candidates, 1)), None)


def _hint(name: str, near: str, *, alone: bool) -> str:
    differ = "".join(set(name) ^ set(near))
    shown = [quoted(text) for text in (near, name)]
    if not differ.isascii():
        shown = [ascii(text)[: 2 * _COMPARED_CHARACTERS] for text in (near, name)]
    return shown[0] if alone and differ.isascii() else " for ".join(shown)
