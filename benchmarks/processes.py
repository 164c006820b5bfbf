"""Fresh interpreters, one after the other."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
PROGRAMS = ("-m", "benchmarks.programs")
"""What starts a program of benchmarks/programs.py."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    seconds: float
    """From its start to its end, as seen from outside."""
    output: str
    """What it printed."""

    @property
    def answer(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.output)


def python(*arguments: object, root: Path = ROOT) -> Ended:
    """Run a fresh interpreter that finds the checkout `root`; onnxruntime's telemetry is off."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(root)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    command = [sys.executable, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise click.ClickException(f"{command} ended with {done.returncode}:\n{done.stderr}")
    return Ended(seconds, done.stdout)


def alternate(
    commands: Mapping[str, Sequence[object]], rounds: int
) -> dict[str, list[Ended]]:  # fmt: skip
    """Run each command once in every round, after one that does not count; by name, the runs."""
    found: dict[str, list[Ended]] = {name: [] for name in commands}
    for done in range(rounds + 1):
        for name, command in commands.items():
            ended = python(*command)
            if done:
                found[name].append(ended)
    return found
