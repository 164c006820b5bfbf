"""What comes of proving a bundle with another Python: its figures, or why there are none."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export.errors import ParityError
from export.runtimes.prove_here import REFUSED, RuntimeFigures

_SECONDS = 3600
"""Longest time for one proof; an emulated processor takes up to 30 times that of a real one, and
ten minutes for every logit."""


@dataclass(frozen=True)
class Outcome:
    """What came of proving one bundle on one runtime."""

    runtime: str
    bundle: Path
    figures: RuntimeFigures | None
    problem: str
    """Why there are no figures; empty where there are."""
    refused: bool = False
    """Whether a Predictor refuses to serve there, by its self-test: no promise is broken."""


def prove_with(python: Path, runtime: str, bundle: Path, *options: str) -> Outcome:
    """Run export.runtimes.prove_here on `bundle` with another Python."""
    try:
        done = run_module(python, "export.runtimes.prove_here", *options, str(bundle))
        if done.returncode == 0:
            return Outcome(runtime, bundle, RuntimeFigures(**json.loads(done.stdout)), "")
        lines = done.stderr.strip().splitlines()
        start = next((i for i, line in enumerate(lines) if line.startswith("Error: ")), 0)
        problem = "\n".join(lines[start:])[-2000:].removeprefix("Error: ")
        problem = problem or f"exit {done.returncode}"
        return Outcome(runtime, bundle, None, problem, refused=done.returncode == REFUSED)
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError) as reason:  # no verdict
        return Outcome(runtime, bundle, None, str(reason))


def run_module(python: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments…` in this checkout, with what it printed."""
    return subprocess.run(
        [python, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        timeout=_SECONDS,
    )


def require(outcomes: Iterable[Outcome], *, may_refuse: bool = False) -> None:
    """Raise ParityError naming every runtime that failed, and why.

    With `may_refuse`, one on which a Predictor refuses to serve has not failed.
    """
    failed = [
        f"{o.runtime}, {o.bundle}: {o.problem}"
        for o in outcomes
        if o.figures is None and not (may_refuse and o.refused)
    ]
    if failed:
        raise ParityError("\n".join(failed))


class BitsLetters:
    """Letters for digests of scores, the first seen being a: what has one letter has the same bits
    of the same thing."""

    def __init__(self) -> None:
        self._seen: dict[object, list[str]] = {}

    def letter(self, thing: object, digest: str) -> str:
        """The letter of a digest of the scores of `thing`."""
        seen = self._seen.setdefault(thing, [])
        if digest not in seen:
            seen.append(digest)
        return chr(ord("a") + seen.index(digest))
