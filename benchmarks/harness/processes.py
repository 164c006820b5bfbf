"""Run Python in fresh processes, one after the other, and take their time."""

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

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    seconds: float
    """From its start to its end, as seen from outside."""
    output: str
    """What it printed."""

    @property
    def parsed(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.output)


def run_python(*arguments: object, root: Path = ROOT) -> Finished:
    """Run a fresh interpreter that finds the checkout `root`; onnxruntime's telemetry is off."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(root)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    command = [sys.executable, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise click.ClickException(f"{command} ended with {done.returncode}:\n{done.stderr}")
    return Finished(seconds, done.stdout)


def run_in_turns(
    commands: Mapping[str, Sequence[object]], rounds: int
) -> dict[str, list[Finished]]:  # fmt: skip
    """Run each command once in every round, after a round of warm-up that does not count.

    Returns the processes of each command, by its name. A command is the arguments of `python`.
    """
    found: dict[str, list[Finished]] = {name: [] for name in commands}
    for done in range(rounds + 1):
        for name, command in commands.items():
            ended = run_python(*command)
            if done:
                found[name].append(ended)
    return found
