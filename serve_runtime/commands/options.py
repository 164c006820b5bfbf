"""Options that several commands have."""

from typing import Literal

import click

from serve_runtime.shown import quoted


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
    default=True,
    help="Whether CSV begins with column names; without, they are f0, f1, ….",
)
