"""The section "stream": epochs over rows that do not fit into memory and are kept on disk."""

import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.processes import run_python
from benchmarks.harness.result import Result, at_most, digits, milliseconds
from benchmarks.training.problems import Problem, problem, resident
from export.text_table import TextTable
from train.recipe.keys import Optimizer

_MEMORY = "1200MB"
_SIZES = (10**5, 10**6, 10**7, 10**8)
"""Values (rows × features) of the tables."""


def measure(context: Context) -> Result:
    """Train on each file in a process of its own, beside the same rows in memory."""
    lines, costs, peaks = [], [], []
    for values in (size for size in _SIZES if size <= 40 * context.scale.rows * WIDTH):
        rows = values // WIDTH
        if rows * WIDTH * 16 > shutil.disk_usage(context.folder).free:
            break
        data, source = problem(rows, WIDTH), context.folder / "rows.parquet"
        _write(data, source)
        inside = _epoch_in_memory(data)
        del data
        found = run_python("-m", "benchmarks.training.on_disk_program", source, _MEMORY).parsed
        source.unlink()
        costs.append(found["epoch"] / rows)
        peaks.append(found["peak"] / 1e6)
        lines.append(
            (f"{values:,}", f"{rows:,}", digits(found["prepare"] / rows * 1e9),
             milliseconds(found["epoch"]), digits(costs[-1] * 1e9), digits(inside / rows * 1e9),
             f"{peaks[-1]:.0f}")
        )  # fmt: skip
    heading = (f"values, {WIDTH} features", "rows", "ns a row, to read and prepare",
               "ms an epoch", "ns a row", "the same in memory", "peak, MB")  # fmt: skip
    return Result(
        [
            f"float32 Parquet, two threads, {_MEMORY} of memory: rows are read once, and kept "
            "standardised in blocks on disk, which the system may still have in its cache. An "
            "epoch is a gradient over all rows.",
            TextTable(heading, lines),
        ],
        [
            at_most(
                f"an epoch on disk, {_SIZES[len(costs) - 1]:,} values to {_SIZES[1]:,}, a row",
                costs[-1] / costs[1],
                1.5,
            ),
            at_most(f"peak of memory where {_MEMORY} are allowed", max(peaks), 1200, " MB"),
        ],
    )


def _epoch_in_memory(data: Problem) -> float:
    design = resident(data.rows(), Optimizer(lr=0.1))
    theta, out = torch.zeros(WIDTH + 1), torch.empty(WIDTH + 1)
    design.gradient("bce", theta, None, out)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        design.gradient("bce", theta, None, out)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _write(data: Problem, path: Path) -> None:
    columns = {f"c{i}": np.ascontiguousarray(values) for i, values in enumerate(data.features.T)}
    table = pa.table({**columns, "y": data.labels.astype(np.int8)})
    pq.write_table(table, path, row_group_size=1 << 17)
