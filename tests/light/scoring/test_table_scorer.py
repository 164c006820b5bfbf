"""Tables are scored one after another: progress is told, and files are opened once."""

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime import score_file  # noqa: E402
from serve_runtime.scoring.table_scorer import Progress, TableScorer  # noqa: E402
from serve_runtime.tables import parquet_table  # noqa: E402

ROWS = 300_000  # in more batches of CSV and of Parquet than one


def parquet(path, rows):
    pq.write_table(pa.table({"x1": np.ones(rows), "x2": np.ones(rows)}), path)
    return path


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_progress_tells_rows_so_far_and_all_if_known(predictor, tmp_path, name):
    if name == "in.csv":
        (tmp_path / name).write_text("x1,x2\n" + "1,1\n" * 600_000)
        rows, known = 600_000, None
    else:
        parquet(tmp_path / name, ROWS)
        rows, known = ROWS, ROWS
    seen = []
    score_file(predictor, tmp_path / name, tmp_path / "out.csv", progress=seen.append)
    told = [progress.rows for progress in seen]
    assert len(set(told)) > 2
    assert told == sorted(told)
    assert {progress.all_rows for progress in seen} == {known}
    assert seen[-1] == Progress(rows=rows, all_rows=known, tables=1, all_tables=1)


@pytest.mark.parametrize("tables", [1, 3])
def test_footers_are_read_once_and_beforehand_if_need_be(predictor, tmp_path, monkeypatch, tables):
    """The total of several tables is asked for by progress alone; a single one tells its own."""
    opened, counted = [], []
    open_file, read_metadata = pq.ParquetFile, pq.read_metadata
    monkeypatch.setattr(
        parquet_table.pq, "ParquetFile", lambda *a, **o: opened.append(a) or open_file(*a, **o)
    )
    monkeypatch.setattr(
        parquet_table.pq, "read_metadata", lambda *a: counted.append(a) or read_metadata(*a)
    )
    paths = [str(parquet(tmp_path / f"{i}.parquet", 3)) for i in range(tables)]
    for progress in (None, [].append):
        opened.clear()
        scorer = TableScorer(predictor, progress=progress)
        scorer.expect(paths)
        assert sum(scorer.score(path, len) for path in paths) == 3 * tables
        assert len(opened) == tables
        assert len(counted) == (tables if progress and tables > 1 else 0)


def test_progress_tells_all_rows_of_several_tables(predictor, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        parquet(tmp_path / "data" / f"{name}.parquet", 3)
    seen = []
    score_file(predictor, tmp_path / "data", tmp_path / "out.csv", progress=seen.append)
    assert [(done.rows, done.all_rows, done.tables) for done in seen] == [
        (3, 6, 0), (3, 6, 1), (6, 6, 1), (6, 6, 2)
    ]  # fmt: skip
