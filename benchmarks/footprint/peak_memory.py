"""The section "memory": the peak of memory while files of growing length are scored."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.footprint.programs import COMMAND
from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.processes import run_python
from benchmarks.harness.result import Result, at_most, digits
from export.text_table import TextTable

_LEVELS = 16
"""Distinct values of a column, so that Parquet stores a value in four bits."""
_GROUP = 1_000_000
"""Rows of a row group."""
_BYTES_A_ROW = WIDTH * 0.6 + 6
"""Bytes that a row takes in the file and in the file of its scores, rounded up."""


def measure(context: Context) -> Result:
    """Score each file in a process of its own, and take the peak of its resident memory."""
    bundle, lines, peaks = context.model().bundle, [], []
    skipped = []
    for rows in context.scale.memory_rows:
        lacking = context.lacks_space(f"{rows:,} rows were", rows * _BYTES_A_ROW)
        if lacking:
            skipped.append(lacking)
            continue
        source, destination = context.folder / "long.parquet", context.folder / "scores.parquet"
        _write(source, rows)
        found = run_python(*COMMAND, "score", bundle, source, destination, 1).parsed
        size = source.stat().st_size
        source.unlink()
        destination.unlink()
        peaks.append(found["peak"])
        lines.append(
            (f"{rows:,} × {WIDTH}", f"{size / 1e6:,.0f}", digits(found["seconds"]),
             f"{rows / found['seconds'] / 1e6:.2f}", f"{found['peak']:.0f}",
             f"{peaks[-1] / peaks[0] - 1:+.1%}")
        )  # fmt: skip
    heading = ("Parquet to Parquet, 1 thread", "file, MB", "seconds", "million rows a second",
               "peak, MiB", "growth")  # fmt: skip
    first, last = context.scale.memory_rows[0], context.scale.memory_rows[len(lines) - 1]
    return Result(
        [
            f"`score_file` in a fresh process; float32 of {_LEVELS} values, row groups of "
            f"{_GROUP:,} rows, so that the longest file stays small.",
            TextTable(heading, lines),
            *skipped,
        ],
        [
            at_most(
                f"growth of the peak from {first:,} to {last:,} rows",
                100 * (peaks[-1] / peaks[0] - 1), 10, " %",
            )
        ],
    )  # fmt: skip


def _write(path: Path, rows: int) -> None:
    """A Parquet file of `rows` rows, the first million of them repeated."""
    values = np.random.default_rng(0).integers(0, _LEVELS, (WIDTH, min(rows, _GROUP)))
    table = pa.table({f"c{i}": column.astype(np.float32) for i, column in enumerate(values)})
    with pq.ParquetWriter(path, table.schema) as writer:
        for start in range(0, rows, _GROUP):
            writer.write_table(table.slice(0, rows - start))
