"""Options that several commands have."""

import csv
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal

import click

from serve_runtime.commands.terminal import Messages
from serve_runtime.errors import InputError
from serve_runtime.shown import quoted
from serve_runtime.tables.dialect import BLANKS, told_fields


def _threads(value: str) -> "int | Literal['auto']":
    """The value of --threads."""
    if value == "auto":
        return "auto"
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{quoted(value)} is neither a number from 1 up nor auto")
    return int(value)


threads_option = click.option(
    "--threads",
    type=_threads,
    default="1",
    metavar="N|auto",
    show_default=True,
    help="Threads for the arithmetic; auto takes the cores that there are.",
)

header_option = click.option(
    "--header/--no-header",
    default=None,
    help="Whether CSV begins with column names; without, they are f0, f1, …. As in training, if "
    "not said.",
)


_QUIET = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Print nothing but warnings and errors; the exit code tells.",
)
_JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print what was done as one JSON object; messages go to standard error.",
)


def message_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --quiet and --json, as one argument `messages`."""

    @wraps(command)
    def run(quiet: bool, as_json: bool, **values: Any) -> None:
        command(messages=Messages(quiet, as_json), **values)

    return _QUIET(_JSON(run))


def names_of(context: click.Context, option: click.Parameter, lines: Sequence[str]) -> list[str]:
    """The names in the values of an option, each of which is a line of CSV."""
    try:
        return [
            name for line in lines for name in next(csv.reader([line], strict=True), []) if name
        ]
    except csv.Error as reason:
        raise click.BadParameter(f"names must be written as in CSV: {reason}") from None


_SEPARATORS = {
    "comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "bar": "|", "blanks": BLANKS,
}  # fmt: skip


def separator_named(text: str) -> str:
    """The separator that an option names: itself, or one of `_SEPARATORS`."""
    return _SEPARATORS.get(text, text)


_DIALECT_OPTIONS = {
    "separator": click.option(
        "--separator",
        metavar="CHAR",
        help="What separates the values of a CSV: a character, or one of comma, semicolon, tab, "
        "bar, blanks. If it is not given, it is recognised, or the model's card tells it, as it "
        "does for the next four.",
    ),
    "decimal": click.option("--decimal", metavar="CHAR", help="The decimal mark of a CSV, . or ,."),
    "thousands": click.option(
        "--thousands", metavar="CHAR", help="What groups digits by three in a CSV, for example ."
    ),
    "encoding": click.option(
        "--encoding", metavar="NAME", help="The encoding of a CSV, for example cp1252; else UTF-8."
    ),
    "names": click.option(
        "--columns",
        "names_of_columns",
        multiple=True,
        metavar="NAME[,NAME…]",
        callback=names_of,
        help="What the columns of a CSV without a header are called, all of them in their order.",
    ),
    "missing": click.option(
        "--missing",
        multiple=True,
        metavar="TEXT[,TEXT…]",
        callback=names_of,
        help="Texts that stand for a missing value in a CSV, for example '?'.",
    ),
}

_ARGUMENTS = {"names": "names_of_columns"}
"""What the value of an option is called that another option's name would hide."""


def dialect_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that tell the dialect of a CSV, as one argument `dialect`: the
    fields of a `Dialect` that are told, by name."""

    @wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(_ARGUMENTS.get(name, name)) for name in _DIALECT_OPTIONS}
        told: dict[str, Any] = {name: value for name, value in given.items() if value}
        if "names" in told:
            told["header"] = False
        if "separator" in told:
            told["separator"] = separator_named(told["separator"])
        try:
            fields = told_fields(told)
        except InputError as reason:
            raise click.UsageError(str(reason)) from None
        command(dialect=fields, **values)

    for option in reversed(_DIALECT_OPTIONS.values()):
        run = option(run)
    return run
