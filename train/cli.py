"""The command line of training: options over a recipe, progress, and a closing table."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from tqdm import tqdm

from serve_runtime.commands.errors import command_errors
from train.errors import LostProcessError
from train.recipe.recipe import SOURCES, Recipe
from train.recipe.toml_file import override, put, read_toml

if TYPE_CHECKING:
    from train.gradients.processes import Group

Command = TypeVar("Command", bound=Callable[..., Any])

_DEFAULT_RECIPE = Path(__file__).parent.parent / "recipes" / "breast-cancer.toml"


def _setting(*names: str, key: str, **options: Any) -> Callable[[Command], Command]:
    """An option that overrides the recipe's key `key`, written section.key."""
    return click.option(*names, key.replace(".", "__"), default=None, **options)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", required=False, type=click.Path())
@click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), help="TOML file to start from."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder to write.  [default: runs/NAME, after the recipe or the data]",
)
@click.option("--force", is_flag=True, help="Replace the run folder if it exists.")
@click.option(
    "--resume", is_flag=True, help="Go on where the same training was interrupted, if it was."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override any key of the recipe.",
)
@_setting(
    "--target", key="data.target", help="Column to predict: its name, or position (-1: last)."
)
@_setting("--positive", key="data.positive", help="Label that counts as 1.")
@_setting("--features", key="data.features", metavar="COL[,COL…]", help="Columns to learn from.")
@_setting("--drop", key="data.drop", metavar="COL[,COL…]", help="Columns to leave out.")
@_setting("--header/--no-header", key="data.header", help="Whether CSV begins with column names.")
@_setting("--memory", key="data.memory", help="How much may be used, such as 8GB.")
@_setting("--holdout", key="data.holdout", help="Rows to hold out: a fraction, a file, or 0.")
@_setting(
    "--init", key="model.init", type=click.Choice(["default", "zeros"]), help="First weights."
)
@_setting("--standardize/--no-standardize", key="model.standardize", help="Scale the features.")
@_setting("--seed", key="model.seed", type=int, help="Of everything random.")
@_setting(
    "--loss", key="optimizer.loss", type=click.Choice(["bce", "mse"]), help="Cost to minimise."
)
@_setting("--lr", key="optimizer.lr", metavar="NUMBER|auto", help="Learning rate.")
@_setting("--epochs", key="optimizer.epochs", type=int, help="Passes over the data.")
@_setting("--batch-size", key="optimizer.batch_size", type=int, help="Rows per update; 0: all.")
@_setting("--momentum", key="optimizer.momentum", metavar="NUMBER|auto", help="0: none.")
@_setting("--nesterov/--no-nesterov", key="optimizer.nesterov", help="Needs momentum.")
@_setting(
    "--tolerance",
    key="optimizer.tolerance",
    metavar="NUMBER|auto",
    help="Stop at a gradient as small, or at four right digits.",
)
@_setting(
    "--patience",
    key="optimizer.patience",
    type=int,
    help="Stop after so many epochs without a lower hold-out cost.",
)
@_setting("--weight-decay", key="optimizer.weight_decay", type=float, help="Never on the bias.")
@_setting(
    "--device",
    key="optimizer.device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where to train.",
)
@_setting("--log-every", key="log.every", type=int, help="Epochs between two lines.")
@_setting(
    "--checkpoint-every",
    key="log.checkpoint_every",
    type=int,
    help="Updates between two checkpoints.",
)
def main(
    data: str | None,
    recipe_file: Path | None,
    out: Path | None,
    force: bool,
    resume: bool,
    assignments: tuple[str, ...],
    **settings: Any,
) -> None:
    """Fit a logistic regression to DATA (.csv, .csv.gz, .parquet) and leave a run folder.

    Without DATA the recipe names it; without either, scikit-learn's breast-cancer set is used.

    \b
    Examples:
      python -m train
      python -m train customers.parquet --target churned --out runs/churn
      python -m train --recipe recipes/six-points-zeros.toml --set optimizer.lr=0.5
    """
    with command_errors():
        recipe, name = _recipe(data, recipe_file, assignments, settings)
        out = out or Path("runs") / name
        from train.evaluate.metrics import report
        from train.gradients.processes import started
        from train.run import train

        with started() as group, _only_the_first_speaks(group):
            shown: dict[str, Any] = {}
            if group.first:
                shown = {"watch": _Progress(recipe), "say": _say}
            result = train(recipe, out, force=force, resume=resume, group=group, **shown)
            if group.first:
                _say(f"\n{report(result.metrics)}\n\nrun: {out}")


@contextmanager
def _only_the_first_speaks(group: "Group") -> Iterator[None]:
    """End the other processes of `group` in silence where one is lost: the first reports it."""
    try:
        yield
    except LostProcessError:
        if group.first:
            raise
        sys.exit(LostProcessError.exit_code)


def _say(text: str) -> None:
    """Print; where nobody reads any more, train on in silence rather than lose the run."""
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _recipe(
    data: str | None,
    recipe_file: Path | None,
    assignments: tuple[str, ...],
    settings: dict[str, Any],
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
    for key, value in settings.items():
        if value is not None:
            section, _, name = key.partition("__")
            if name in ("holdout", "lr", "momentum", "tolerance"):
                value = _number_or_text(value)
            if name in ("features", "drop"):
                value = [column for column in value.split(",") if column]
            put(document, section, name, value)
    source = recipe_file or Path(data or "run")
    return Recipe.from_dict(document), source.name.lstrip(".").split(".")[0] or "run"


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


class _Progress:
    """Prints a line for each record; shows a bar on a terminal and nothing of it in a pipe."""

    def __init__(self, recipe: Recipe) -> None:
        self._epochs = recipe.optimizer.epochs

    def __call__(self, records: Any) -> Iterator[Any]:
        done = records.progress.epoch
        bar = tqdm(
            records, initial=done, total=self._epochs, unit="epoch", disable=None, leave=False
        )
        for record in bar:
            if record is not None:
                line = (
                    f"epoch {record.epoch:>7}  cost {record.cost:.6f}"
                    f"  accuracy {record.accuracy:.2%}"
                )
                if record.validation_cost is not None:
                    line += (
                        f"  validation cost {record.validation_cost:.6f}"
                        f"  accuracy {record.validation_accuracy:.2%}"
                    )
                with bar.external_write_mode():
                    _say(line)
            yield record
