"""The peak of memory while files of growing length are scored."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.answers import Answer, at_most, digits
from benchmarks.processes import PROGRAMS, python
from benchmarks.workshop import WIDTH, Workshop
from export.text_table import TextTable as Table

_LEVELS = 16
"""Values that a column takes: four bits each in the file."""
_GROUP = 1_000_000
_BYTES_A_ROW = WIDTH * 0.6 + 6
"""Of the file and of its scores, rounded up."""


def answer(shop: Workshop) -> Answer:
    """Each file scored in a process of its own; the peak of resident memory."""
    bundle, lines, peaks = shop.model().bundle, [], []
    skipped = []
    for rows in shop.scale.memory_rows:
        needed, free = rows * _BYTES_A_ROW, shutil.disk_usage(shop.folder).free
        if needed > free / 2:
            skipped.append(
                f"{rows:,} rows were left out: {needed / 1e9:.1f} GB are needed in the temporary "
                f"folder (TMPDIR), and twice that should be free; there are {free / 1e9:.1f} GB."
            )
            continue
        source, destination = shop.folder / "long.parquet", shop.folder / "scores.parquet"
        _write(source, rows)
        found = python(*PROGRAMS, "score", bundle, source, destination, 1).answer
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
    first, last = shop.scale.memory_rows[0], shop.scale.memory_rows[len(lines) - 1]
    return Answer(
        [
            f"`score_file` in a fresh process; float32 of {_LEVELS} values, row groups of "
            f"{_GROUP:,} rows, so that the longest file stays small.",
            Table(heading, lines),
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
    values = np.random.default_rng(0).integers(0, _LEVELS, (WIDTH, min(rows, _GROUP)))
    table = pa.table({f"c{i}": column.astype(np.float32) for i, column in enumerate(values)})
    with pq.ParquetWriter(path, table.schema) as writer:
        for start in range(0, rows, _GROUP):
            writer.write_table(table.slice(0, rows - start))
