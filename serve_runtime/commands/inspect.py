"""The command `serve-runtime inspect`."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import echo
from serve_runtime.errors import ArtifactError, MissingDependencyError
from serve_runtime.shown import MOST_CHARACTERS, MOST_NAMES, listed, quoted

if TYPE_CHECKING:
    from serve_runtime.bundle.card import ModelCard
    from serve_runtime.features.column import Column

_METRICS = ("cost", "accuracy", "auc", "log_loss")
_LARGEST = 10**18
"""Larger whole numbers are no counts, and are shown as they are."""


@click.command()
@click.argument("bundle", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the whole model card as JSON.")
@click.option("--html", "as_html", is_flag=True, help="Make a page of it to look at, as HTML.")
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    help="Where the page goes; else to standard output.",
)
def inspect(bundle: str, as_json: bool, as_html: bool, output: str | None) -> None:
    """Show what a model expects and how it was trained.

    These are the facts on the model card that is stored in every model file. The page shows more:
    what drives the score, what was proven, whether all files are those that were exported (exit
    code 1 where one is not), and how to call the model.

    \b
    Examples:
      serve-runtime inspect bundles/churn
      serve-runtime inspect bundles/churn --html -o churn.html
    """
    if as_json and as_html:
        raise click.UsageError("--json or --html, not both")
    if output is not None and not as_html:
        raise click.UsageError("-o is where the page of --html goes")
    if as_html:
        _write_page(bundle, None if output == "-" else output)
        return
    with command_errors():
        with loading():
            from serve_runtime.bundle.model_file import read_models

        models = read_models(bundle)
        card = models[0].card
        if as_json:
            echo(card.to_json())
            return
        names = [os.path.basename(model.path) for model in models]  # noqa: PTH119
        files = ", ".join(f"{name}: {m.layout}" for name, m in zip(names, models, strict=True))
        machine = _this_machine()
        echo(f"model        {bundle} ({files})")
        echo(f"model_id     {card.model_id}")
        echo(f"this machine {machine}")
        for line in _card_lines(card):
            echo(line)


def _write_page(bundle: str, output: str | None) -> None:
    """Write the page of a bundle. Exits with 1 where its files do not match."""
    if output is None and sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError("say where the page goes: -o page.html, or > page.html")
    with command_errors():
        with loading():
            from pathlib import Path

            from serve_runtime.outputs.page import write_page
            from serve_runtime.pages.bundle_page import bundle_page
            from serve_runtime.pages.facts import read_facts

        found = read_facts(bundle)
        content = bundle_page(found)
        if output is None:
            echo(content.removesuffix("\n"))
        else:
            write_page(Path(output), content.encode("ascii"))
            echo(f"{output}: the page of {found.name}, {len(content):,} bytes", err=True)
        if found.problems:
            shown = listed(found.problems, 3, show=str, joint="\n")
            raise ArtifactError(f"the files of {bundle} do not match:\n{shown}")


def _this_machine() -> str:
    """Whether bundles have been proven on a machine and an onnxruntime like these."""
    import platform

    from serve_runtime.inference.tried import untried

    try:
        with loading():
            from serve_runtime.inference.onnxruntime_library import onnxruntime_version
    except MissingDependencyError as reason:
        return str(reason)
    version, system, machine = onnxruntime_version(), platform.system(), platform.machine()
    if unknown := untried(version, system, machine):
        return "; ".join(unknown) + ": it serves where `serve-runtime selftest` passes"
    return f"onnxruntime {version} on {system} {machine}: models were proven on such"


def _card_lines(card: "ModelCard") -> Iterator[str]:
    """The model card in words: a line for each fact, then one for each feature.

    What it says of the training may be anything that JSON can hold: only export needs it.
    """
    from serve_runtime.pages.column_parts import per_deviation

    negative, positive = card.classes
    yield f"labels       {quoted(negative)} (negative), {quoted(positive)} (positive)"
    yield f"threshold    positive where probability >= {card.threshold:g}"
    if all(column.missing == "error" for column in card.columns):
        yield "missing      error: a row with a missing or infinite value is refused"
    else:
        yield "missing      as each feature says; a row with an infinite value is refused"
    training = card.training
    for key in ("rows", "holdout_rows"):
        if key in training:
            yield f"{key:12s} {_number(training[key], ',')}"
    if "data_sha256" in training:
        yield f"data_sha256  {str(training['data_sha256'])[:64]}"
    # Training measured the accuracy at its own threshold, whatever export was told since.
    note = {"accuracy": " at 0.5"} if card.threshold != 0.5 else {}
    for split, figures in _items(training.get("metrics"))[:MOST_NAMES]:
        found = dict(_items(figures))
        shown = [
            f"{name}{note.get(name, '')} {_number(found[name], '.6g')}"
            for name in _METRICS
            if found.get(name) is not None
        ]
        yield f"{split[:MOST_CHARACTERS]:12s} {', '.join(shown)}"
    versions = _items(training.get("versions"))[:MOST_NAMES]
    shown = [f"{name} {version}"[:MOST_CHARACTERS] for name, version in sorted(versions)]
    yield f"versions     {', '.join(shown)}"
    yield f"golden rows  {len(card.golden)} test rows with their exact scores, for selftest"
    weights = per_deviation(card)
    told = "its range" if not card.categories else "its range or levels"
    told += " in the training rows"
    if weights:
        told += ", and by how much the logit rises with one standard deviation"
    yield f"features     {len(card.feature_names):,}, each with {told}"
    for i, column in enumerate(card.columns):
        sign = "" if column.low is None or column.knots else "+"  # both ways, or one
        weight = f"  {weights[i]:{sign}.4g}" if weights else ""
        yield f"  {quoted(column.name)}  {_values(column)}{weight}"


def _values(column: "Column") -> str:
    """The values of a column in the training rows, and what is done with others."""
    missing = "" if column.missing == "error" else f"  missing: {column.missing}"
    if column.low is not None:
        precise = "" if column.kind == "number" else f" {column.kind}"
        bent = f"  {_bends(column)}" if column.knots else ""
        return f"[{column.low:g}, {column.high:g}]{precise}{bent}{missing}"
    levels = f"{len(column.levels):,}: {listed(column.levels, 3)}"
    rare = f" and {len(column.rare):,} rare ones as one" if column.rare else ""
    return f"{levels}{rare}{missing}  unknown: {column.unknown}"


def _bends(column: "Column") -> str:
    """Where a bent number is piecewise linear, and how many of its values have a weight of their
    own."""
    from serve_runtime.features.curve import after, single_values

    single = single_values(column.knots)
    knots = len({*column.knots} - {*single.tolist(), *after(single).tolist()})
    found = [f"{knots:,} knot{'s' * (knots != 1)}"] if knots else []
    found += [f"{len(single):,} single value{'s' * (len(single) != 1)}"] if len(single) else []
    return f"bent: {', '.join(found)}"


def _items(value: object) -> list[tuple[str, Any]]:
    """The items of a JSON object; none of anything else."""
    return list(value.items()) if isinstance(value, dict) else []


def _number(value: object, form: str) -> str:
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _LARGEST):
        return format(value, form)
    return quoted(value)
