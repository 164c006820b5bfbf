"""Rows that do not fit into memory train to the same bits as rows that do."""

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from train.dataset import block_file, choose, on_disk
from train.dataset.disk_gradients import DiskGradients
from train.errors import DataError, TrainError
from train.persistence import run_folder
from train.recipe.column_keys import Columns
from train.recipe.recipe import Recipe
from train.run import train

ROWS, WIDTH = 9000, 3


@pytest.fixture
def frame() -> pa.Table:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(WIDTH, ROWS)) * [[1], [1e3], [1e-3]] + [[0], [5e4], [1]]
    score = x[0] + (x[1] - 5e4) / 1e3 + rng.logistic(size=ROWS)
    columns = {name: values.astype(np.float32) for name, values in zip("abc", x, strict=True)}
    return pa.table({**columns, "y": np.where(score > 0, "yes", "no")})


def recipe(file: Path, **optimizer) -> Recipe:
    data = optimizer.pop("data", {})
    return Recipe.from_dict(
        {
            "data": {"file": str(file), "memory": "64GB", **data},
            "optimizer": {"epochs": 20, "device": "cpu", **optimizer},
            "log": {"every": 5},
        }
    )


@pytest.fixture
def crowded(monkeypatch):
    """From now on everything needs more memory than there is."""
    return lambda: monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)


def saved(run: Path) -> dict:
    return torch.load(run / run_folder.CHECKPOINT, weights_only=True)


def assert_same_profile(ours: Path, theirs: Path) -> None:
    """The same but for scores of rows that are computed from standardised ones."""
    found, expected = (run_folder.read_profile(run) for run in (ours, theirs))
    for key in ("rows", "columns", "classes", "weights"):
        assert found[key] == expected[key]
    for part, scores in expected["scores"].items():
        for name in scores or ():
            sums = [np.cumsum(each["scores"][part][name]) for each in (found, expected)]
            assert sums[0] == pytest.approx(sums[1], rel=1e-4, abs=3)


@pytest.mark.parametrize(
    "settings", [{}, {"lr": 0.5, "momentum": 0.9}, {"lr": 1.0, "data": {"holdout": 0}}]
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_training_on_disk_leaves_the_weights_of_memory(settings, ending, frame, tmp_path, crowded):
    file, said = tmp_path / f"rows.{ending}", []
    (pq.write_table if ending == "parquet" else pa.csv.write_csv)(frame, file)
    train(recipe(file, **settings), tmp_path / "memory")
    crowded()
    train(recipe(file, **settings), tmp_path / "disk", say=said.append)
    assert re.fullmatch(
        r"about 1\.15e\+06 TB would be needed .* rows are kept on disk, in .*", said[0]
    )
    assert re.fullmatch(r"at most [\d.]+ [MG]B of memory were resident", said[-1])
    ours, theirs = saved(tmp_path / "disk"), saved(tmp_path / "memory")
    for part in ("standardized", "state_dict", "training"):
        assert str(ours[part]) == str(theirs[part])
    assert str(ours["sample"]) == str(theirs["sample"])
    cards = [json.loads(found["card"]) for found in (ours, theirs)]
    for key in ("data_sha256", "rows", "holdout_rows"):
        assert cards[0]["training"][key] == cards[1]["training"][key]
    for key in ("columns", "classes", "weights_sha256"):
        assert cards[0][key] == cards[1][key]
    for part, metrics in cards[0]["training"]["metrics"].items():
        for name, value in metrics.items():
            expected = cards[1]["training"]["metrics"][part][name]
            assert value == pytest.approx(expected, rel=1e-6)
    history = [(tmp_path / name / run_folder.HISTORY).read_text() for name in ("disk", "memory")]
    assert history[0] == history[1]
    assert_same_profile(tmp_path / "disk", tmp_path / "memory")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "memory", file.name]


def test_folders_and_globs_are_one_table(frame, tmp_path, crowded):
    folder = tmp_path / "parts"
    folder.mkdir()
    pq.write_table(frame.slice(0, 4000), folder / "1.parquet")
    pq.write_table(frame.slice(4000).select(["y", "c", "b", "a"]), folder / "2.parquet")
    pq.write_table(frame, tmp_path / "whole.parquet")
    train(recipe(tmp_path / "whole.parquet"), tmp_path / "a")
    train(recipe(folder), tmp_path / "b")
    crowded()
    train(recipe(folder / "*.parquet"), tmp_path / "c")
    states = [str(saved(tmp_path / name)["training"]) for name in "abc"]
    assert states[0] == states[1] == states[2]


def test_a_hold_out_file_is_read_to_disk_too(frame, tmp_path, crowded):
    pq.write_table(frame.slice(0, 7000), tmp_path / "t.parquet")
    pq.write_table(frame.slice(7000), tmp_path / "h.parquet")
    settings = {"data": {"holdout": str(tmp_path / "h.parquet")}}
    train(recipe(tmp_path / "t.parquet", **settings), tmp_path / "memory")
    crowded()
    train(recipe(tmp_path / "t.parquet", **settings), tmp_path / "disk")
    ours, theirs = (saved(tmp_path / name) for name in ("disk", "memory"))
    assert str(ours["training"]) == str(theirs["training"])


@pytest.mark.parametrize("settings", [{"batch_size": 64}, {"batch_size": 64, "lr": 0.1}])
def test_mini_batches_on_disk_learn(settings, frame, tmp_path, crowded):
    pq.write_table(frame, tmp_path / "rows.parquet")
    crowded()
    result = train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "run")
    assert result.metrics["holdout"]["auc"] > 0.75


def test_a_training_on_disk_is_resumed_to_the_same_bits(frame, tmp_path, crowded):
    pq.write_table(frame, tmp_path / "rows.parquet")
    crowded()
    settings = {"batch_size": 1000, "lr": 0.1, "momentum": 0.5}
    train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "whole")

    def stop(fit):
        for item in fit:
            if fit.state.epoch == 7:
                os.kill(os.getpid(), signal.SIGTERM)
            yield item

    with pytest.raises(RuntimeError, match="SIGTERM after update"):
        train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "run", watch=stop)
    train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "run", resume=True)
    names = (run_folder.CHECKPOINT, run_folder.HISTORY)
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("position", [0, 4321, ROWS - 1])
def test_nan_deep_in_a_stream_is_named(position, frame, tmp_path, crowded):
    values = frame["b"].to_numpy().copy()
    values[position] = np.nan
    broken = frame.set_column(1, "b", pa.array(values))
    (tmp_path / "p").mkdir()
    pq.write_table(frame, tmp_path / "p" / "1.parquet")
    pq.write_table(broken, tmp_path / "p" / "2.parquet", row_group_size=1000)
    crowded()
    row = len(frame) + position + 1
    message = rf"column 'b' misses 1 values, the first in data row {row}, and columns\.missing"
    strict = replace(recipe(tmp_path / "p"), columns=Columns(missing="error"))
    with pytest.raises(DataError, match=message):
        train(strict, tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_a_third_label_that_comes_late_is_named(frame, tmp_path, crowded):
    labels = frame["y"].to_pylist()
    labels[-1] = "perhaps"
    pq.write_table(frame.set_column(3, "y", pa.array(labels)), tmp_path / "rows.parquet")
    crowded()
    with pytest.raises(DataError, match=r"must hold two classes; found .*'perhaps' \(1 rows\)"):
        train(recipe(tmp_path / "rows.parquet"), tmp_path / "run")


def test_tables_of_other_columns_are_refused(frame, tmp_path):
    (tmp_path / "p").mkdir()
    pq.write_table(frame, tmp_path / "p" / "1.parquet")
    pq.write_table(frame.rename_columns(["a", "b", "d", "y"]), tmp_path / "p" / "2.parquet")
    message = r"2\.parquet has other columns than .*1\.parquet: only one of them has 'c', 'd'"
    with pytest.raises(DataError, match=message):
        train(recipe(tmp_path / "p"), tmp_path / "run")


def test_a_row_group_that_cannot_be_read(frame, tmp_path, crowded):
    file = tmp_path / "rows.parquet"
    pq.write_table(frame, file, row_group_size=1000, compression="snappy")
    content = bytearray(file.read_bytes())
    place = pq.read_metadata(file).row_group(5).column(1).data_page_offset
    content[place : place + 40] = b"\xff" * 40
    file.write_bytes(content)
    crowded()
    with pytest.raises(ValueError, match=r"cannot read .*rows\.parquet: "):
        train(recipe(file), tmp_path / "run")
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_file_that_changes_while_it_is_read(frame, tmp_path, crowded, monkeypatch):
    file = tmp_path / "rows.parquet"
    pq.write_table(frame, file)
    read = on_disk.OnDiskDataset._read_parts

    def meddle(self, *arguments):
        found = read(self, *arguments)
        pq.write_table(frame.slice(0, 5), file)
        return found

    monkeypatch.setattr(on_disk.OnDiskDataset, "_read_parts", meddle)
    crowded()
    with pytest.raises(DataError, match=r"rows\.parquet changed while it was read"):
        train(recipe(file), tmp_path / "run")


def test_memory_that_is_too_little(frame, tmp_path):
    pq.write_table(frame, tmp_path / "rows.parquet")
    with pytest.raises(TrainError, match=r"^100 kB of memory \(data\.memory = '100kB'\) are too"):
        train(recipe(tmp_path / "rows.parquet", data={"memory": "100kB"}), tmp_path / "run")


def test_a_disk_without_room(frame, tmp_path, crowded, monkeypatch):
    pq.write_table(frame, tmp_path / "rows.parquet")
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(block_file.shutil, "disk_usage", lambda _: usage)
    crowded()
    with pytest.raises(DataError, match=r"need 144 kB on disk, and .* has 10 B: name another"):
        train(recipe(tmp_path / "rows.parquet"), tmp_path / "run")


def test_rows_too_far_out_are_named_with_their_block(frame, tmp_path, crowded):
    values = frame["a"].to_numpy().copy() * np.float32(1e-30)
    far = frame.slice(0, 3000).set_column(0, "a", pa.array(values[:3000]))
    far.slice(0, 1)
    held = far.to_pydict()
    held["a"][2500] = 3e38
    pq.write_table(far, tmp_path / "t.parquet")
    pq.write_table(pa.table(held), tmp_path / "h.parquet")
    crowded()
    with pytest.raises(DataError, match=r"hold-out row 2501, feature 'a' is too far from"):
        train(
            recipe(tmp_path / "t.parquet", data={"holdout": str(tmp_path / "h.parquet")}),
            tmp_path / "run",
        )


def test_an_empty_hold_out_file_is_refused_before_training(frame, tmp_path, crowded):
    pq.write_table(frame, tmp_path / "t.parquet")
    pq.write_table(frame.slice(0, 0), tmp_path / "h.parquet")
    crowded()
    with pytest.raises(DataError, match=r"h\.parquet has no rows below its header"):
        train(
            recipe(tmp_path / "t.parquet", data={"holdout": str(tmp_path / "h.parquet")}),
            tmp_path / "run",
        )


@pytest.mark.parametrize("decay", [0.0, 1000.0])
def test_the_auc_does_not_depend_on_the_size_of_logits(
    decay, frame, tmp_path, crowded, monkeypatch
):
    monkeypatch.setattr(on_disk, "_MOST_LOGITS", 500)  # most rows lie between two of them
    pq.write_table(frame, tmp_path / "rows.parquet")
    settings = {"weight_decay": decay, "lr": 1e-4 if decay else 1.0, "epochs": 200}
    inside = train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "memory")
    crowded()
    outside = train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "disk")
    for part, metrics in inside.metrics.items():
        assert outside.metrics[part]["auc"] == pytest.approx(metrics["auc"], abs=2e-3)


def test_other_pools_of_mini_batches_are_not_resumed(frame, tmp_path, crowded):
    pq.write_table(frame, tmp_path / "rows.parquet")
    crowded()

    def stop(fit):
        os.kill(os.getpid(), signal.SIGTERM)
        yield from fit

    settings = {"batch_size": 1000, "lr": 0.1}
    with pytest.raises(RuntimeError, match="SIGTERM after update"):
        train(recipe(tmp_path / "rows.parquet", **settings), tmp_path / "run", watch=stop)
    other = recipe(tmp_path / "rows.parquet", data={"memory": "32GB"}, **settings)
    message = r"picking of mini-batches is from \d+ blocks of 1024 rows at a time, was from"
    with pytest.raises(ValueError, match=message):
        train(other, tmp_path / "run", resume=True)


@pytest.fixture
def drawn(monkeypatch) -> list[tuple[int, int]]:
    """Of each mini-batch on disk how many rows are in memory to draw from, and their bytes."""
    found: list[tuple[int, int]] = []
    fill = DiskGradients._fill

    def note(self, numbers):
        fill(self, numbers)
        rows, labels, _ = self._pool
        found.append((len(labels), rows.nbytes + labels.nbytes + self._pool_codes.nbytes))

    monkeypatch.setattr(DiskGradients, "_fill", note)
    return found


@pytest.fixture
def on_disk_with(tmp_path, monkeypatch):
    """`on_disk_with(columns, memory)`: these columns on disk, as if the process took no memory, or
    that much after the columns were decided."""

    def dataset(columns: dict, memory: str, after: int = 0) -> on_disk.OnDiskDataset:
        peaks = iter([0, 0, after])
        labels = np.arange(ROWS) % 2
        pq.write_table(pa.table({**columns, "y": labels}), tmp_path / "rows.parquet")
        monkeypatch.setattr(on_disk, "peak", lambda: next(peaks))
        asked = recipe(tmp_path / "rows.parquet", data={"memory": memory, "holdout": 0})
        device = torch.device("cpu")
        found = choose.choose_dataset(asked, device, tmp_path, lambda text: None)
        assert isinstance(found, on_disk.OnDiskDataset)
        return found

    return dataset


RNG = np.random.default_rng(2)
GAPS = np.where(np.arange(ROWS) % 5, RNG.normal(size=ROWS), np.nan)  # have an indicator
NUMBERS = {"gaps": GAPS} | {f"n{i}": RNG.normal(size=ROWS) for i in range(5)}
TEXTS = {f"c{i}": RNG.choice(["a", "b", "c"], ROWS) for i in range(20)}


@pytest.mark.parametrize(
    "columns", [NUMBERS, TEXTS, NUMBERS | TEXTS], ids=["numbers", "texts", "both"]
)
def test_mini_batches_are_drawn_from_what_is_said(columns, on_disk_with, drawn, monkeypatch):
    rows_of_width = "train.gradients.numba_kernels.block_rows"
    monkeypatch.setattr(rows_of_width, lambda width: 64 * (2 + width % 2))
    found = on_disk_with(columns, "900kB")
    blocks, rows = map(int, re.findall(r"\d+", found.picking))
    list(found.gradient_source(batches=True).batches(500, torch.Generator()))
    assert max(count for count, _ in drawn) == blocks * rows < ROWS
    most = max(size for _, size in drawn)
    assert most <= 900e3 / 8 < most + most / blocks, "as many blocks as fit"


def test_memory_that_is_too_little_for_many_categories(on_disk_with):
    with pytest.raises(TrainError, match=r"too little: .* and blocks of 53.2 kB need \d+ kB$"):
        on_disk_with(NUMBERS | TEXTS, "250kB")
    on_disk_with(NUMBERS, "250kB")


def test_memory_that_levels_take_counts(on_disk_with, crowded):
    crowded()
    many = {"c": [f"level {i // 2}" for i in range(ROWS)]}
    on_disk_with(many, "700kB")
    with pytest.raises(TrainError, match=r"need 1\.\d+ MB$"):
        on_disk_with(many, "700kB", after=10**6)
