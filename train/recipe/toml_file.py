"""Recipes as TOML: read from a file, and overridden key by key."""

import tomllib
from pathlib import Path
from typing import Any

from serve_runtime.shown import printable, quoted
from train.errors import RecipeError

_MOST_BYTES = 1 << 26
"""Of a recipe; those that hold their rows themselves are the longest."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a recipe file. Raises RecipeError when it cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as reason:  # ValueError: a name with a NUL
        raise RecipeError(
            f"cannot read {path}: {getattr(reason, 'strerror', None) or reason}"
        ) from None
    if len(content) > _MOST_BYTES:
        raise RecipeError(f"{path} is no recipe: it has more than {_MOST_BYTES:,} bytes")
    try:
        return _parsed(content.decode())
    except ValueError as reason:
        raise RecipeError(f"{path} is not valid TOML: {reason}") from None


def _parsed(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError where it is none."""
    try:
        return tomllib.loads(text)
    except RecursionError:  # tomllib reads brackets in brackets by recursion
        raise ValueError("arrays or tables are nested too deep") from None


def override(document: dict[str, Any], assignment: str) -> None:
    """Apply `section.key=value`, or `columns.NAME.key=value`, to a recipe's tables; the value is
    TOML, or else plain text."""
    target, separator, text = assignment.partition("=")
    section, dot, key = target.strip().partition(".")
    if not (separator and dot and key):
        raise RecipeError(f"--set needs section.key=value; got {quoted(assignment)}")
    try:
        value = _parsed(f"value = {text}")["value"]
    except ValueError:
        value = text
    column, dot, last = key.rpartition(".")
    if section == "columns" and dot:  # of one column, whose name may have dots too
        table = document.setdefault(section, {})
        if isinstance(table, dict):
            _check_free(table, column, {})
            put(table, column, last, value)
            return
    put(document, section, key, value)


def put(document: dict[str, Any], section: str, key: str, value: Any) -> None:
    """Set one key of a recipe's tables. Raises RecipeError where the section is no table."""
    table = document.setdefault(section, {})
    if not isinstance(table, dict):
        raise RecipeError(f"[{section}] must be a section of the recipe; got {quoted(table)}")
    if section == "columns":
        _check_free(table, key, value)
    table[key] = value


def _check_free(columns: dict[str, Any], key: str, value: Any) -> None:
    """Raise RecipeError where `key` of the section [columns] is to be a table and is none, or the
    reverse: a column may be called like a key of the section, and TOML takes one of both."""
    if key in columns and isinstance(columns[key], dict) != isinstance(value, dict):
        raise RecipeError(
            f"columns.{printable(key)} cannot be both a key of [columns] and the table of the "
            "column of this name: write the key into [columns.NAME] of each column instead"
        )
