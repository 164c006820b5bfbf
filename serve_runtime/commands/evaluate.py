"""The command `serve-runtime evaluate`."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.commands.options import dialect_options, header_option, threads_option
from serve_runtime.commands.progress import progress_line
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import echo
from serve_runtime.shown import quoted

if TYPE_CHECKING:
    from serve_runtime.bundle.card import ModelCard
    from serve_runtime.evaluation.metrics import Evaluation


@click.command()
@click.argument("bundle", type=click.Path())
@click.argument("table", type=click.Path(allow_dash=True))
@click.option(
    "--target",
    required=True,
    metavar="COL",
    help="The column that holds the labels: its name, or its position (-1 is the last).",
)
@click.option(
    "--positive",
    metavar="LABEL",
    help="The label in TABLE that counts as the positive one, where it is spelled otherwise than "
    "in training.",
)
@header_option
@dialect_options
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print all figures, unrounded, as JSON.")
def evaluate(
    bundle: str,
    table: str,
    target: str,
    positive: str | None,
    header: bool | None,
    dialect: dict[str, Any],
    threads: "int | Literal['auto']",
    as_json: bool,
) -> None:
    """Compare what a model says with the labels of a table.

    TABLE is what `score` takes: .csv, .csv.gz or .parquet, '-' for CSV on standard input, a
    folder or a quoted glob. Labels may be spelled as text, number or true and false, as in
    training. Memory does not grow with the number of rows.

    \b
    Examples:
      serve-runtime evaluate bundles/churn last-month.parquet --target churned
      serve-runtime evaluate bundles/churn 'data/*.csv' --target churned --json
    """
    with command_errors():
        with loading():
            from serve_runtime.evaluation.evaluate_tables import evaluate_tables
            from serve_runtime.predictor import Predictor

        predictor = Predictor(bundle, threads=threads)
        with progress_line() as progress:
            found = evaluate_tables(
                predictor,
                table,
                target,
                positive=positive,
                header=header,
                dialect=dialect,
                progress=progress,
            )
        if as_json:
            echo(json.dumps(_document(found, predictor.card), indent=1, allow_nan=False))
            return
        for line in _lines(found, predictor.card):
            echo(line)


def _document(found: "Evaluation", card: "ModelCard") -> dict[str, Any]:
    """All figures, for --json."""
    return {
        "model_id": card.model_id,
        "classes": list(card.classes),
        "rows": found.rows,
        "base_rate": found.base_rate,
        "auc": found.auc,
        "auc_within": found.auc_within,
        "log_loss": found.log_loss,
        "brier": found.brier,
        "threshold": card.threshold,
        "accuracy": found.accuracy,
        "balanced_accuracy": found.balanced_accuracy,
        "precision": found.precision,
        "recall": found.recall,
        "specificity": found.specificity,
        "confusion": {
            "true_negatives": found.true_negatives,
            "false_positives": found.false_positives,
            "false_negatives": found.false_negatives,
            "true_positives": found.true_positives,
        },
    }


def _lines(found: "Evaluation", card: "ModelCard") -> Iterator[str]:
    """The figures for a person."""
    negative, positive = (quoted(label) for label in card.classes)
    share = found.base_rate
    auc = "n/a: all rows are of one class" if found.auc is None else f"{found.auc:.6f}"
    if found.auc_within:
        auc += f" (within {found.auc_within:.1g})"
    yield f"model_id           {card.model_id}"
    yield f"rows               {found.rows:,}"
    yield f"base rate          {share:.2%} are {positive}"
    yield f"AUC                {auc}"
    yield f"log loss           {found.log_loss:.6g}"
    yield f"Brier score        {found.brier:.6g}"
    yield f"at the threshold   {card.threshold:g}"
    yield f"accuracy           {found.accuracy:.2%} (majority {max(share, 1 - share):.2%})"
    yield f"balanced accuracy  {_percent(found.balanced_accuracy, 'all rows are of one class')}"
    yield f"precision          {_percent(found.precision, f'no row is labelled {positive}')}"
    yield f"recall             {_percent(found.recall, f'no row is {positive}')}"
    yield ""
    counts = [
        ("", f"labelled {negative}", f"labelled {positive}"),
        (f"is {negative}", f"{found.true_negatives:,}", f"{found.false_positives:,}"),
        (f"is {positive}", f"{found.false_negatives:,}", f"{found.true_positives:,}"),
    ]
    widths = [max(map(len, column)) for column in zip(*counts, strict=True)]
    for first, *cells in counts:
        shown = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *shown])


def _percent(share: float | None, why_none: str) -> str:
    return f"n/a: {why_none}" if share is None else f"{share:.2%}"
