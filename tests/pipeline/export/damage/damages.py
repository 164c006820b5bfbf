"""A table of what can happen to a bundle, and what must notice it.

cards, certificates, files and values fill it: each damage changes a bundle, makes the digests fit
that it does not mean to break, and returns what the message must hold, in order.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from export.errors import BundleError
from export.verify import verify_bundle

Text = str | re.Pattern[str]
"""A part of a message: to the letter, or a pattern."""

Do = Callable[[Path], Sequence[Text]]


@dataclass(frozen=True)
class Damage:
    """What is done to a bundle, and the error that must notice it."""

    error: type[Exception]
    do: Do
    centered: bool = False
    """Whether it takes a bundle whose graphs subtract a centre."""


DAMAGES: dict[str, Damage] = {}


def damage(
    name: str, error: type[Exception] = BundleError, *, centered: bool = False
) -> Callable[[Do], Do]:
    """Put the decorated function into the table."""

    def register(do: Do) -> Do:
        if name in DAMAGES:
            raise ValueError(f"there are two damages named {name!r}")
        DAMAGES[name] = Damage(error, do, centered)
        return do

    return register


def in_order(texts: Sequence[Text]) -> str:
    """A pattern for a message that holds all of these, one after the other."""
    parts = [re.escape(text) if isinstance(text, str) else text.pattern for text in texts]
    return "(?s)" + ".*".join(parts)


def noticed(bundle: Path, error: type[Exception], *texts: Text) -> None:
    """Assert that verifying `bundle` raises `error`, whose message holds all `texts` in order."""
    with pytest.raises(error, match=in_order(texts)):
        verify_bundle(bundle)
