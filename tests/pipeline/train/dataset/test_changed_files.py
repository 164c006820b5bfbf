"""A file that changes while training reads it is an error, whichever pass reads it then."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from train.dataset import choose
from train.errors import DataError
from train.recipe.recipe import Recipe
from train.run import train
from train.tables import table_files
from train.tables.labels import LabelColumn

COLUMNS = {"y": [0, 1] * 200, "a": [0.5, 0.25, 0.125, 1.5] * 100}


def write(path: Path, **columns) -> Path:
    table = pa.table({**COLUMNS, **columns})
    (pq.write_table if path.suffix == ".parquet" else pa.csv.write_csv)(table, path)
    return path


def replace(path: Path) -> None:
    """Put another file of the same size there, as a job that writes aside does."""
    shutil.copyfile(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


CHANGES = {
    "grows": lambda path: path.write_bytes(path.read_bytes() + b"0,7\n"),
    "shrinks": lambda path: os.truncate(path, path.stat().st_size - 2),
    "is written again": lambda path: write(path, a=[3.5, 4.25] * 200),
    "is touched": lambda path: os.utime(path, ns=(0, 0)),
    "is replaced": replace,
    "is removed": lambda path: path.unlink(),
}
changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@pytest.fixture(params=["in memory", "on disk"])
def where(request, monkeypatch):
    if request.param == "on disk":
        monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    return request.param


def meddle_at(monkeypatch, owner, name, change, path) -> None:
    """Have the first call of `owner.name` change the file before it does its work."""
    whole = getattr(owner, name)

    def meddled(*arguments, **options):
        monkeypatch.setattr(owner, name, whole)
        change(path)
        return whole(*arguments, **options)

    monkeypatch.setattr(owner, name, meddled)


def refused(tmp_path, file, changed, **data) -> None:
    recipe = {"file": str(file), "target": "y", "memory": "64GB", **data}
    with pytest.raises(DataError, match=rf"^{changed} changed while it was read: train on what "):
        train(Recipe.from_dict({"data": recipe}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@changes
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_after_its_rows_were_counted(change, ending, where, tmp_path, monkeypatch):
    file = write(tmp_path / f"rows.{ending}")
    meddle_at(monkeypatch, table_files.TableFiles, "batches", change, file)
    meddle_at(monkeypatch, table_files.TableFiles, "labels", change, file)
    refused(tmp_path, file, file)


@changes
def test_between_the_passes_on_disk(change, tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    file = write(tmp_path / "rows.csv")
    meddle_at(monkeypatch, table_files.TableFiles, "batches", change, file)
    refused(tmp_path, file, file)


@changes
@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_of_several_files(change, number, where, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    files = [write(tmp_path / "data" / f"{i}.csv") for i in range(3)]
    meddle_at(monkeypatch, table_files.TableFiles, "_rows", change, files[number])
    refused(tmp_path, tmp_path / "data", files[number])


@changes
def test_a_hold_out_file(change, where, tmp_path, monkeypatch):
    file, others = write(tmp_path / "rows.csv"), write(tmp_path / "others.csv")
    reads = []
    rows = table_files.TableFiles._rows

    def meddled(self, batch, reading, path, first):
        if path == str(others) and not reads:
            reads.append(path)
            change(others)
        return rows(self, batch, reading, path, first)

    monkeypatch.setattr(table_files.TableFiles, "_rows", meddled)
    refused(tmp_path, file, others, holdout=str(others))


def test_a_csv_that_is_cut_inside_a_number(where, tmp_path, monkeypatch):
    file = tmp_path / "rows.csv"
    lines = "1,0.123456\n0,0.654321\n" * (1 << 20)
    file.write_text("y,a\n" + lines)  # 23 MB, of which a few are read ahead
    cut = file.stat().st_size - (1 << 15) * len("1,0.123456\n") - len("56\n")
    meddle_at(monkeypatch, LabelColumn, "add", lambda path: os.truncate(path, cut), file)
    refused(tmp_path, file, file)
    assert file.read_bytes().endswith(b",0.1234") or file.read_bytes().endswith(b",0.6543")


def test_files_that_stay_as_they_are(where, tmp_path):
    (tmp_path / "data").mkdir()
    for i in range(2):
        write(tmp_path / "data" / f"{i}.parquet")
    others = write(tmp_path / "others.csv")
    recipe = {"file": str(tmp_path / "data"), "target": "y", "holdout": str(others)}
    document = {"data": {**recipe, "memory": "64GB"}, "optimizer": {"epochs": 2}}
    found = train(Recipe.from_dict(document), tmp_path / "run")
    assert (found.card.training["rows"], found.card.training["holdout_rows"]) == (800, 400)
