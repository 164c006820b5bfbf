"""A training that was ended, or killed, goes on to the same bits as one that was left alone."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.errors import OutputError
from train.errors import RunError, StoppedError, TrainError
from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.model import new_model
from train.optimize import newton
from train.optimize.fit import Fit
from train.persistence import checkpoints, run_folder
from train.recipe.keys import Optimizer
from train.recipe.recipe import Recipe
from train.run import train

POINTS = {
    "x": [[float(i % 7), float(i % 5)] for i in range(40)],
    "y": [i * i % 3 % 2 for i in range(40)],
}
SETTINGS = {
    "plain": {"lr": 0.3},
    "automatic": {"tolerance": 0},
    "momentum": {"lr": 0.1, "momentum": 0.9},
    "mini-batches": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "batch_size": 7},
    "automatic mini-batches": {"batch_size": 7},
    "schedule": {"lr": 0.3, "batch_size": 16, "schedule": {"name": "ExponentialLR", "gamma": 0.9}},
    "patience": {"lr": 0.3, "patience": 1000},
}


def recipe(
    *, holdout: float = 0.2, every: int = 1, checkpoint_every: int = 0, **optimizer
) -> Recipe:
    return Recipe.from_dict(
        {
            "data": {"points": POINTS, "holdout": holdout},
            "optimizer": {"epochs": 30, "device": "cpu", **optimizer},
            "log": {"every": every, "checkpoint_every": checkpoint_every},
        }
    )


class Killed(BaseException):
    """Ends a training where it stands, as a power cut would."""


@pytest.fixture
def killed_after(monkeypatch):
    """`killed_after(n)`: trainings die after n updates, when their checkpoint is written."""

    def arm(updates: int) -> None:
        look = checkpoints.Checkpoints._after_update

        def die(self, fit: Fit) -> None:
            look(self, fit)
            if fit.state.updates == updates:
                monkeypatch.undo()
                raise Killed

        monkeypatch.setattr(checkpoints.Checkpoints, "_after_update", die)

    return arm


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("updates", [1, 5, 13, 29])
def test_a_resumed_training_leaves_the_same_files(settings, updates, tmp_path, killed_after):
    train(recipe(**settings), tmp_path / "whole")
    killed_after(updates)
    every = recipe(checkpoint_every=updates, **settings)
    with pytest.raises(Killed):
        train(every, tmp_path / "run")
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["run.resume", "whole"]
    said = []
    train(recipe(**settings), tmp_path / "run", resume=True, say=said.append)
    assert f"going on after update {updates}" in said
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    assert not (tmp_path / "run.resume").exists()


def test_checkpoints_are_written_every_so_many_updates(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        checkpoints.Checkpoints, "_write", lambda self, fit: seen.append(fit.state.updates)
    )
    train(recipe(lr=0.3, checkpoint_every=12), tmp_path / "run")
    assert seen == [12, 24]


def test_the_same_recipe_leaves_the_same_bytes_twice(tmp_path):
    for name in ("a", "b"):
        train(recipe(batch_size=7), tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.fixture
def interrupted(tmp_path, killed_after) -> Path:
    """A run folder to be, whose training died."""
    killed_after(6)
    with pytest.raises(Killed):
        train(recipe(lr=0.3, checkpoint_every=6), tmp_path / "run")
    return tmp_path / "run"


def test_a_new_training_does_not_forget_the_interrupted_one(interrupted):
    with pytest.raises(OutputError, match=r"run\.resume is the checkpoint of a training "):
        train(recipe(lr=0.3), interrupted)
    train(recipe(lr=0.5), interrupted, force=True)
    assert not checkpoints.path_of(interrupted).exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.5}, r"another training: optimizer\.lr is 0\.5, was 0\.3\. Resume"),
        ({"lr": 0.3, "momentum": 0.5}, r"optimizer\.momentum is 0\.5, was not given\. Resume"),
        ({"lr": 0.3, "every": 2}, r": log\.every is 2, was 1\. Resume"),
        (
            {"lr": 0.3, "holdout": 0.3},
            r"data\.holdout is 0\.3, was 0\.2; hold-out rows is \w{64}, was \w{64}; training",
        ),
    ],
)
def test_another_recipe_is_not_resumed(settings, message, interrupted):
    before = checkpoints.path_of(interrupted).read_bytes()
    with pytest.raises(RunError, match=message):
        train(recipe(**settings), interrupted, resume=True)
    assert checkpoints.path_of(interrupted).read_bytes() == before
    assert not interrupted.exists()


def test_other_rows_are_not_resumed(interrupted, monkeypatch):
    monkeypatch.setitem(POINTS, "x", [[9.0, 9.0], *POINTS["x"][1:]])
    with pytest.raises(RunError, match=r"training: (training|hold-out) rows is \w{64}, was"):
        train(recipe(lr=0.3), interrupted, resume=True)


def refusal(interrupted: Path, content: bytes) -> str:
    """What is said of a checkpoint file with this content."""
    checkpoints.path_of(interrupted).write_bytes(content)
    with pytest.raises(RunError, match=r"run\.resume .*start anew with --force$") as refused:
        train(recipe(lr=0.3), interrupted, resume=True)
    assert not interrupted.exists()
    return str(refused.value)


@pytest.mark.parametrize("kept", [0, 1, 20, 200, -1000, -1])
def test_a_truncated_checkpoint(kept, interrupted):
    content = checkpoints.path_of(interrupted).read_bytes()
    assert "truncated or altered" in refusal(interrupted, content[:kept])


def test_a_checkpoint_with_more_behind_it(interrupted):
    content = checkpoints.path_of(interrupted).read_bytes()
    assert "truncated or altered" in refusal(interrupted, content + b"\0")


def test_a_checkpoint_with_any_bit_changed(interrupted):
    content = bytearray(checkpoints.path_of(interrupted).read_bytes())
    header = content.index(b"\n") + 1
    places = [*range(header), *range(header, len(content), len(content) // 300)]
    fit = SimpleNamespace(load_state_dict=lambda state: pytest.fail("it was taken"))
    loading = checkpoints.Checkpoints(recipe(lr=0.3), interrupted, {}, {}, print)
    for number, place in enumerate(places):
        content[place] ^= 1 << number % 8
        checkpoints.path_of(interrupted).write_bytes(content)
        with pytest.raises(RunError, match=r"(altered|version|written by).*--force|this project$"):
            loading.load(fit)
        content[place] ^= 1 << number % 8


def test_a_checkpoint_of_another_version(interrupted):
    content = checkpoints.path_of(interrupted).read_bytes()
    archive = content.partition(b"\n")[2]
    assert "has format version 1, this version reads 3: resume with" in refusal(
        interrupted, archive
    )
    newer = seal({"format_version": 4, "content": vars(FileEntry.of(archive))}).encode()
    assert "has format version 4" in refusal(interrupted, newer + b"\n" + archive)


def test_a_checkpoint_that_torch_cannot_read(interrupted):
    header = seal({"format_version": 3, "content": vars(FileEntry.of(b"no archive"))}).encode()
    message = refusal(interrupted, header + b"\nno archive")
    assert f"run.resume is whole, but torch {torch.__version__} cannot read it" in message


def test_another_number_of_threads_is_a_warning(interrupted, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1234)
    said = []
    train(recipe(lr=0.3), interrupted, resume=True, say=said.append)
    assert any(re.search(r"made with threads \d+ \(now 1234\): bits may differ", s) for s in said)


def test_resume_without_a_checkpoint_starts_at_the_beginning(tmp_path):
    said = []
    train(recipe(lr=0.3), tmp_path / "run", resume=True, say=said.append)
    assert f"no checkpoint at {tmp_path / 'run.resume'}: starting at the beginning" in said
    assert (tmp_path / "run" / run_folder.CHECKPOINT).is_file()


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(tmp_path, monkeypatch):
    write_bytes, written = Path.write_bytes, []

    def full(self: Path, content: bytes) -> int:
        if self.suffix == ".part":
            written.append(self)
            if len(written) > 1:
                raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    said, kept = [], []
    path = tmp_path / "run.resume"
    train(
        recipe(lr=0.3, checkpoint_every=10),
        tmp_path / "run",
        say=lambda text: (said.append(text), kept.append(path.exists())),
    )
    warnings = [text for text in said if text.startswith("warning: no checkpoint")]
    assert warnings == [
        f"warning: no checkpoint at update {n}: cannot write {path}: No space left on device; "
        "the last one stays"
        for n in (20, 30)
    ]
    assert kept[said.index(warnings[0])]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_divergence_leaves_no_checkpoint(tmp_path):
    with pytest.raises(TrainError, match="not finite"):
        train(recipe(lr=1e38, checkpoint_every=1), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint_after_the_update(number, tmp_path):
    def watch(fit: Fit):
        for item in fit:
            if fit.state.epoch == 3:
                os.kill(os.getpid(), number)
            yield item

    before = signal.getsignal(number)
    with pytest.raises(
        StoppedError, match=r"^SIG\w+ after update 4: .*run\.resume has all of it"
    ) as e:
        train(recipe(lr=0.3), tmp_path / "run", watch=watch)
    assert e.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
    train(recipe(lr=0.3), tmp_path / "whole")
    train(recipe(lr=0.3), tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_signal_in_the_search_for_the_minimum(tmp_path, monkeypatch):
    monkeypatch.setattr("train.optimize.fit._FEW_UPDATES", 2)  # so that there is far to go
    train(recipe(), tmp_path / "whole")
    step, steps = newton.newton_step, []

    def interrupted(*arguments):
        steps.append(arguments)
        os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(newton, "newton_step", interrupted)
    with pytest.raises(StoppedError, match="after update 2: "):
        train(recipe(), tmp_path / "run")
    monkeypatch.setattr(newton, "newton_step", step)
    assert len(steps) == 1
    train(recipe(), tmp_path / "run", resume=True)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_killed_process_is_resumed_to_the_same_bytes(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "a,b,y\n" + "".join(f"{i % 7},{i * i % 11},{i * 7 % 3 % 2}\n" for i in range(400))
    )
    command = [
        sys.executable, "-m", "train", str(tmp_path / "rows.csv"), "--lr", "0.05", "--batch-size",
        "16", "--epochs", "300", "--momentum", "0.5", "--checkpoint-every", "50", "--device", "cpu",
    ]  # fmt: skip
    out = tmp_path / "run"
    with subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not checkpoints.path_of(out).exists() and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    subprocess.run([*command, "--out", str(out), "--resume"], check=True, capture_output=True)
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_state_between_two_epochs_keeps_the_order_of_rows():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(3, 50, generator=generator)
    rows = Rows(x, (x[0] > 0).float())
    spec = Optimizer(lr=0.2, epochs=6, batch_size=8, momentum=0.5)

    def fit() -> Fit:
        shuffle = torch.Generator().manual_seed(1)
        return Fit(
            new_model(3, "zeros", 0),
            spec,
            gradient_source(rows, batches=True),
            every=1,
            shuffle=shuffle,
        )

    whole, first, second = fit(), fit(), fit()
    list(whole)
    for _ in first:
        if first.state.epoch == 3:
            second.load_state_dict(first.state_dict())
            break
    list(second)
    assert torch.equal(second.theta, whole.theta)
    assert second.records == whole.records
