"""The commands that a person types after a training, each as one line for a shell."""

import shlex
from pathlib import Path


def export_command(run: Path) -> str:
    """That which exports a run, into a bundle of its name."""
    bundle = Path("bundles") / run.name
    return f"python -m export bundle {shlex.quote(str(run))} {shlex.quote(str(bundle))}"


def report_command(run: Path, *bundle: Path) -> str:
    """That which makes a page of a run, and of its bundle where there is one."""
    parts = ["python", "-m", "report", *map(str, (run, *bundle))]
    return shlex.join([*parts, "-o", str(Path("reports") / f"{run.name}.html")])
