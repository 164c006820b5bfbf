"""Several processes train the model that one trains; a lost one ends all, and they resume."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.train.gradients.forked import run_forked
from train.errors import TrainError
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.persistence import run_folder
from train.recipe.recipe import Recipe
from train.run import train

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def rows(count: int) -> pa.Table:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, count)).astype(np.float32)
    labels = (x[0] - x[1] + rng.logistic(size=count) > 0).astype(np.int8)
    return pa.table({"a": x[0], "b": x[1], "c": x[2], "y": labels})


QUICK = ("--l2", "0.001", "--bend", "none")
"""Where it does not matter what folds choose."""


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Four and a half parts of rows, in row groups that do not fit them."""
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(rows(72_000), path, row_group_size=10_007)
    return path


@pytest.fixture(scope="module")
def mixed_table(tmp_path_factory) -> Path:
    """Two and a half parts of rows with gaps and texts, of which each process sees others."""
    path, found = tmp_path_factory.mktemp("rows") / "mixed.parquet", rows(40_000)
    place = np.arange(len(found))
    towns = pa.array([None if i % 9 == 4 else f"town {i // 5000}" for i in place])
    gaps = pa.array(found["b"].to_numpy(), mask=place % 7 == 3)
    pq.write_table(found.set_column(1, "b", gaps).append_column("town", towns), path)
    return path


@pytest.fixture
def run(tmp_path_factory):
    """Train in processes that are forked; see pipeline.train.gradients.forked."""

    def start(processes: int, data: Path, out: Path, *options: str) -> tuple[int, str, str]:
        streams = tmp_path_factory.mktemp("streams")
        named = (str(data), "--device", "cpu", "--out", str(out))
        return run_forked(processes, streams, *named, *options)

    return start


def torchrun(
    processes: int, data: Path, out: Path, *options: str, program: str = "train", **environment: str
) -> tuple[int, str, str]:
    """Train in processes that torchrun starts."""
    command = [*LAUNCH, f"--nproc-per-node={processes}", "-m", program, str(data)]
    found = subprocess.run(
        [*command, "--device", "cpu", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    return found.returncode, found.stdout, found.stderr


def saved(folder: Path) -> dict:
    return torch.load(folder / run_folder.CHECKPOINT, weights_only=True)


def test_processes_share_weighted_rows(run, mixed_table, tmp_path):
    found = pq.read_table(mixed_table)
    weights = pa.array(np.arange(len(found)) % 4 * 0.7)
    pq.write_table(found.append_column("w", weights), tmp_path / "rows.parquet")
    data = {"file": str(tmp_path / "rows.parquet"), "weights": "w"}
    settings = {"model": {"class_weight": {"1": 3}}, "optimizer": {"device": "cpu"}}
    alone = train(Recipe.from_dict({"data": data, **settings}), tmp_path / "one")
    options = ("--weights", "w", "--class-weight", "1=3")
    code, _, complained = run(2, tmp_path / "rows.parquet", tmp_path / "two", *options)
    assert code == 0, complained
    ours, theirs = (run_folder.read(tmp_path / name) for name in ("two", "one"))
    np.testing.assert_allclose(ours.trained.theta, theirs.trained.theta, rtol=1e-5, atol=1e-7)
    assert ours.card.training["data_sha256"] == theirs.card.training["data_sha256"]
    for part, metrics in alone.metrics.items():
        assert ours.card.training["metrics"][part] == pytest.approx(metrics, rel=1e-5)
    profiles = [run_folder.read_profile(tmp_path / name) for name in ("two", "one")]
    for key in ("rows", "columns", "classes", "weights"):
        assert profiles[0][key] == profiles[1][key]
    for part, scores in profiles[1]["scores"].items():
        sums = [sum(p["scores"][part]["positive"]) for p in profiles]
        assert sums[0] == pytest.approx(sums[1], rel=1e-6)
        assert len(profiles[0]["scores"][part]["logit"]) == pytest.approx(
            len(scores["logit"]), abs=9
        )


MOMENTUM = {"lr": 0.5, "momentum": 0.9, "epochs": 30}


@pytest.mark.parametrize(
    ("processes", "started_by", "settings"),
    [(2, "torchrun", {}), (3, "fork", {}), (2, "fork", MOMENTUM), (3, "fork", MOMENTUM)],
)
def test_processes_train_the_model_of_one(processes, started_by, settings, run, table, tmp_path):
    alone = {"data": {"file": str(table)}, "optimizer": {"device": "cpu", **settings}}
    train(Recipe.from_dict(alone), tmp_path / "one")
    start = torchrun if started_by == "torchrun" else run
    options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    code, said, complained = start(processes, table, tmp_path / "several", *options)
    assert code == 0, complained
    assert said.count("57,600 rows, 3 features, positive class 1, on cpu") == 1
    assert said.count("run: ") == 1, "only the first process prints"
    ours, theirs = saved(tmp_path / "several"), saved(tmp_path / "one")
    torch.testing.assert_close(
        ours["training"]["theta"], theirs["training"]["theta"], rtol=2**-22, atol=2**-24
    )
    assert torch.equal(ours["sample"], theirs["sample"])
    cards = [json.loads(found["card"])["training"] for found in (ours, theirs)]
    assert cards[0]["data_sha256"] == cards[1]["data_sha256"]
    for part, metrics in cards[0]["metrics"].items():
        for name, value in metrics.items():
            rel = 1e-4 if name == "auc" else 1e-5
            assert value == pytest.approx(cards[1]["metrics"][part][name], rel=rel)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "several"]


def test_processes_share_mini_batches(run, table, tmp_path):
    options = ("--batch-size", "512", "--epochs", "5", *QUICK)
    code, _, complained = run(2, table, tmp_path / "run", *options)
    assert code == 0, complained
    metrics = json.loads((tmp_path / "run" / run_folder.METRICS).read_text())["metrics"]
    assert metrics["holdout"]["auc"] > 0.75


@pytest.mark.parametrize("options", [(), ("--batch-size", "512", "--epochs", "2")])
def test_processes_name_what_separates_the_classes(options, run, table, tmp_path):
    found = pq.read_table(table)
    flag = np.arange(len(found)) % 500 == 7  # in the rows of all processes
    labels = np.where(flag, 1, found["y"].to_numpy())
    found = found.set_column(3, "y", pa.array(labels)).append_column("flag", pa.array(flag))
    pq.write_table(found, tmp_path / "rows.parquet")
    asked = ("--l2", "0", "--bend", "none", *options)
    code, said, complained = run(2, tmp_path / "rows.parquet", tmp_path / "run", *asked)
    assert code == 0, complained
    assert "separable, by values of 'flag': above 0 all rows are 1" in " ".join(said.split())


def test_processes_reach_the_minimum_at_the_noise_floor(run, tmp_path):
    rng = np.random.default_rng(1012)
    x, y = rng.normal(size=(5, 20_000)).astype(np.float32), np.arange(20_000) % 2
    columns = {f"v{i}": values for i, values in enumerate(x)}
    pq.write_table(pa.table({**columns, "y": y}), tmp_path / "rows.parquet")
    code, said, complained = run(2, tmp_path / "rows.parquet", tmp_path / "run", "--holdout", "0")
    assert code == 0, complained
    assert "converged: each weight is right to four digits" in said
    assert saved(tmp_path / "run")["training"]["progress"]["updates"] < 30


def test_fewer_rows_than_processes_have_parts_for(run, tmp_path):
    pq.write_table(rows(500), tmp_path / "few.parquet")
    code, _, complained = run(2, tmp_path / "few.parquet", tmp_path / "run")
    assert code == 0, complained
    assert saved(tmp_path / "run")["training"]["theta"].isfinite().all()


def test_a_value_that_another_process_finds_ends_all(run, tmp_path):
    table = rows(72_000)
    values = table["b"].to_numpy().copy()
    values[71_000] = np.inf
    pq.write_table(table.set_column(1, "b", pa.array(values)), tmp_path / "rows.parquet")
    code, said, complained = run(2, tmp_path / "rows.parquet", tmp_path / "run", "--holdout", "0")
    assert code != 0
    assert "rows.parquet: data row 71001, column 'b' is inf" in complained
    assert "run: " not in said
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


LOST = "tests.pipeline.train.gradients.lost_process"


@pytest.mark.parametrize(
    ("kind", "after", "options"),
    [
        ("table", 170, ("--lr", "0.01", "--epochs", "500", "--checkpoint-every", "120")),
        ("mixed_table", 70, ("--batch-size", "2048", "--epochs", "8", *QUICK)),
    ],
)
def test_a_lost_process_ends_all_and_the_training_resumes(
    kind, after, options, run, request, tmp_path
):
    table, lost = request.getfixturevalue(kind), {"program": LOST, "LOST_AFTER": str(after)}
    code, _, complained = run(2, table, tmp_path / "whole", *options)
    assert code == 0, complained
    code, said, complained = torchrun(2, table, tmp_path / "run", *options, **lost)
    assert code != 0
    assert "run.resume has all of it" in complained
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.resume", "whole"]
    code, said, complained = run(2, table, tmp_path / "run", *options, "--resume")
    assert code == 0, complained
    # What it has sent last may be lost with a process.
    assert int(re.findall(r"going on after update (\d+)", said)[0]) in (after - 1, after)
    ours, theirs = saved(tmp_path / "run"), saved(tmp_path / "whole")
    assert str(ours["training"]) == str(theirs["training"])
    assert ours["card"] == theirs["card"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "whole"]


def test_several_processes_need_a_file(tmp_path):
    recipe = Recipe.from_dict({"data": {"builtin": "iris"}, "optimizer": {"device": "cpu"}})

    class Two(ProcessGroup):
        def gather(self, value):
            return [value, value]

    with pytest.raises(TrainError, match="several processes share files: give DATA"):
        train(recipe, tmp_path / "run", group=Two(0, 2))


def test_one_process_is_a_group_of_its_own():
    assert SINGLE_PROCESS.first
    assert SINGLE_PROCESS.gather("x") == ["x"]
    assert SINGLE_PROCESS.sum(torch.tensor([1.5])).tolist() == [1.5]
    assert SINGLE_PROCESS.share(7) == range(7)


@pytest.mark.parametrize(("count", "size"), [(7, 3), (2, 3), (0, 2), (100, 7)])
def test_shares_are_all_and_disjoint(count, size):
    shares = [ProcessGroup(rank, size).share(count) for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
