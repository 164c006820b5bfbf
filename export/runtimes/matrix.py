"""Bundles proven on old and new runtimes, each in a virtual environment of its own.

Every minor release of onnxruntime from the oldest supported to the newest gets a virtual
environment with nothing but numpy and it, in which export.runtimes.prove_here proves the bundles. A
Python that has another torch proves their TorchScript.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from export.errors import ParityError
from export.parity.tables import of_budget, ulp
from export.runtimes.prove_here import RuntimeFigures
from export.text_table import TextTable

OLDEST, NEWEST = 15, 31
MINORS: Final = tuple(f"1.{minor}" for minor in range(OLDEST, NEWEST + 1))
"""The minor releases of onnxruntime that are proven."""

_NUMPY_1_UNTIL = 18
"""onnxruntime's wheels up to this minor release were built for numpy 1."""


@dataclass(frozen=True)
class Outcome:
    """What came of proving one bundle on one runtime."""

    runtime: str
    bundle: Path
    figures: RuntimeFigures | None
    problem: str
    """Why there are no figures; empty where there are."""


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
            python = _environment(environments / f"onnxruntime-{minor}", minor)
        except ParityError as reason:
            yield from (Outcome(runtime, bundle, None, str(reason)) for bundle in bundles)
            continue
        for bundle in bundles:
            yield _run(runtime, bundle, python)
    for python in torches:
        for bundle in bundles:
            yield _run(f"the torch of {python}", bundle, python, "--torchscript")


def require(outcomes: Iterable[Outcome]) -> None:
    """Raise ParityError naming every runtime that failed, and why."""
    failed = [f"{o.runtime}, {o.bundle}: {o.problem}" for o in outcomes if o.figures is None]
    if failed:
        raise ParityError("\n".join(failed))


def table(outcomes: Sequence[Outcome]) -> TextTable:
    """One line for each runtime and bundle.

    Releases of one library that agree in every bit of a bundle's scores share a letter.
    """
    letters: dict[tuple[str, Path], list[str]] = {}
    rows: list[Sequence[str]] = []
    for outcome in outcomes:
        figures, name = outcome.figures, outcome.bundle.name
        if figures is None:
            rows.append((outcome.runtime, *("—",) * 2, name, "failed", *("—",) * 3))
            continue
        seen = letters.setdefault((figures.runtime.split()[0], outcome.bundle), [])
        if figures.bits not in seen:
            seen.append(figures.bits)
        shares = map(of_budget, (figures.logit_share, figures.probability_share))
        letter = chr(ord("a") + seen.index(figures.bits))
        rows.append((figures.runtime, figures.python, figures.numpy, name, *shares,
                     ulp(figures.kernel_ulp), letter))  # fmt: skip
    heading = ("runtime", "Python", "numpy", "bundle", "logit of budget", "prob. of budget",
               "sigmoid ULP", "bits")  # fmt: skip
    return TextTable(heading, rows)


def _environment(folder: Path, minor: str) -> Path:
    """The Python of an environment that has this onnxruntime; made where it is missing."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        _call(sys.executable, "-m", "venv", "--clear", str(folder))
        numpy = "numpy<2" if int(minor.split(".")[1]) <= _NUMPY_1_UNTIL else "numpy"
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _call(str(python), *install, f"onnxruntime=={minor}.*", numpy)
        ready.touch()
    return python


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ParityError(
            f"cannot make an environment: {' '.join(command)} failed (the oldest releases need "
            f"Python 3.11): {(done.stderr or done.stdout).strip()[-2000:]}"
        )


def _run(runtime: str, bundle: Path, python: Path, *options: str) -> Outcome:
    try:
        done = subprocess.run(
            [python, "-m", "export.runtimes.prove_here", *options, bundle],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
            timeout=600,
        )
        if done.returncode == 0:
            return Outcome(runtime, bundle, RuntimeFigures(**json.loads(done.stdout)), "")
        problem = done.stderr.strip()[-2000:].removeprefix("Error: ") or f"exit {done.returncode}"
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError) as reason:
        problem = str(reason)
    return Outcome(runtime, bundle, None, problem)
