"""The command `serve-runtime score`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.commands.options import (
    dialect_options,
    header_option,
    message_options,
    names_of,
    threads_option,
)
from serve_runtime.commands.progress import progress_line
from serve_runtime.commands.signals import exit_on_signals
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import Messages
from serve_runtime.outputs.direct import is_stdout
from serve_runtime.shown import listed, quoted

if TYPE_CHECKING:
    from serve_runtime.bundle.card import ModelCard
    from serve_runtime.scoring.score_summary import ScoreSummary


def _names(context: click.Context, option: click.Parameter, lines: Sequence[str]) -> dict[str, str]:
    """The values of --names, by the column that each one names."""
    names: dict[str, str] = {}
    for pair in names_of(context, option, lines):
        column, equals, name = pair.partition("=")
        if not (equals and name) or column not in ("probability", "label") or column in names:
            raise click.BadParameter(
                f"{quoted(pair)} must be probability=NAME or label=NAME, each at most once"
            )
        names[column] = name
    return names


@click.command()
@click.argument("bundle", type=click.Path())
@click.argument("input", type=click.Path(allow_dash=True))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(allow_dash=True),
    help="Where the scores go: a .csv, .csv.gz or .parquet file, '-' for CSV on standard output, "
    "or a folder, which gets one file for each input table.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COL[,COL…]",
    callback=names_of,
    help="Input columns to copy into the output, for example an id; may be given several times. "
    "A name with a comma goes into double quotes, as in CSV: --keep '\"weight, kg\"'.",
)
@click.option(
    "--names",
    multiple=True,
    metavar="probability=NAME,label=NAME",
    callback=_names,
    help="What the two columns of scores are called; then an input column called probability or "
    "label can be kept.",
)
@header_option
@dialect_options
@threads_option
@click.option(
    "--parts",
    type=click.Choice(["csv", "csv.gz", "parquet"]),
    help="The format of the files in an output folder; otherwise each has that of its table.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with an output folder: make the files that it does not hold yet.",
)
@message_options
def score(
    bundle: str,
    input: str,
    output: str,
    keep: Sequence[str],
    names: dict[str, str],
    header: bool | None,
    dialect: dict[str, Any],
    threads: "int | Literal['auto']",
    parts: str | None,
    resume: bool,
    messages: Messages,
) -> None:
    """Score the rows of a table; write probability and label.

    INPUT is .csv, .csv.gz or .parquet, '-' for CSV on standard input, a folder (all such files
    below it, but for names that begin with . or _), or a quoted glob. Every row gets a
    probability and a label; columns are matched by name. Each file appears whole or not at all.

    \b
    Examples:
      serve-runtime score bundles/churn customers.parquet -o scores.parquet --keep id
      serve-runtime score bundles/churn 'data/2024-*/*.csv' -o scores.parquet
      serve-runtime score bundles/churn data -o scores/ --parts parquet --resume
      cat rows.csv | serve-runtime score bundles/churn - -o - > scores.csv
    """
    with command_errors():
        if messages.as_json and is_stdout(Path(output)):
            raise click.UsageError(f"--json and -o {output} would both write to standard output")
        messages = replace(messages, err=True)
        with loading():
            from serve_runtime.predictor import Predictor
            from serve_runtime.scoring.score_file import score_with
            from serve_runtime.scoring.score_summary import ScoreSummary
            from serve_runtime.scoring.table_scorer import TableScorer

        predictor = Predictor(bundle, threads=threads)
        summary, notices = ScoreSummary(predictor.card), list[str]()
        with exit_on_signals(), progress_line(quiet=messages.quiet) as progress:
            scorer = TableScorer(
                predictor,
                keep=keep,
                header=header,
                dialect=dialect,
                names=names,
                progress=progress,
                summary=summary,
            )
            rows = score_with(
                scorer,
                input,
                output,
                parts=parts and f".{parts}",
                resume=resume,
                notice=notices.append,
            )
    for notice in notices:
        messages.warn(notice)
    report = _report(rows, output, summary, predictor.card.classes[1])
    document = _document(rows, output, summary, predictor.card)
    messages.close("\n".join(report), {**document, "notices": notices})


def _document(rows: int, output: str, summary: "ScoreSummary", card: "ModelCard") -> dict[str, Any]:
    """What was scored, for --json."""
    first = summary.first_outside
    return {
        "output": output,
        "model_id": card.model_id,
        "classes": list(card.classes),
        "threshold": card.threshold,
        "rows": rows,
        "positives": summary.positives,
        "gaps": summary.gaps,
        "unknown_levels": dict(summary.unknown_levels),
        "rows_outside": summary.rows_outside,
        "first_outside": first
        and {
            "source": first.source,
            "row": first.row + 1,
            "feature": first.feature,
            "value": first.value.item(),
            "trained_on": [first.low.item(), first.high.item()],
        },
    }


def _report(rows: int, output: str, summary: "ScoreSummary", positive: object) -> Iterator[str]:
    """What was scored, in one to three lines; `positive` is the positive label."""
    total = f"{_count_rows(rows)} scored into {output}"
    if not rows:
        yield total
        return
    share = summary.positives / rows
    yield f"{total}: {summary.positives:,} ({share:.1%}) labelled {quoted(positive)}"
    unknown = summary.unknown_levels
    if summary.gaps or unknown:
        where = f" (in {listed(unknown)})" if unknown else ""
        yield (
            f"values that are missing: {summary.gaps:,}; levels that training did not see: "
            f"{sum(unknown.values()):,}{where}"
        )
    first = summary.first_outside
    if first is None:
        yield "all rows lie within the training ranges"
        return
    yield (
        f"{_count_rows(summary.rows_outside)} {'lies' if summary.rows_outside == 1 else 'lie'} "
        f"outside the training ranges; first: {first.source}: data row "
        f"{first.row + 1}, feature {quoted(first.feature)} is {first.value!s} "
        f"(trained on {first.low!s} to {first.high!s})"
    )


def _count_rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"
