"""The command line of export: make a bundle, or prove one again."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from serve_runtime.commands.errors import command_errors

if TYPE_CHECKING:
    from export.proof import Proof

# Of export.sigmoid.kernels, which is too slow to import for a --help.
_KERNELS = ("exported", "exported-rows", "torchscript", "torch", "plain-negation", "onnx-sigmoid")

# Moving a logit by this much moves a probability by at most a quarter of it.
_LOOSE_LOGIT = 1e-3


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
    help="Whether parity.json keeps some rows of the data, so that verify can use them.",
)
def make_bundle(run: Path, bundle: Path, force: bool, sample: bool) -> None:
    """Export RUN into the folder BUNDLE; nothing appears unless every artifact is proven.

    \b
    Example:
      python -m export bundle runs/churn bundles/churn
    """
    with command_errors():
        from export.publish import export_bundle

        proof = export_bundle(run, bundle, force=force, keep_sample=sample)
        _show(proof)
        kept = len(proof.sample)
        click.echo(f"\nbundle: {bundle}" + (
            f" (parity.json holds {kept} rows of the data, for verify; --no-sample leaves them out)"
            if kept else ""))  # fmt: skip


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    default=0,
    type=click.IntRange(min=0),
    metavar="N",
    help="Prove it on N more generated rows, of any logit and far outside the ranges.",
)
@click.option("--by-logit", is_flag=True, help="Show the figures for each range of the logit too.")
def verify(bundle: Path, rows: int, by_logit: bool) -> None:
    """Prove BUNDLE again from its files alone; exit 1 and say where if a proof fails.

    \b
    Example:
      python -m export verify bundles/churn --rows 1000000
    """
    with command_errors():
        from tqdm import tqdm

        from export.certificate import VERDICT
        from export.parity import tables
        from export.verify import verify_bundle

        proof = verify_bundle(
            bundle, rows=rows, watch=lambda blocks: tqdm(blocks, unit=" blocks", disable=None)
        )
        _show(proof)
        if by_logit:
            click.echo(f"\n{tables.by_logit(proof.parity, list(proof.parity.subjects)).text()}")
            click.echo(f"\n{tables.between(proof.parity).text()}")
        click.echo(f"\n{bundle}: every file is the one exported, {VERDICT}")


@main.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--only",
    multiple=True,
    metavar="1.N",
    help="This minor release of onnxruntime; may be repeated; default: all supported.",
)
@click.option(
    "--torch",
    "torches",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PYTHON",
    help="A Python whose torch is to prove TorchScript.",
)
@click.option(
    "--environments",
    default=".matrix",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the environments are kept.",
)
def runtimes(
    bundles: tuple[Path, ...], only: tuple[str, ...], torches: tuple[Path, ...], environments: Path
) -> None:
    """Prove BUNDLES on runtimes old and new, each in its own environment; exit 1 if one fails.

    \b
    Example:
      python -m export runtimes bundles/churn --only 1.15 --only 1.31
    """
    with command_errors():
        from export.runtimes.matrix import MINORS, prove, require, table
        from serve_runtime.bundle.manifest import Manifest

        if unknown := set(only) - set(MINORS):
            raise click.BadParameter(
                f"supported are {MINORS[0]} to {MINORS[-1]}; got {', '.join(sorted(unknown))}"
            )
        for bundle in bundles:
            Manifest.read(bundle)  # before the environments are made
        absolute = [bundle.resolve() for bundle in bundles]
        outcomes = []
        for outcome in prove(absolute, only or MINORS, torches, environments.resolve()):
            outcomes.append(outcome)
            found = "failed" if outcome.served is None else "within budget"
            click.echo(f"{outcome.runtime}, {outcome.bundle.name}: {found}", err=True)
        click.echo(table(outcomes).text())
        require(outcomes)


def _show(proof: "Proof") -> None:
    from export.parity.tables import overview

    click.echo(overview(proof.parity).text())
    selftest, folding = proof.selftest, proof.folding
    click.echo(
        f"golden rows: {selftest.rows}, logits use {selftest.logit_share:.1%} of their budget"
    )
    total = folding.written
    click.echo(
        f"weights: {folding.form}; within the training ranges a logit is within {total.total:.2g} "
        f"of the trained model's ({total.rounding:.2g} from rounding the weights), and up to "
        f"{proof.input_rounding:.2g} more where features hold more digits than float32"
    )
    if folding.form == "folded":
        click.echo(f"         of that, folding the standardisation owes {folding.share:.0%}")
    else:
        click.echo(f"         folded, it would be {folding.folded.total:.2g}")
    if proof.logit_bound:
        click.echo(f"         the logit of a sampled row is good to ± {proof.logit_bound:.2g}")
    if proof.logit_bound == float("inf"):
        click.echo(
            "warning: the terms of some sampled rows may overflow float32, and a Predictor may "
            "refuse such rows: check the units of the features",
            err=True,
        )
    feature, moves = proof.coarsest
    if moves > _LOOSE_LOGIT:
        click.echo(
            f"warning: feature {feature!r} weighs so much that its rounding to float32 alone "
            f"moves the logit by up to {moves:.2g}: if it lies far from 0 for its spread, subtract "
            "a typical value from it before training and before scoring",
            err=True,
        )


@main.command("sigmoid")
@click.option(
    "--kernel",
    default="exported",
    show_default=True,
    type=click.Choice([*_KERNELS, "all"]),
    help="What computes the probability: the exported graph (columns or rows) must be proven, "
    "the others are only reported.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="About N logits, as many from each range, instead of all.",
)
def prove_sigmoid(kernel: str, sample: int | None) -> None:
    """Hold the probability against the exact sigmoid on every float32 logit; exit 1 and say where
    if the exported graph fails.

    \b
    Example:
      python -m export sigmoid --sample 1000000
    """
    with command_errors():
        from export.sigmoid.every_float32 import prove, report, require
        from export.sigmoid.kernels import KERNELS, REQUIRED

        proofs = {}
        for name in KERNELS if kernel == "all" else [kernel]:
            proofs[name] = prove(name, KERNELS[name](), sample=sample, progress=True)
            click.echo(report(proofs[name]) + "\n")
        for name in REQUIRED & proofs.keys():
            require(proofs[name])
