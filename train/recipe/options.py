"""The command's options that override keys of the recipe, made from the keys' declarations."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from serve_runtime.commands.errors import CommandLine
from train.recipe.key_declaration import Key, keys_of
from train.recipe.recipe import SECTIONS
from train.recipe.toml_file import put

Function = TypeVar("Function", bound=Callable[..., Any])

_GROUPS = {
    "data": "Data",
    "columns": "Columns",
    "model": "Model",
    "penalty": "Penalty",
    "optimizer": "Optimiser",
    "log": "Run",
}
"""The heading in --help under which the options of a section stand."""


class GroupedCommand(CommandLine):
    """A command whose help shows its options in groups, in the order in which they begin."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one block for each group; options of no group stand with the run's."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in _GROUPS.values()}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups[getattr(parameter, "group", _GROUPS["log"])].append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


class _KeyOption(click.Option):
    """An option that overrides one key of the recipe."""

    def __init__(self, *arguments: Any, group: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group


def key_options(function: Function) -> Function:
    """Give a command an option for each key that has a flag; its value arrives in the argument
    section__key, None where the option is not given."""
    for section, name, declared in reversed(_flagged()):
        type_: click.ParamType[Any] | None = None
        if declared.choices:
            type_ = click.Choice(declared.choices)
        elif declared.types == (int,):
            type_ = click.INT
        elif declared.parse is float:
            type_ = click.FLOAT
        option = click.option(
            declared.flag or "",
            _argument(section, name),
            cls=_KeyOption,
            group=_GROUPS[section],
            default=None,
            type=type_,
            metavar=declared.metavar,
            help=declared.help,
        )
        function = option(function)
    return function


def apply_options(document: dict[str, Any], given: dict[str, Any]) -> None:
    """Override a recipe's tables by the arguments that `key_options` has added to a command."""
    for section, name, declared in _flagged():
        value = given[_argument(section, name)]
        if value is None:
            continue
        if declared.parse and isinstance(value, str):
            value = declared.parse(value)
        put(document, section, name, value)


def _flagged() -> list[tuple[str, str, Key]]:
    """Section, name and declaration of each key that has an option."""
    return [
        (section, name, declared)
        for section, kind in SECTIONS.items()
        for name, declared in keys_of(kind).items()
        if declared.flag
    ]


def _argument(section: str, name: str) -> str:
    return f"{section}__{name}"
