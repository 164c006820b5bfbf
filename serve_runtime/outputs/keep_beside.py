"""Keep a finished output under another name where its own is taken."""

from itertools import count
from pathlib import Path

from serve_runtime.errors import OutputError
from serve_runtime.outputs.rename import rename_new


class KeptBesideError(OutputError):
    """The output is complete, but could not have the name that it was to have: `kept` is where it
    is instead."""

    def __init__(self, message: str, kept: Path) -> None:
        super().__init__(message)
        self.kept = kept


def keep_beside(
    finished: Path, target: Path, reason: str = "appeared while this was made, and is left as it is"
) -> KeptBesideError:
    """Rename `finished` to a free name beside `target`; the error that says so.

    `reason` continues a sentence that begins with `target`. Raises OSError.
    """
    for number in count(1):
        kept = target.with_name(f"{target.name}.new{number if number > 1 else ''}")
        try:
            rename_new(finished, kept)
        except FileExistsError:
            continue
        return KeptBesideError(
            f"{target} {reason}; the finished result is kept as {kept}: rename it, or move "
            f"{target.name} away and run again",
            kept,
        )
    raise AssertionError("there is no end of names")
