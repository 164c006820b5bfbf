"""What a recipe may say of the threshold, and how the command line writes it."""

import math
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from serve_runtime.shown import quoted
from train.errors import RecipeError

DEFAULT: Final = 0.5
OR_BEST: Final = "or_best"
"""The key beside a precision or a recall that says that the best there is will do."""

WANTED: Final = (
    '"f1", "prior", a number from 0 to 1, {precision = …} or {recall = …} of more than 0 and at '
    "most 1, or {cost = [[…, …], […, …]]}, where a row of either class costs more with the wrong "
    "label than with its own"
)
"""What a threshold must be: the end of "threshold must be …"."""


def check_threshold(value: Any) -> None:
    """Raise RecipeError unless `value` is a threshold or a rule for one."""
    if not _fits(value):
        raise RecipeError(f"threshold must be {WANTED}; got {quoted(value)}")


def parsed_threshold(text: str) -> Any:
    """The value that an option's text stands for: f1, prior, 0.3, precision=0.9, recall=0.9,
    cost=[[0,1],[10,0]], or as TOML writes it."""
    name, separator, rest = text.partition("=")
    inside = f"{{{name.strip()} = {rest}}}" if separator and not text.startswith("{") else text
    try:
        return tomllib.loads(f"value = {inside}")["value"]
    except (ValueError, RecursionError):
        return text


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("f1", "prior")
    if _is_number(value):
        return bool(0 <= value <= 1)
    if not isinstance(value, Mapping) or not isinstance(value.get(OR_BEST, False), bool):
        return False
    rule = [(name, wanted) for name, wanted in value.items() if name != OR_BEST]
    if len(rule) != 1:
        return False
    name, wanted = rule[0]
    if name in ("precision", "recall"):
        return _is_number(wanted) and 0 < wanted <= 1
    return name == "cost" and _are_costs(wanted)


def _are_costs(costs: Any) -> bool:
    rows = costs if isinstance(costs, list) and len(costs) == 2 else []
    if not all(
        isinstance(row, list) and len(row) == 2 and all(map(_is_number, row)) for row in rows
    ):
        return False
    return bool(rows) and rows[0][1] > rows[0][0] and rows[1][0] > rows[1][1]


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 2**63 and math.isfinite(value)
