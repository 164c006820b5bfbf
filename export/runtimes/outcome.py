"""What comes of proving a bundle with another Python: its figures, or why there are none."""

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from export.errors import ParityError
from export.runtimes.prove_here import REFUSED, RuntimeFigures

T = TypeVar("T")

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
    module = "export.runtimes.prove_here"
    found = figures_of(python, RuntimeFigures, module, *options, str(bundle))
    return Outcome(runtime, bundle, *found)


def figures_of(
    python: Path, kind: Callable[..., T], module: str, *arguments: str
) -> tuple[T | None, str, bool]:
    """What `python -m module arguments…` prints as a line of JSON, as a `kind`, in this checkout.

    Where it prints none: None, why, and whether a Predictor refuses that Python's machine.
    """
    try:
        done = subprocess.run(
            [python, "-m", module, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
            timeout=_SECONDS,
        )
        if done.returncode == 0:
            return kind(**json.loads(done.stdout)), "", False
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError) as reason:
        return None, str(reason), False
    lines = done.stderr.strip().splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("Error: ")), 0)
    problem = "\n".join(lines[start:])[-2000:].removeprefix("Error: ")
    return None, problem or f"exit {done.returncode}", done.returncode == REFUSED


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
