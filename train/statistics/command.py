"""`python -m train summary RUN`: the statistics of a run, as tables for a person."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION
from serve_runtime.commands.errors import CommandLine, command_errors
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import echo
from serve_runtime.features.column import CATEGORY
from serve_runtime.shown import printable

_MOST_NAME = 24
_ESTIMATES = ("", "coefficient", "std. error", "z", "p")
_ODDS = ("", "odds ratio", "from", "to (95 %)")
_COLUMNS = ("", "mean |contribution|", "weight per standard deviation")


@click.command(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=click.Path(path_type=Path))
def main(run: Path) -> None:
    """Print what the training of RUN, a run folder, says of its weights.

    Of a fit without a penalty (`python -m train … --unpenalised`): each coefficient with its
    standard error, test and odds ratio, where categories count from their first level, and the
    deviance. Of every fit: how much each column contributes to the logits of the training rows.
    All of it is in RUN/metrics.json.
    """
    with command_errors():
        with loading():
            from train.errors import RunError
            from train.evaluate.summary import NO_SIGN
            from train.persistence.run_folder import read, read_metrics
        figures = read_metrics(run)
        if "statistics" not in figures:
            raise RunError(f"{run} is of an earlier version, which left no statistics: train again")
        columns = read(run).card.columns
        both_ways = {column.name for column in columns if column.kind == CATEGORY or column.knots}
        for line in lines(figures, both_ways):
            echo(line)
        if both_ways:
            echo(NO_SIGN)


def lines(figures: Mapping[str, Any], both_ways: Collection[str]) -> Iterator[str]:
    """The lines of what metrics.json holds; `both_ways` are the columns with more than one weight,
    of which a sign would say nothing."""
    found = figures["statistics"]
    if "none" in found:
        yield f"no standard errors: {found['none']}"
    else:
        yield from _table([_ESTIMATES, *map(_estimate, found["coefficients"])])
        yield ""
        yield from _table([_ODDS, *map(_odds, found["coefficients"][1:])])
        yield ""
        if "sum_of_weights" in found:
            yield f"weights of rows are frequencies: {found['sum_of_weights']:.10g} in all"
        yield (
            f"{found['rows']:,} rows, log likelihood {found['log_likelihood']:.10g}, deviance "
            f"{found['deviance']:.8g} (null {found['null_deviance']:.8g})"
        )
        yield f"AIC {found['aic']:.8g}, McFadden's R² {found['mcfadden_r2']:.4f}"
    yield ""
    weights = figures[WEIGHTS_PER_DEVIATION]
    ranked = sorted(figures["importance"].items(), key=lambda item: -item[1])
    rows = [
        (_cut(name), f"{share:.4f}", f"{weights[name]:{'' if name in both_ways else '+'}.4f}")
        for name, share in ranked
    ]
    yield from _table([_COLUMNS, *rows])


def _estimate(found: Mapping[str, Any]) -> Sequence[str]:
    return (
        _cut(found["name"]),
        f"{found['coefficient']:.6g}",
        f"{found['standard_error']:.4g}",
        f"{found['z']:.3f}" if abs(found["z"]) < 1000 else f"{found['z']:.3g}",
        f"{found['p']:.2g}",
    )


def _odds(found: Mapping[str, Any]) -> Sequence[str]:
    ends = ("odds_ratio", "odds_ratio_low", "odds_ratio_high")
    return (_cut(found["name"]), *(_ratio(found[end]) for end in ends))


def _ratio(value: float | None) -> str:
    return "beyond float64" if value is None else f"{value:.4g}"


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _MOST_NAME else f"{shown[: _MOST_NAME - 1]}…"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()
