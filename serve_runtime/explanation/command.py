"""The command `serve-runtime explain`."""

import json
from collections.abc import Sequence
from typing import Any

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.commands.options import dialect_options, header_option
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import echo


def _from_one(_: click.Context, __: click.Parameter, rows: Sequence[int]) -> Sequence[int]:
    """The values of --row."""
    if not rows:
        raise click.UsageError("name the row to explain: --row 1 is the first one of the table")
    if min(rows) < 1:
        raise click.BadParameter(f"{min(rows)} is no row: they count from 1, without the header")
    return rows


@click.command()
@click.argument("bundle", type=click.Path())
@click.argument("table", type=click.Path(allow_dash=True))
@click.option(
    "--row",
    "rows",
    type=int,
    callback=_from_one,
    multiple=True,
    metavar="N",
    help="The data row to explain, from 1, as messages count them; may be given several times.",
)
@click.option("--all", "all_columns", is_flag=True, help="Show every column, not the 12 first.")
@header_option
@dialect_options
@click.option("--json", "as_json", is_flag=True, help="Print everything, unrounded, as JSON.")
def explain(
    bundle: str,
    table: str,
    rows: Sequence[int],
    all_columns: bool,
    header: bool | None,
    dialect: dict[str, Any],
    as_json: bool,
) -> None:
    """Tell what made the score of a row, column by column.

    TABLE is a file that `score` takes: .csv, .csv.gz or .parquet, or '-' for CSV on standard input.
    The parts and the bias add up to the logit. A number's part is its weight times its distance
    from its mean in the training rows; a category's, the weight of its level, and a bent number's,
    its curve, each around its mean there.

    \b
    Examples:
      serve-runtime explain bundles/churn customers.csv --row 3
      serve-runtime explain bundles/churn customers.parquet --row 3 --row 17 --json
    """
    with command_errors():
        with loading():
            from serve_runtime.errors import RowError
            from serve_runtime.explanation.read_rows import read_rows
            from serve_runtime.explanation.row import explain_row
            from serve_runtime.explanation.text import MOST_COLUMNS, document, lines
            from serve_runtime.predictor import Predictor

        predictor = Predictor(bundle)
        card = predictor.card
        found = read_rows(card, table, rows, header=header, dialect=dialect)
        explained = {}
        for number in dict.fromkeys(rows):
            try:
                explained[number] = explain_row(predictor, found[number])
            except RowError as reason:
                raise reason.at(number - 1, f"{table}: data row {number}") from None
        if as_json:
            told = [document(row, number) for number, row in explained.items()]
            head = {"model_id": card.model_id, "classes": list(card.classes)}
            document_of_all = {**head, "threshold": card.threshold, "rows": told}
            echo(json.dumps(document_of_all, indent=1, allow_nan=False))
            return
        for position, (number, row) in enumerate(explained.items()):
            if position:
                echo("")
            most = None if all_columns else MOST_COLUMNS
            for line in lines(row, card, f"{table}: data row {number}", most):
                echo(line)
