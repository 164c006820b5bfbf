"""Which step of an export runs, for those who want to show it."""

from collections.abc import Callable

Show = Callable[[str], object]
"""Takes a short text that says which step begins."""


def silent(step: str) -> None:
    """Show nothing."""
