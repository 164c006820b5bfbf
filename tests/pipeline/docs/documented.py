"""The pages of the documentation as blocks that tests can run, and what they speak of."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
"""Every page, as a path from the root of the repository."""

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    """The line of the page on which it begins, from 1."""
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read_page(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = read_page(page)
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["text"])
        for found in _BLOCK.finditer(text)
    ]


WARNINGS = "error,ignore:`torch.jit.script` is deprecated:DeprecationWarning"
"""Warnings are errors but for torch's of TorchScript, which bundles hold on purpose."""


def run(command: list[str], folder: Path) -> str:
    """Standard output and error of a command that must succeed, run in `folder`."""
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": WARNINGS,
    }
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{command} failed:\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def write_patients(folder: Path) -> None:
    """patients.csv in `folder`: the table that all pages use."""
    run([sys.executable, str(ROOT / "examples" / "breast_cancer_csv.py"), "patients.csv"], folder)


def adult_files() -> tuple[Path, Path] | None:
    """The Adult table as it is published, to train on and to test with; None where it is not."""
    data = ROOT.parent / "shared" / "data"
    files = data / "adult-train.csv", data / "adult-test.csv"
    return files if all(file.is_file() for file in files) else None


def prepare(folder: Path) -> Path:
    """patients.csv and bundles/breast-cancer in `folder`, as `make run` leaves them."""
    write_patients(folder)
    run([sys.executable, "-m", "train"], folder)
    bundle = ["runs/breast-cancer", "bundles/breast-cancer"]
    run([sys.executable, "-m", "export", "bundle", *bundle], folder)
    return folder
