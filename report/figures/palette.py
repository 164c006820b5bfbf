"""The colours of everything that is drawn, by the names of the page's variables."""

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "ink": "#1b1f24", "muted": "#5b6470", "grid": "#e3e6ea", "paper": "#ffffff",
    "positive": "#b4470b", "negative": "#1f5fae", "accent": "#0b7268", "other": "#8440a6",
}  # fmt: skip
"""On white: text has a contrast of 5.5 or more, and the classes are told apart without red and
green."""
