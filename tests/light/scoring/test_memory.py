"""Scoring a file takes the memory of a few batches, whatever the file's length."""

from pathlib import Path

import numpy as np
import pytest

from light.helpers import TINY, run_python

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is not told here")
@pytest.mark.parametrize("group_rows", [1 << 20, 4_000_000], ids=["row groups", "one row group"])
def test_memory_does_not_grow_with_the_rows(tmp_path, group_rows):
    peaks = []
    for rows in (200_000, 4_000_000):
        source = tmp_path / f"{rows}.parquet"
        values = pa.array(np.linspace(-1, 1, rows))
        pq.write_table(pa.table({"x1": values, "x2": values}), source, row_group_size=group_rows)
        code = (
            "import sys\n"
            "from serve_runtime import Predictor, score_file\n"
            "score_file(Predictor(sys.argv[1]), sys.argv[2], sys.argv[3])\n"
            "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
        )
        # How far reading runs ahead is up to the scheduler of a busy machine: the least of three.
        runs = [run_python("-c", code, TINY, source, tmp_path / "out.parquet", cwd=tmp_path)
                for _ in range(3)]  # fmt: skip
        peaks.append(min(int(run.stdout) for run in runs))
    # 3.8 million rows more are 61 MB of features in the file and 91 MB in memory.
    assert peaks[1] - peaks[0] < 30_000, peaks
