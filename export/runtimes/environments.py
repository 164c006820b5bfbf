"""Virtual environments with numpy and one release of onnxruntime, and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from export.errors import ParityError

PIP_INSTALL: Final = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")

_NUMPY_1_UNTIL = 18
"""onnxruntime's wheels up to this minor release were built for numpy 1."""


def environment(folder: Path, minor: str, *extra: str) -> Path:
    """The Python of an environment that has this onnxruntime, and the packages of `extra`; made
    where it is missing."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        call(sys.executable, "-m", "venv", "--clear", str(folder))
        call(str(python), *PIP_INSTALL, *requirements(minor), *extra)
        ready.touch()
    return python


def requirements(minor: str) -> list[str]:
    """What pip has to install for a minor release of onnxruntime."""
    numpy = "numpy<2" if int(minor.split(".")[1]) <= _NUMPY_1_UNTIL else "numpy"
    return [f"onnxruntime=={minor}.*", numpy]


def call(*command: str) -> None:
    """Run a command of the making of an environment. Raises ParityError where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ParityError(
            f"cannot make an environment: {' '.join(command)} failed (the oldest releases need "
            f"Python 3.11): {(done.stderr or done.stdout).strip()[-2000:]}"
        )
