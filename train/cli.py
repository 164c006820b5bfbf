"""The command line of training: options over a recipe, progress, and a closing summary."""

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.commands.options import message_options
from serve_runtime.commands.progress import live_line
from serve_runtime.commands.signals import exit_on_signals
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import Messages, columns
from train.errors import LostProcessError, TrainError
from train.recipe.options import GroupedCommand, apply_options, key_options
from train.recipe.recipe import SOURCES, Recipe
from train.recipe.threshold_rule import OR_BEST, parsed_threshold
from train.recipe.toml_file import override, put, read_toml

if TYPE_CHECKING:
    from train.gradients.processes import ProcessGroup

_WIDTH = 79
"""Columns of a line, unless the terminal is narrower."""
_WRAPPING: Any = {"break_long_words": False, "break_on_hyphens": False, "drop_whitespace": True}
_DEFAULT_RECIPE = Path(__file__).parent.parent / "recipes" / "breast-cancer.toml"


@click.command(cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", required=False, type=click.Path())
@click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), help="TOML file to start from."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder to write; by default in runs/.",
)
@click.option("--force", is_flag=True, help="Replace the run folder if it exists.")
@click.option("--resume", is_flag=True, help="Go on where this training was interrupted.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Set any key of the recipe.",
)
@click.option(
    "--unpenalised",
    is_flag=True,
    help="No penalty, so that weights have standard errors: --l2 0.",
)
@click.option(
    "--threshold",
    metavar="RULE",
    help="Where the positive label begins: a number, prior, f1, precision=0.9, recall=0.9 or "
    "cost=[[0,1],[10,0]].",
)
@click.option("--or-best", is_flag=True, help="With --threshold: else the nearest that there is.")
@message_options
@key_options
def main(
    data: str | None,
    recipe_file: Path | None,
    out: Path | None,
    force: bool,
    resume: bool,
    assignments: tuple[str, ...],
    unpenalised: bool,
    threshold: str | None,
    or_best: bool,
    messages: Messages,
    **settings: Any,
) -> None:
    """Fit a logistic regression to a table and leave a run folder.

    DATA is a .csv, .csv.gz or .parquet file, a folder or a glob of them. Without it the recipe
    says where the rows are; without a recipe too, scikit-learn's breast-cancer set is used.

    \b
    Examples:
      python -m train
      python -m train customers.parquet --target churned --out runs/churn
      python -m train --recipe recipes/six-points-zeros.toml --lr 0.5
    `python -m train summary RUN` prints standard errors, tests and odds ratios.
    """
    with command_errors():
        if unpenalised:
            for other in ("--l2", "--l1", "--weight-decay"):
                section = "optimizer" if other == "--weight-decay" else "penalty"
                if settings[f"{section}__{other[2:].replace('-', '_')}"]:
                    raise click.UsageError(f"--unpenalised and {other} exclude each other")
            settings["penalty__l2"] = settings["penalty__l1"] = 0.0
        rule = None if threshold is None else parsed_threshold(threshold)
        if or_best:
            if not isinstance(rule, dict):
                raise click.UsageError("--or-best goes with --threshold precision=… or recall=…")
            rule[OR_BEST] = True
        recipe, name = _recipe(data, recipe_file, assignments, settings, rule)
        out = out or Path("runs") / name
        with loading():
            from train.gradients.processes import process_group
            from train.run import train
            from train.watch import Watch

        with exit_on_signals(), process_group() as group, _only_the_first_speaks(group):
            said = _Said(messages)
            watch = Watch(said, look=group.size == 1)
            with live_line(quiet=messages.quiet or not group.first):
                shown: dict[str, Any] = {"watch": watch, "say": said} if group.first else {}
                result = train(recipe, out, force=force, resume=resume, group=group, **shown)
            if group.first:
                summary = replace(result.summary, records=watch.curve)
                text = summary.text(out, said.warnings, said.width)
                document = summary.document(out, result.figures, said.warnings)
                messages.close(f"\n{text}", document)
            if result.missed:
                raise TrainError(f"{out} is written, but {result.missed}")


@contextmanager
def _only_the_first_speaks(group: "ProcessGroup") -> Iterator[None]:
    """End the other processes of `group` in silence where one is lost: the first reports it."""
    try:
        yield
    except LostProcessError:
        if group.first:
            raise
        sys.exit(LostProcessError.exit_code)


class _Said:
    """Prints lines for a person, as wide as the terminal, and keeps the warnings among them."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.warnings = list[str]()
        self.width = min(_WIDTH, columns(sys.stdout, _WIDTH + 1) - 1)

    def __call__(self, text: str) -> None:
        is_warning = text.startswith("warning: ")
        if is_warning:
            self.warnings.append(text)
        wrapped = "\n  ".join(textwrap.wrap(text, self.width - 2, **_WRAPPING))
        if is_warning and self._messages.quiet:
            self._messages.warn(wrapped)
        else:
            self._messages.say(wrapped)


def _recipe(
    data: str | None,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
    settings: dict[str, Any],
    threshold: Any,
) -> tuple[Recipe, str]:
    """The recipe after all overrides, and the name that its run gets by default."""
    if recipe_file is None and data is None:
        recipe_file = _DEFAULT_RECIPE
    document = read_toml(recipe_file) if recipe_file else {}
    if data is not None:
        put(document, "data", "file", data)
        for other in SOURCES[1:]:
            document["data"].pop(other, None)
    for assignment in assignments:
        override(document, assignment)
    apply_options(document, settings)
    if threshold is not None:
        document["threshold"] = threshold
    source = recipe_file or Path(data or "run")
    return Recipe.from_dict(document), source.name.lstrip(".").split(".")[0] or "run"
