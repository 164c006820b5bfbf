"""Recipes as TOML: read from a file, and overridden key by key."""

import tomllib
from pathlib import Path
from typing import Any

from serve_runtime.shown import quoted
from train.errors import RecipeError


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a recipe file. Raises RecipeError when it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise RecipeError(f"cannot read {path}: {reason.strerror or reason}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise RecipeError(f"{path} is not valid TOML: {reason}") from None


def override(document: dict[str, Any], assignment: str) -> None:
    """Apply `section.key=value` to a recipe's tables; the value is TOML, or else plain text."""
    target, separator, text = assignment.partition("=")
    section, dot, key = target.strip().partition(".")
    if not (separator and dot and key):
        raise RecipeError(f"--set needs section.key=value; got {quoted(assignment)}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    put(document, section, key, value)


def put(document: dict[str, Any], section: str, key: str, value: Any) -> None:
    """Set one key of a recipe's tables. Raises RecipeError where the section is no table."""
    table = document.setdefault(section, {})
    if not isinstance(table, dict):
        raise RecipeError(f"[{section}] must be a section of the recipe; got {quoted(table)}")
    table[key] = value
