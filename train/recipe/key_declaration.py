"""How a key of a recipe is declared: once, for its check, its option and its documentation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from serve_runtime.shown import quoted
from train.errors import RecipeError

NUMBER = (int, float)
_DEPTH = 8
FLOAT32_MAX = (2 - 2**-23) * 2.0**127


@dataclass(frozen=True)
class Key:
    """What is known about one key besides its name, its default and its Python type."""

    types: tuple[type, ...]
    """Types that TOML may give; a bool is no int here."""
    fits: Callable[[Any], bool]
    """Whether a value of one of the types is allowed."""
    wanted: str
    """What a value must be: the end of "optimizer.lr must be …"."""
    help: str
    """One short line, for --help."""
    more: str
    """What else the reference page says; may be empty."""
    default: str
    """How the reference page writes the default."""
    flag: str | None
    """The option's names, such as "--lr" or "--header/--no-header"; None where it has none."""
    metavar: str | None
    choices: tuple[str, ...]
    """The texts that the option takes, if they are few."""
    parse: Callable[[str], Any] | None
    """From the option's text to the value; None where click's own types do it."""


def key(
    default: Any = MISSING,
    types: type | tuple[type, ...] = str,
    wanted: str = "",
    help: str = "",
    *,
    fits: Callable[[Any], bool] = lambda value: True,
    default_factory: Any = MISSING,
    more: str = "",
    shown: str | None = None,
    flag: str | None = None,
    metavar: str | None = None,
    choices: Sequence[str] = (),
    parse: Callable[[str], Any] | None = None,
) -> Any:
    """A dataclass field that is a key of a recipe; the arguments are those of `Key`.

    `shown` is how the reference page writes the default, if not as TOML. For example

        epochs: int = key(1001, int, "a whole number, 1 or more", "Passes over the data.",
                          fits=lambda v: v >= 1, flag="--epochs")
    """
    declared = Key(
        types if isinstance(types, tuple) else (types,),
        fits,
        wanted,
        help,
        more,
        shown if shown is not None else _toml(default),
        flag,
        metavar,
        tuple(choices),
        parse,
    )
    return field(default=default, default_factory=default_factory, metadata={"key": declared})


def keys_of(section: type) -> dict[str, Key]:
    """The keys of a section of the recipe, by name."""
    return {
        declared.name: declared.metadata["key"]
        for declared in fields(section)
        if "key" in declared.metadata
    }


def check(name: str, declared: Key, value: Any) -> None:
    """Raise RecipeError unless `value` fits the key called `name`, written section.key.

    Whole numbers have 64 bits, as TOML's do, and tables and arrays are nested no deeper than any
    key needs: what is made of the value counts on it.
    """
    if not _is_bounded(value, _DEPTH):
        raise RecipeError(
            f"{name} must hold whole numbers of at most 64 bits, and arrays no more than {_DEPTH} "
            f"deep; got {quoted(value)}"
        )
    is_type = isinstance(value, declared.types)
    if isinstance(value, bool) and bool not in declared.types:
        is_type = False
    if not (is_type and declared.fits(value)):
        raise RecipeError(f"{name} must be {declared.wanted}; got {quoted(value)}")
    if name != "data.points" and not _is_plain(value):
        raise RecipeError(f"{name} must hold finite numbers and texts; got {quoted(value)}")


def _is_bounded(value: Any, depth: int) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_bounded(one, depth - 1) for one in inner)


def _is_plain(value: Any) -> bool:
    """Whether the model card can hold it: TOML has dates too, and infinities."""
    if isinstance(value, dict | list):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def is_path(text: str) -> bool:
    """Not empty, and writable into a recipe: a file name that is no UTF-8 has lone surrogates."""
    return bool(text) and not any("\ud800" <= c <= "\udfff" for c in text)


def auto_or(fits: Callable[[float], bool]) -> Callable[[Any], bool]:
    """A check of a number by `fits`, or the text "auto"."""
    return lambda value: value == "auto" if isinstance(value, str) else fits(value)


def are_names(value: list[Any]) -> bool:
    """Whether all elements are texts."""
    return all(isinstance(name, str) for name in value)


def number_or_text(text: str) -> float | str:
    """The number that an option's text spells, else the text."""
    try:
        return float(text)
    except ValueError:
        return text


def comma_separated(text: str) -> list[str]:
    """The names in "a,b,c"."""
    return [name for name in text.split(",") if name]


def split_at_commas(text: str) -> list[str]:
    """The names in "a,b,c", of which one may be empty, as that of an index in a CSV of pandas."""
    return text.split(",")


def is_simulation(value: dict[str, Any]) -> bool:
    """Whether `value` holds what data.simulate needs."""
    return (
        value.keys() == {"n", "low", "high", "w0", "w1"}
        and all(isinstance(v, NUMBER) and math.isfinite(v) for v in value.values())
        and isinstance(value["n"], int)
        and 2 <= value["n"] <= 10**8
        and math.isfinite(value["high"] - value["low"])
        and value["low"] < value["high"]
    )


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
