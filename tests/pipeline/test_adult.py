"""The Adult table is trained on as it is published, and its raw test file is judged."""

import json
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


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["{train}", *AS_IT_IS], "f0"),
        (["{train}", "--recipe", str(RECIPE)], "age"),
        (["--recipe", str(RECIPE), "--set", "data.file={train}"], "age"),
    ],
    ids=["options", "recipe", "file as a key"],
)
def test_the_raw_test_file_is_scored_well(options, name, data):
    training, test = data
    run(train, *[option.format(train=training) for option in options], "--out", "run")
    run(export, "bundle", "run", "bundle")
    found = json.loads(runtime("evaluate", "bundle", test, "--target", "-1", "--json"))
    assert found["rows"] == 16281
    assert found["auc"] >= 0.905
    assert found["log_loss"] <= 0.3185
    runtime("score", "bundle", test, "-o", "scores.csv", "--keep", name)
    lines = Path("scores.csv").read_text(encoding="utf-8").splitlines()
    assert (lines[0], len(lines)) == (f'"{name}","probability","label"', 16282)
    shown = runtime("inspect", "bundle")
    assert "missing      as each feature says; a row with an infinite value is refused\n" in shown
    assert f"\n  '{name}'  [17, 90]  +0." in shown
    assert "missing: level  unknown: average  +" in shown
    card = ModelCard.from_json(runtime("inspect", "bundle", "--json").rstrip())
    assert [column.kind for column in card.columns].count("category") == 8
