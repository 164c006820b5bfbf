"""A folder with the data and the bundle that the README and the examples speak of."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(command: list[str], folder: Path) -> str:
    """Standard output of a command that must succeed, run in `folder`."""
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{command} failed:\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def prepare(folder: Path) -> Path:
    """patients.csv and bundles/breast-cancer in `folder`, as `make run` leaves them."""
    run([sys.executable, str(ROOT / "examples" / "breast_cancer_csv.py"), "patients.csv"], folder)
    run([sys.executable, "-m", "train"], folder)
    bundle = ["runs/breast-cancer", "bundles/breast-cancer"]
    run([sys.executable, "-m", "export", "bundle", *bundle], folder)
    return folder
