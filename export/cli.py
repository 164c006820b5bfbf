"""The command line of export: make a bundle, or prove one again."""

import math
import shlex
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from serve_runtime.commands.errors import CommandLine, command_errors
from serve_runtime.commands.options import message_options
from serve_runtime.commands.progress import live_line
from serve_runtime.commands.signals import exit_on_signals
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import Messages, columns, echo
from serve_runtime.shown import listed, quoted

if TYPE_CHECKING:
    from export.proof import BundleProof

# The names in export.sigmoid.kernels, which is too slow to import for a --help.
_KERNELS = ("exported", "exported-rows", "torchscript", "torch", "plain-negation", "onnx-sigmoid")

_MAINTAINERS = ("runtimes", "sigmoid")
"""Commands that prove export itself rather than somebody's bundle."""

_LOADING = "loading torch, onnx and onnxruntime"


def _no_nan(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """The value of an option; NaN is refused, which click finds inside of every range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number")
    return value


_table = click.option("--table", is_flag=True, help="Show the figures of every scorer too.")


class _Group(CommandLine, click.Group):
    """A group whose help lists the maintainers' commands last, under a heading of their own."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the two lists of commands."""
        for heading, maintainers in (("Commands", False), ("For maintainers", True)):
            with formatter.section(heading):
                formatter.write_dl([
                    (name, command.get_short_help_str())
                    for name, command in self.commands.items()
                    if (name in _MAINTAINERS) == maintainers
                ])  # fmt: skip


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Export a training run to ONNX, TorchScript and .pt2, each proven against the model."""


@main.command("bundle", short_help="Export a run into a bundle.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace the bundle if it exists.")
@click.option(
    "--sample/--no-sample",
    default=True,
    help="Whether parity.json keeps some rows of the data, so that verify can use them.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    callback=_no_nan,
    metavar="P",
    help="Label a row positive where its probability is P or more.  [default: 0.5]",
)
@_table
@message_options
def make_bundle(
    run: Path,
    bundle: Path,
    force: bool,
    sample: bool,
    threshold: float | None,
    table: bool,
    messages: Messages,
) -> None:
    """Export RUN into the folder BUNDLE; nothing appears unless every artifact is proven.

    \b
    Examples:
      python -m export bundle runs/churn bundles/churn
      python -m export bundle runs/churn bundles/churn --threshold 0.2 --force
    """
    with command_errors():
        with live_line(quiet=messages.quiet) as show:
            show(_LOADING)
            with loading():
                from export.publish import export_bundle

            with exit_on_signals():
                proof = export_bundle(
                    run, bundle, force=force, threshold=threshold, keep_sample=sample, show=show
                )
        sizes = [path.stat().st_size for path in bundle.iterdir()]
        positive, threshold = quoted(proof.card.classes[1]), proof.card.threshold
        facts = [f"{positive} where the probability is {threshold:g} or more"]
        if kept := len(proof.sample):
            facts.append(
                f"parity.json holds {kept} rows of your data, so that verify can use them; "
                "--no-sample leaves them out"
            )
        files = f"  ({len(sizes)} files, {sum(sizes) / 1000:,.0f} kB)"
        from train.evaluate.following import report_command

        line, look = f"bundle: {bundle}{files}", report_command(run, bundle)
        _close(messages, proof, bundle, line, facts, table=table, look=look)


@main.command(short_help="Prove a bundle again from its files.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    default=0,
    type=click.IntRange(min=0),
    metavar="N",
    help="Prove it on N more generated rows, of any logit and far outside the ranges.",
)
@_table
@click.option("--by-logit", is_flag=True, help="Show the figures for each range of the logit too.")
@message_options
def verify(bundle: Path, rows: int, table: bool, by_logit: bool, messages: Messages) -> None:
    """Prove BUNDLE again from its files alone; exit 1 and say where if a proof fails.

    \b
    Example:
      python -m export verify bundles/churn --rows 1000000
    """
    with command_errors():
        with live_line(quiet=messages.quiet) as show:
            show(_LOADING)
            with loading():
                from export.formats import onnx_model, torch_export, torchscript  # noqa: F401
                from export.verify import verify_bundle

            proof = verify_bundle(bundle, rows=rows, show=show)
        facts = ["every file is the one exported, every contract holds"]
        _close(messages, proof, bundle, f"bundle: {bundle}", facts, table=table, by_logit=by_logit)


def _close(
    messages: Messages,
    proof: "BundleProof",
    bundle: Path,
    line: str,
    facts: list[str],
    *,
    table: bool,
    by_logit: bool = False,
    look: str = "",
) -> None:
    """Say what was proven, with a `line` and `facts` on the bundle, what there is to worry about,
    the command that shows it as a page, where there is one, and what to type on the machine that
    serves it."""
    from export import verdict
    from serve_runtime.bundle.manifest import Manifest

    width = min(verdict.WIDTH, columns(sys.stdout, verdict.WIDTH + 1) - 1)
    following = f"serve-runtime selftest {shlex.quote(str(bundle))}"
    parts = [f"{verdict.figures(proof)}\n"] if table else []
    parts.append(verdict.verdict(proof, width))
    if by_logit:
        parts.append(f"\n{verdict.by_logit(proof)}")
    indent = " " * 8
    parts += ["", line]
    parts += [
        text for fact in facts
        for text in wrap(fact, width, initial_indent=indent, subsequent_indent=indent,
                         break_on_hyphens=False)
    ]  # fmt: skip
    parts += [f"look:   {look}"] * bool(look)
    parts += ["on the machine that serves it:", f"next:   {following}"]
    warnings = list(verdict.warnings(proof.bounds))
    for warning in warnings:
        messages.warn(warning)
    document = {
        "bundle": str(bundle),
        **verdict.document(proof),
        "files": {name: vars(entry) for name, entry in Manifest.read(bundle).files.items()},
        "warnings": [warning.removeprefix("warning: ") for warning in warnings],
        "next": following,
    }
    messages.close("\n".join(parts), document)


torch_option = click.option(
    "--torch",
    "torches",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PYTHON",
    help="A Python whose torch is to prove TorchScript.",
)
"""An option of every command that proves TorchScript with other releases of torch."""


@main.command(short_help="Prove bundles on old and new onnxruntime releases.")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--only",
    multiple=True,
    metavar="1.N",
    help="This minor release of onnxruntime; may be repeated; default: all supported.",
)
@torch_option
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
      python -m export runtimes bundles/churn --only 1.15 --only 1.32
    """
    with command_errors():
        with loading():
            from export.runtimes.matrix import MINORS, prove, table
            from export.runtimes.outcome import require
            from serve_runtime.bundle.manifest import Manifest

        if unknown := set(only) - set(MINORS):
            raise click.BadParameter(
                f"supported are {MINORS[0]} to {MINORS[-1]}; got {listed(sorted(unknown))}"
            )
        for bundle in bundles:
            Manifest.read(bundle)  # before the environments are made
        absolute = [bundle.resolve() for bundle in bundles]
        outcomes = []
        for outcome in prove(absolute, only or MINORS, torches, environments.resolve()):
            outcomes.append(outcome)
            found = "failed" if outcome.figures is None else "within budget"
            echo(f"{outcome.runtime}, {outcome.bundle.name}: {found}", err=True)
        echo(table(outcomes).text())
        require(outcomes)


@main.command("sigmoid", short_help="Prove the probability on every float32 logit.")
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
        with loading():
            from export.sigmoid.every_float32 import prove, report, require
            from export.sigmoid.kernels import KERNELS, REQUIRED

        proofs = {}
        for name in KERNELS if kernel == "all" else [kernel]:
            proofs[name] = prove(name, KERNELS[name](), sample=sample, progress=True)
            echo(report(proofs[name]) + "\n")
        for name in REQUIRED & proofs.keys():
            require(proofs[name])
