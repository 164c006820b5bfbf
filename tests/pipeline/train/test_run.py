"""A run folder that exists is kept, replaced whole with --force, and never half-written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from train import run as run_module
from train.gradients.cpu import NumbaGradients
from train.persistence import run_folder

CSV = "a,y\n1,0\n2,1\n3,0\n4,1\n5,1\n6,0\n"
OPTIONS = ("--holdout", "0", "--out", "run")


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def existing(command, table, workplace):
    assert command(table(CSV), "--epochs", "2", *OPTIONS).exit_code == 0
    return workplace / "run"


def test_a_run_that_exists_is_kept(existing, refused):
    before = contents(existing)
    message = refused("table.csv", "--epochs", "3", "--holdout", "0")
    assert message == "run exists: choose another name, or replace it with --force"
    assert contents(existing) == before


def test_a_run_that_exists_is_refused_before_training(existing, refused, monkeypatch):
    monkeypatch.setattr(run_module, "Fit", lambda *_, **__: pytest.fail("it trained first"))
    refused("table.csv")


def test_force_replaces_the_run(existing, command, workplace):
    before = contents(existing)
    (existing / "notes.txt").write_text("gone with the old run")
    assert (
        command("table.csv", "--epochs", "3", "--force", "--bend", "none", *OPTIONS).exit_code == 0
    )
    after = contents(existing)
    assert after.keys() == before.keys()
    assert after["checkpoint.pt"] != before["checkpoint.pt"]
    assert len(run_folder.read(existing).trained.weight) == 1
    assert sorted(p.name for p in workplace.iterdir()) == ["run", "table.csv"]


def test_force_makes_a_run_where_there_is_none(command, table, workplace):
    assert command(table(CSV), "--epochs", "1", "--force", *OPTIONS).exit_code == 0
    assert (workplace / "run" / "checkpoint.pt").is_file()


def test_force_fills_an_empty_folder(command, table, workplace):
    (workplace / "run").mkdir()
    assert command(table(CSV), "--epochs", "1", "--force", *OPTIONS).exit_code == 0
    assert (workplace / "run" / "checkpoint.pt").is_file()


def test_force_keeps_the_old_run_when_training_fails(existing, refused, table):
    before = contents(existing)
    said = refused(table("a,y\nold,0\n1,1\n2,0\n", "bad.csv"), "--holdout", "0", "--force")
    assert "'old' is no number" in said
    assert contents(existing) == before


def test_force_refuses_a_folder_that_is_no_run(refused, table, workplace):
    (workplace / "run").mkdir()
    (workplace / "run" / "thesis.txt").write_text("the only copy")
    message = refused(table(CSV), "--force")
    assert message.startswith("run holds no checkpoint.pt: --force replaces only what this")
    assert (workplace / "run" / "thesis.txt").read_text() == "the only copy"


def test_force_refuses_what_is_no_folder(existing, refused, workplace):
    shutil.rmtree(existing)
    existing.write_text("data")
    assert refused("table.csv", "--force").startswith("run is no plain folder: --force replaces")


def test_nothing_is_left_when_training_diverges(refused, table, workplace):
    options = ("--holdout", "0", "--no-standardize", "--init", "zeros", "--lr", "1e38")
    message = refused(table("a,y\n-90,0\n90,1\n"), *options)
    assert "the cost is not finite at update" in message


def test_nothing_is_left_when_training_is_interrupted(command, table, workplace, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(NumbaGradients, "gradient", interrupt)
    result = command(table(CSV), *OPTIONS)
    assert (result.exit_code, result.stderr.strip()) == (130, "")
    assert [p.name for p in workplace.iterdir()] == ["table.csv"]


def test_nothing_is_left_when_the_checkpoint_cannot_be_written(refused, table, monkeypatch):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    message = refused(table(CSV), "--holdout", "0", "--epochs", "1")
    assert message == "cannot write run: No space left on device"


def test_a_failure_makes_no_folder_on_the_way_to_the_run(command, workplace):
    assert command("absent.csv", "--out", "some/where/run").exit_code == 1
    assert list(workplace.iterdir()) == []


def test_a_run_below_a_file_cannot_be_written(command, table, workplace):
    result = command(table(CSV), "--out", "table.csv/run")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: cannot write {Path('table.csv', 'run')}: ")
    assert (workplace / "table.csv").read_text() == CSV


def test_weights_per_standard_deviation_are_kept(command, table, workplace):
    rows = np.random.default_rng(0).normal([[3.0, -2.0]], [[10.0, 0.1]], (80, 2))
    label = (rows[:, 0] / 10 + rows[:, 1] + np.random.default_rng(1).normal(size=80) > -1.7) * 1
    lines = [f"{a!r},{b!r},{y}" for (a, b), y in zip(rows.tolist(), label, strict=True)]
    command(table("\n".join(["a,b,y", *lines])), *OPTIONS)
    run = run_folder.read(workplace / "run")
    found = json.loads((workplace / "run" / "metrics.json").read_text())
    deviation = rows.astype(np.float32).astype(np.float64).std(axis=0)
    expected = run.state_dict["0.weight"].numpy()[0] * deviation
    weights = found["weights_per_standard_deviation"]
    assert list(weights) == ["a", "b"]
    assert list(weights.values()) == pytest.approx(expected, rel=1e-6)
    assert run.card.training["weights_per_standard_deviation"] == list(weights.values())
    assert run.card.training["means"] == pytest.approx(rows.mean(axis=0), rel=1e-6)


@pytest.mark.parametrize("standardize", ["true", "false"])
def test_the_card_tells_means_of_filled_numbers(command, table, workplace, standardize):
    rng = np.random.default_rng(0)
    age, born = rng.integers(20, 60, 80) / 2, 1.7e9 + rng.integers(0, 10**6, 80) / 8
    label = (age + (born - 1.7e9) / 1e4 + rng.normal(size=80) > 26) * 1
    shown = [repr(value) if row % 5 else "" for row, value in enumerate(age.tolist())]
    lines = [f"{a},{b!r},{y}" for a, b, y in zip(shown, born.tolist(), label, strict=True)]
    result = command(
        table("\n".join(["age,born,y", *lines])), *OPTIONS,
        "--set", f"model.standardize={standardize}", "--set", "columns.bend=none",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    card = run_folder.read(workplace / "run").card
    there = np.arange(80) % 5 != 0
    filled = np.where(there, age, np.median(age[there]))
    assert card.training["means"] == pytest.approx([filled.mean(), born.mean()], rel=1e-12)


def rows_of(**columns) -> str:
    return "\n".join(
        [
            ",".join(columns),
            *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
        ]
    )


def test_what_separates_is_told_in_the_units_of_the_table(command, table):
    rng = np.random.default_rng(3)
    x, debt = rng.normal(size=(2, 3000)).round(3)
    debt = np.where(np.arange(3000) % 100 == 3, 1250.5 + abs(debt), 1250.5)
    y = np.where(debt > 1250.5, "yes", np.where(rng.random(3000) < 0.4, "yes", "no"))
    data = table(rows_of(x=x, debt=debt, y=y))
    for options in ((), ("--memory", "800MB"), ("--batch-size", "100", "--epochs", "2")):
        asked = ("--positive", "yes", "--l2", "0", "--out", "run", "--force", *options)
        said = command(data, *asked).output
        assert (
            "warning: the classes are separable, by values of 'debt': above 1250.5 all rows are "
            "'yes', so no weights are best: use --l2 auto, or --drop debt"
        ) in " ".join(said.split())


def test_the_advice_fits_what_ended_the_training(command, table):
    rng = np.random.default_rng(4)
    x = rng.normal(size=500).round(3)
    data = table(rows_of(x=x, y=(x + rng.logistic(size=500) > 0).astype(int)))
    for options, advice in (
        (("--tolerance", "0.05"), "off: use --tolerance auto"),
        (("--epochs", "1"), "off: raise --epochs"),
    ):
        said = command(
            data, "--lr", "0.1", "--out", "run", "--force", "--tolerance", "auto", *options
        )
        assert advice in " ".join(said.output.split())
