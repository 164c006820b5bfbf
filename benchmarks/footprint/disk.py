"""The section "sizes": what an installation takes on disk."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from packaging.requirements import Requirement

from benchmarks.harness.context import Context
from benchmarks.harness.processes import ROOT
from benchmarks.harness.result import Result, digits
from export.text_table import TextTable

_RUNTIMES = {
    "serve-runtime": ("numpy", "onnxruntime", "click"),
    "serve-runtime[files]": ("numpy", "onnxruntime", "click", "pyarrow"),
    "scikit-learn": ("scikit-learn",),
    "onnxruntime alone": ("numpy", "onnxruntime"),
    "torch": ("torch", "numpy"),
}


def measure(context: Context) -> Result:
    """Add up the wheel, and each library with all that it requires, as installed here."""
    lines = []
    for name, wanted in _RUNTIMES.items():
        found: set[str] = set()
        for package in wanted:
            _require(package, found)
        size = sum(map(_installed, found)) / 1e6
        lines.append((name, str(len(found)), digits(size)))
    return Result(
        [
            f"The wheel of serve-runtime takes {_wheel(context.folder) / 1e3:.0f} kB. What each "
            "requires, with all that this requires in turn, installed:",
            TextTable(("to serve with", "packages", "MB"), lines),
        ]
    )


def _wheel(folder: Path) -> int:
    """Bytes of the wheel, built as `make wheel` builds it."""
    with TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
        done = subprocess.run([*command, place, str(ROOT)], capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(f"the wheel cannot be built:\n{done.stderr}")
        (wheel,) = Path(place).glob("*.whl")
        return wheel.stat().st_size


def _require(package: str, found: set[str]) -> None:
    """Add `package` and, recursively, all that it requires on this system to `found`."""
    name = re.sub(r"[-_.]+", "-", package).lower()
    if name in found:
        return
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:  # for another system
        return
    found.add(name)
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _require(requirement.name, found)


def _installed(package: str) -> int:
    """Bytes of the files of an installed package, without compiled Python (.pyc)."""
    files = distribution(package).files or []
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())
