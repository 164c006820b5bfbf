"""A part of the page."""

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own."""

    key: str
    """Its id, the prefix of the ids in it."""
    title: str
    body: Markup
    """HTML without a heading of the second level or above."""
