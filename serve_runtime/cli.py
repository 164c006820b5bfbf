"""The serve-runtime command: score a file, inspect a model, test a machine."""

import csv
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from serve_runtime.bundle.card import ModelCard
    from serve_runtime.scoring.table_scorer import Progress
from serve_runtime.commands.errors import command_errors
from serve_runtime.version import installed_version

_LINE_SECONDS = 0.1

_BITS = {
    True: "; every bit is that of the export",
    False: "; some bits differ from the export's, as they may on another processor",
}


def _threads(value: str) -> "int | Literal['auto']":
    if value == "auto":
        return "auto"
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a number from 1 up nor auto")
    return int(value)


def _columns(context: click.Context, option: click.Parameter, lines: Sequence[str]) -> list[str]:
    """The names in lines of CSV."""
    try:
        return [
            name for line in lines for name in next(csv.reader([line], strict=True), []) if name
        ]
    except csv.Error as reason:
        raise click.BadParameter(f"names must be written as in CSV: {reason}") from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="serve-runtime")
def main() -> None:
    """Score tables with an exported logistic regression.

    BUNDLE is the folder that `python -m export bundle` wrote, or its model.onnx alone.
    """


@main.command()
@click.argument("bundle", type=click.Path())
@click.argument("input", type=click.Path(allow_dash=True))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(allow_dash=True),
    help="Where the scores go: .csv, .csv.gz or .parquet, '-' for CSV on standard output, or a "
    "folder, which takes one part for each table.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COL[,COL…]",
    callback=_columns,
    help="Input columns to copy into the output, for example an id; may be given several times. "
    "A name with a comma goes into double quotes, as in CSV: --keep '\"weight, kg\"'.",
)
@click.option(
    "--header/--no-header",
    default=True,
    help="Whether CSV begins with column names; without, they are f0, f1, ….",
)
@click.option("--threads", type=_threads, default="1", metavar="N|auto", show_default=True,
              help="Threads for the arithmetic; auto takes the cores that there are.")  # fmt: skip
@click.option(
    "--parts",
    type=click.Choice(["csv", "csv.gz", "parquet"]),
    help="The format of the parts in a folder; otherwise each has that of its table.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with a folder: make the parts that it does not hold."
)
def score(
    bundle: str,
    input: str,
    output: str,
    keep: Sequence[str],
    header: bool,
    threads: "int | Literal['auto']",
    parts: str | None,
    resume: bool,
) -> None:
    """Score every row of INPUT and write the columns probability and label.

    INPUT is .csv, .csv.gz or .parquet, '-' for CSV on standard input, a folder (all such files
    below it, but for names that begin with . or _), or a quoted glob. Columns are matched by name;
    each file appears whole or not at all.

    \b
    Examples:
      serve-runtime score bundles/churn customers.parquet -o scores.parquet --keep id
      serve-runtime score bundles/churn 'data/2024-*/*.csv' -o scores.parquet
      serve-runtime score bundles/churn data -o scores/ --parts parquet --resume
      cat rows.csv | serve-runtime score bundles/churn - -o - > scores.csv
    """
    with command_errors():
        from serve_runtime.predictor import Predictor
        from serve_runtime.scoring.score_file import score_file

        predictor = Predictor(bundle, threads=threads)
        with _unwinding(), _progress_line() as progress:
            rows = score_file(
                predictor,
                input,
                output,
                keep=keep,
                header=header,
                parts=parts and f".{parts}",
                resume=resume,
                progress=progress,
            )
    click.echo(f"{rows} {'row' if rows == 1 else 'rows'} scored into {output}", err=True)


@contextmanager
def _unwinding() -> Iterator[None]:
    """Whoever terminates this process, or hangs up, leaves nothing half-written behind."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, lambda found, _: sys.exit(128 + found))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _progress_line() -> "Iterator[Callable[[Progress], object] | None]":
    """Shows on a terminal how far the work is, and how fast; says nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    start = shown = time.monotonic()

    def show(done: "Progress") -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < _LINE_SECONDS:
            return
        shown = now
        line = f"{done.rows:,}" + (f" of {done.all_rows:,}" if done.all_rows else "") + " rows"
        if done.all_tables > 1:
            line += f", {done.tables} of {done.all_tables} files"
        line += f", {done.rows / (now - start):,.0f} rows/s"
        click.echo(f"\r\033[K{line}", nl=False, err=True)

    try:
        yield show
    finally:
        click.echo("\r\033[K", nl=False, err=True)


@main.command()
@click.argument("bundle", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the whole card as JSON.")
def inspect(bundle: str, as_json: bool) -> None:
    """Say what the model expects and where it comes from, as its card tells.

    \b
    Example:
      serve-runtime inspect bundles/churn
    """
    with command_errors():
        from serve_runtime.bundle.model_file import read_models

        models = read_models(bundle)
        card = models[0].card
        if as_json:
            click.echo(card.to_json())
            return
        names = [os.path.basename(model.path) for model in models]  # noqa: PTH119
        files = ", ".join(f"{name}: {m.layout}" for name, m in zip(names, models, strict=True))
        click.echo(f"model        {bundle} ({files})")
        _describe(card)


def _describe(card: "ModelCard") -> None:
    click.echo(f"labels       {card.classes[0]!r} (negative), {card.classes[1]!r} (positive)")
    click.echo(f"threshold    positive where probability >= {card.threshold:g}")
    click.echo(f"missing      {card.missing}")
    training = card.training
    for key in ("rows", "holdout_rows", "data_sha256"):
        if key in training:
            click.echo(f"{key:12s} {training[key]}")
    for part, figures in training.get("metrics", {}).items():
        shown = [
            f"{name} {figures[name]:.6g}"
            for name in ("cost", "accuracy", "auc", "log_loss")
            if figures.get(name) is not None
        ]
        click.echo(f"{part:12s} {', '.join(shown)}")
    versions = training.get("versions", {})
    click.echo(f"versions     {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}")
    click.echo(f"golden rows  {len(card.golden)}")
    click.echo(f"features     {len(card.feature_names)}")
    for name, low, high in zip(card.feature_names, card.feature_min, card.feature_max, strict=True):
        click.echo(f"  {name if name.isprintable() else repr(name)}  [{low:g}, {high:g}]")


@main.command()
@click.argument("bundle", type=click.Path())
def selftest(bundle: str) -> None:
    """Score the card's golden rows on this machine; exit 1 outside the error budget.

    \b
    Example:
      serve-runtime selftest bundles/churn
    """
    with command_errors():
        from serve_runtime.predictor import Predictor

        result = Predictor(bundle).selftest()
        click.echo(
            f"{result.rows} golden rows within budget: logits use {result.logit_share:.1%} of "
            f"theirs, probabilities are at most {result.probability_ulp:.2f} ULP from exact"
            + _BITS[result.identical]
        )
