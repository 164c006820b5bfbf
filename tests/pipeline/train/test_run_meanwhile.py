"""What happens to a training whose run folder is made, or being made, by somebody else."""

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve_runtime.errors import OutputError
from serve_runtime.outputs.keep_beside import KeptBesideError
from train.persistence import run_folder
from train.persistence.checkpoints import path_of
from train.recipe.recipe import Recipe
from train.run import train

CSV = "a,y\n1,0\n2,1\n3,0\n4,1\n5,1\n6,0\n"
POINTS = {"x": [[float(i % 7)] for i in range(40)], "y": [i % 2 for i in range(40)]}
RECIPE = Recipe.from_dict(
    {
        "data": {"points": POINTS, "holdout": 0},
        "optimizer": {"epochs": 6, "lr": 0.3, "device": "cpu"},
        "log": {"every": 1, "checkpoint_every": 2},
    }
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def watching(act):
    """A `watch` of `train` that calls `act` after the third epoch."""

    def watch(fit):
        for item in fit:
            if fit.state.epoch == 3:
                act()
            yield item

    return watch


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_appeared_is_left_alone(tmp_path, force):
    def theirs():
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.txt").write_text("the only copy")

    with pytest.raises(KeptBesideError, match=r"kept as .*run\.new: rename it, or move run away"):
        train(RECIPE, tmp_path / "run", force=force, watch=watching(theirs))
    assert names(tmp_path) == ["run", "run.new"]
    assert names(tmp_path / "run") == ["thesis.txt"]
    assert len(run_folder.read(tmp_path / "run.new").trained.weight) == 1


def test_the_command_says_where_the_result_is(command, table, workplace, monkeypatch):
    write = run_folder.write

    def write_late(folder, **what):
        write(folder, **what)
        (workplace / "run").mkdir()

    monkeypatch.setattr(run_folder, "write", write_late)
    result = command(table(CSV), "--holdout", "0", "--out", "run")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: run appeared while this was made, and is left as it is; the finished result is "
        "kept as run.new: rename it, or move run away and run again\n"
    )
    assert names(workplace) == ["run", "run.new", "table.csv"]


@pytest.mark.parametrize("options", [{}, {"force": True}, {"resume": True}])
def test_a_second_training_is_refused(tmp_path, options):
    refused = []

    def second():
        with pytest.raises(OutputError, match=r"another process is writing .*run: wait") as caught:
            train(RECIPE, tmp_path / "run", **options)
        refused.append(caught.value)
        assert path_of(tmp_path / "run").exists()

    train(RECIPE, tmp_path / "run", watch=watching(second))
    assert len(refused) == 1
    assert names(tmp_path) == ["run"]


def test_what_a_killed_training_left_is_removed(tmp_path):
    options = ["--epochs", "100000", "--tolerance", "0", "--device", "cpu", "--out", "run"]
    command = [sys.executable, "-m", "train", "rows.csv", *options, "--checkpoint-every", "1"]
    (tmp_path / "rows.csv").write_text("a,y\n" + CSV.removeprefix("a,y\n") * 50)
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not path_of(tmp_path / "run").exists() and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    (tmp_path / ".run.resume.part").touch()  # as a kill during the next checkpoint leaves it
    assert {".run.part", ".run.resume.part", "run.resume"} <= set(names(tmp_path))
    train(RECIPE, tmp_path / "run", force=True)
    assert names(tmp_path) == ["rows.csv", "run"]


def test_a_run_keeps_the_modes_of_what_it_replaces(tmp_path):
    run = tmp_path / "run"
    train(RECIPE, run)
    run.chmod(0o750)
    (run / run_folder.METRICS).chmod(0o600)
    (run / run_folder.CHECKPOINT).chmod(0o640)
    train(RECIPE, run, force=True)
    paths = (run, run / run_folder.METRICS, run / run_folder.CHECKPOINT)
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o750, 0o600, 0o640]


def test_a_linked_run_is_written_where_it_leads(tmp_path):
    (tmp_path / "run").symlink_to("real")
    train(RECIPE, tmp_path / "run")
    train(RECIPE, tmp_path / "run", force=True)
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "real" / run_folder.CHECKPOINT).is_file()
    assert names(tmp_path) == ["real", "run"]


def test_the_current_folder_may_be_the_run(workplace, monkeypatch):
    (workplace / "run").mkdir()
    monkeypatch.chdir(workplace / "run")
    with pytest.raises(OutputError, match="run exists: choose another name"):
        train(RECIPE, Path())
    train(RECIPE, Path(), force=True)
    assert (workplace / "run" / run_folder.CHECKPOINT).is_file()
    assert names(workplace) == ["run"]
