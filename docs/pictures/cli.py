"""The command line that makes the pictures of the published experiments (`make pictures`)."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

import click

from docs.pictures.bernoulli_curve import bernoulli_curve
from docs.pictures.cost_surfaces import cost_surfaces
from docs.pictures.diabetes import diabetes
from docs.pictures.experiments import Experiments
from docs.pictures.hours import hours
from docs.pictures.learning import learning
from docs.pictures.network import layers, neurons
from docs.pictures.six_points import six_points
from serve_runtime.commands.errors import CommandLine, command_errors
from serve_runtime.commands.progress import live_line
from serve_runtime.commands.terminal import echo
from serve_runtime.outputs.page import write_page
from serve_runtime.outputs.writing import writing
from train.errors import StoppedError


class Drawing(Protocol):
    """A finished picture."""

    def svg(self, key: str) -> str:
        """The text of an SVG file whose ids begin with `key`."""


PICTURES: Mapping[str, Callable[[Experiments], Drawing]] = {
    "layers": layers,
    "neurons": neurons,
    "bernoulli-curve": bernoulli_curve,
    "learning": learning,
    "cost-surfaces": cost_surfaces,
    "six-points": six_points,
    "hours": hours,
}
"""What is drawn, by the names of the files; with its table also "diabetes"."""


@click.command(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path(__file__).parent,
    metavar="FOLDER", show_default="docs/pictures", help="Where the files go.",
)  # fmt: skip
@click.option(
    "--diabetes", "table", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
    help="data-03-diabetes.csv, which is no part of the project: draw its training too.",
)  # fmt: skip
def main(output: Path, table: str | None) -> None:
    """Train the published experiments and draw them, as SVG files."""
    pictures = dict(PICTURES)
    if table is not None:
        pictures["diabetes"] = partial(diabetes, table=table)
    experiments = Experiments()
    with command_errors(), live_line() as show:
        with writing(output):
            output.mkdir(parents=True, exist_ok=True)
        for i, (name, draw) in enumerate(pictures.items(), 1):
            show(f"{i} of {len(pictures)}: {name}")
            try:
                content = draw(experiments).svg(name)
            except StoppedError as reason:  # of a training that is in a temporary folder
                raise SystemExit(reason.exit_code) from None
            write_page(output / f"{name}.svg", content.encode())
    echo(f"{len(pictures)} pictures in {output}: {', '.join(pictures)}")
