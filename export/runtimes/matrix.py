"""Bundles proven on old and new runtimes, each in a virtual environment of its own.

Every minor release of onnxruntime from the oldest supported to the newest gets a virtual
environment with nothing but numpy and it, in which export.runtimes.prove_here proves the bundles. A
Python that has another torch proves their TorchScript.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from export.errors import ParityError
from export.parity.tables import of_budget, ulp
from export.runtimes.environments import environment
from export.runtimes.outcome import BitsLetters, Outcome, prove_with
from export.text_table import TextTable
from serve_runtime.inference.tried import NEWEST_ONNXRUNTIME, OLDEST_ONNXRUNTIME

MINORS: Final = tuple(
    f"1.{minor}" for minor in range(OLDEST_ONNXRUNTIME[1], NEWEST_ONNXRUNTIME[1] + 1)
)
"""The minor releases of onnxruntime that are proven."""


def prove(
    bundles: Sequence[Path],
    minors: Sequence[str],
    torches: Sequence[Path],
    environments: Path,
) -> Iterator[Outcome]:
    """Prove `bundles` on each onnxruntime minor and with the torch of each Python given.

    `environments` is the folder of the virtual environments, which are kept for the next time.
    """
    for minor in minors:
        runtime = f"onnxruntime {minor}"
        try:
            python = environment(environments / f"onnxruntime-{minor}", minor)
        except ParityError as reason:
            yield from (Outcome(runtime, bundle, None, str(reason)) for bundle in bundles)
            continue
        for bundle in bundles:
            yield prove_with(python, runtime, bundle)
    for python in torches:
        for bundle in bundles:
            yield prove_with(python, f"the torch of {python}", bundle, "--torchscript")


def table(outcomes: Sequence[Outcome]) -> TextTable:
    """One line for each runtime and bundle.

    Releases of one library that agree in every bit of a bundle's scores share a letter.
    """
    letters = BitsLetters()
    rows: list[Sequence[str]] = []
    for outcome in outcomes:
        figures, name = outcome.figures, outcome.bundle.name
        if figures is None:
            ended = "refused" if outcome.refused else "failed"
            rows.append((outcome.runtime, *("—",) * 2, name, ended, *("—",) * 3))
            continue
        shares = map(of_budget, (figures.logit_share, figures.probability_share))
        letter = letters.letter((figures.runtime.split()[0], outcome.bundle), figures.bits)
        rows.append((figures.runtime, figures.python, figures.numpy, name, *shares,
                     ulp(figures.kernel_ulp), letter))  # fmt: skip
    heading = ("runtime", "Python", "numpy", "bundle", "logit of budget", "prob. of budget",
               "sigmoid ULP", "bits")  # fmt: skip
    return TextTable(heading, rows)
