"""Sizes are read and shown as people write them, and training keeps to its memory."""

import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from train import memory_budget


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GB", 8e9), ("512MiB", 2**29), ("1.5 kB", 1500), ("2G", 2e9), ("1e6", 1e6), ("7B", 7)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert memory_budget.parse_size(text) == size


@pytest.mark.parametrize(("size", "text"), [(7, "7 B"), (1500, "1.5 kB"), (8e9, "8 GB")])
def test_sizes_are_shown_as_people_read_them(size, text):
    assert memory_budget.format_size(size) == text


def test_the_peak_is_that_of_this_process_alone():
    program = "from train.memory_budget import peak; print(peak())"
    here = np.ones(30_000_000)
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (
        5e6
        < int(found.stdout)
        < here.nbytes
        < memory_budget.peak()
        < 2 * memory_budget.budget(None)
    )


def test_memory_is_honoured(tmp_path):
    # 1.6 million rows of 60 features are 390 MB, and four times that to train on in memory.
    rng = np.random.default_rng(0)
    block = rng.normal(size=(60, 200_000)).astype(np.float32)
    part = pa.table(
        {f"c{i}": values for i, values in enumerate(block)} | {"y": rng.integers(2, size=200_000)}
    )
    with pq.ParquetWriter(tmp_path / "rows.parquet", part.schema) as writer:
        for _ in range(8):
            writer.write_table(part, row_group_size=50_000)
    command = [
        sys.executable, "-m", "train", str(tmp_path / "rows.parquet"), "--memory", "1300MB",
        "--epochs", "5", "--device", "cpu", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    resident = re.search(r"at most ([\d.]+) ([MG])B of memory were resident", said)
    assert "rows are kept on disk" in said
    assert resident, said
    assert float(resident[1]) * {"M": 1e6, "G": 1e9}[resident[2]] <= 1.3e9
