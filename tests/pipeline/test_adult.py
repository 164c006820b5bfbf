"""The Adult table is trained on as it is published, and its raw test file is judged."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from export.cli import main as export
from pipeline.docs.documented import ROOT, adult_files
from serve_runtime.bundle.card import ModelCard
from train.cli import main as train

RECIPE = ROOT / "recipes" / "adult.toml"

AS_IT_IS = ["--target", "-1", "--no-header", "--positive", ">50K"]
"""What has to be said of the file: where the labels are, and which counts."""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The training and the test file."""
    files = adult_files()
    if files is None:
        pytest.skip("the Adult table is not in shared/data")
    monkeypatch.chdir(tmp_path)
    return str(files[0]), str(files[1])


def run(command: click.Command, *arguments: str) -> str:
    """What a command prints, which must succeed."""
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def runtime(*arguments: str) -> str:
    """Standard output of `serve-runtime`, in a process of its own."""
    command = [sys.executable, "-m", "serve_runtime", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


STRAIGHT = ["--bend", "none", "--set", "penalty.l2=3.84e-5"]
"""What was the default once, C = 1: it takes a tenth of the time."""


@pytest.mark.parametrize(
    ("options", "name", "worth"),
    [
        (["{train}", *AS_IT_IS], "f0", (0.921, 0.29)),
        (["--recipe", str(RECIPE), "--set", "data.file={train}", *STRAIGHT], "age",
         (0.905, 0.3185)),
    ],
    ids=["options", "recipe"],
)  # fmt: skip
def test_the_raw_test_file_is_scored_well(options, name, worth, data):
    training, test = data
    run(train, *[option.format(train=training) for option in options], "--out", "run")
    run(export, "bundle", "run", "bundle")
    found = json.loads(runtime("evaluate", "bundle", test, "--target", "-1", "--json"))
    assert found["rows"] == 16281
    assert found["auc"] >= worth[0]
    assert found["log_loss"] <= worth[1]
    runtime("score", "bundle", test, "-o", "scores.csv", "--keep", name)
    lines = Path("scores.csv").read_text(encoding="utf-8").splitlines()
    assert (lines[0], len(lines)) == (f'"{name}","probability","label"', 16282)
    shown = runtime("inspect", "bundle")
    assert "missing      as each feature says; a row with an infinite value is refused\n" in shown
    assert re.search(rf"\n  '{name}'  \[17, 90\].*\d\.", shown)
    assert "missing: level  unknown: average  0." in shown  # which has no sign
    card = ModelCard.from_json(runtime("inspect", "bundle", "--json").rstrip())
    assert [column.kind for column in card.columns].count("category") == 8
