"""Compare the column names of some input with those that a model needs."""

from collections import Counter
from collections.abc import Collection, Sequence

from serve_runtime.errors import InputError


def check_names(found: Collection[str], names: Sequence[str]) -> None:
    """Raise InputError unless each of `names` is among the column names `found` exactly once.

    The message lists the missing names, or those that occur twice.
    """
    if list(found) == list(names):  # the usual case; the names of a model are distinct
        return
    count = Counter(list(found))  # list: a Counter of a mapping would take its values as counts
    missing = [name for name in names if name not in count]
    if missing:
        raise InputError(
            f"the model needs {len(names)} named features; missing: {', '.join(missing)} "
            f"(got: {', '.join(map(str, found)) or 'no columns'})"
        )
    twice = [name for name in dict.fromkeys(names) if count[name] > 1]
    if twice:
        raise InputError(f"column names must be unique; more than one is named {', '.join(twice)}")


def column_at(target: str | int, columns: Sequence[str]) -> str | None:
    """The column that `target` names, or whose position it is (-1 is the last); None if none is."""
    if target in columns:
        return str(target)
    try:
        position = int(target)
    except ValueError:
        return None
    return columns[position] if -len(columns) <= position < len(columns) else None


def first_names(names: Sequence[object], most: int) -> str:
    """Up to `most` names for a message, and an ellipsis where there are more."""
    return ", ".join(map(str, names[:most])) + (", …" if len(names) > most else "")


def printable(name: str) -> str:
    """`name` for a terminal: quoted and escaped where it holds characters that do not print."""
    return name if name.isprintable() else repr(name)
