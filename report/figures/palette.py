"""The colours of drawings that are files of their own: those of the page in the light."""

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "ink": "#1c2127", "muted": "#59636e", "grid": "#dfe3e8", "paper": "#ffffff",
    "positive": "#b0470f", "negative": "#2a5ea8", "accent": "#0b6a66", "other": "#7b4aa0",
}  # fmt: skip
"""By the names of the page's variables. As text on paper each has a contrast above 5."""
