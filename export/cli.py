"""The command line of export: make a bundle, or prove one again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serve_runtime.errors import ServeError

if TYPE_CHECKING:
    from export.bundle import Proof

# Moving a logit by this much moves a probability by at most a quarter of it.
_LOOSE_LOGIT = 1e-3


@contextmanager
def _command_errors() -> Iterator[None]:
    try:
        yield
    except ServeError as reason:
        raise click.ClickException(str(reason)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Export a training run to ONNX, TorchScript and .pt2, each proven against the model."""


@main.command("bundle")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the bundle if it exists.")
@click.option(
    "--sample/--no-sample",
    default=True,
    help="Whether parity.json keeps some training rows, so that verify can use them.",
)
def make_bundle(run: Path, bundle: Path, force: bool, sample: bool) -> None:
    """Export RUN into the folder BUNDLE; nothing appears unless every artifact is proven.

    \b
    Example:
      python -m export bundle runs/churn bundles/churn
    """
    with _command_errors():
        from export.bundle import export_bundle

        proof = export_bundle(run, bundle, force=force, keep_sample=sample)
    _show(proof)
    click.echo(f"\nbundle: {bundle}")


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path))
def verify(bundle: Path) -> None:
    """Prove BUNDLE again from its files alone; exit 1 and say where if a proof fails.

    \b
    Example:
      python -m export verify bundles/churn
    """
    with _command_errors():
        from export.bundle import verify_bundle

        proof = verify_bundle(bundle)
    _show(proof)
    click.echo(f"\n{bundle}: every file is the one exported, every score is inside its budget")


def _show(proof: "Proof") -> None:
    from export.parity import report

    click.echo(report(proof.figures))
    click.echo(
        f"golden rows: {proof.selftest.rows}, logits use {proof.selftest.logit_share:.1%} of their "
        f"budget; a training row's logit is good to ± {proof.logit_bound:.2g}"
    )
    feature, moves = proof.coarsest
    if moves > _LOOSE_LOGIT:
        click.echo(
            f"warning: feature {feature!r} weighs so much that its rounding to float32 alone "
            f"moves the logit by up to {moves:.2g}: if it lies far from 0 for its spread, subtract "
            "a typical value from it before training and before scoring",
            err=True,
        )
