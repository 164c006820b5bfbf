"""The command `serve-runtime`. Its subcommands are modules in `serve_runtime.commands`, but for
`explain`, which is with what it tells."""

import click

from serve_runtime.commands.errors import CommandLine
from serve_runtime.commands.evaluate import evaluate
from serve_runtime.commands.inspect import inspect
from serve_runtime.commands.score import score
from serve_runtime.commands.selftest import selftest
from serve_runtime.commands.version import installed_version
from serve_runtime.explanation.command import explain


class _Group(CommandLine, click.Group):
    """The group of the subcommands, run as a program."""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="serve-runtime")
def main() -> None:
    """Score tables with an exported logistic regression.

    BUNDLE is the folder that `python -m export bundle` wrote, or its model.onnx alone.
    """


for _command in (score, evaluate, explain, inspect, selftest):
    main.add_command(_command)
