"""Files: scoring one, beside what pyarrow alone takes to read it and to write the result."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.answers import Answer, Target, at_most, digits, many, times
from benchmarks.file_ways import floors, scripts
from benchmarks.timing import Call, Times, race
from benchmarks.workshop import WIDTH, Model, Workshop, data
from export.report import Table
from serve_runtime import score_file

_BYTES_A_VALUE = 12
"""Of a CSV file, rounded up; Parquet takes 4 or 5."""


def answer(shop: Workshop) -> Answer:
    """A Parquet file and a CSV file; output in the same format."""
    parts: list[Table | str] = [
        "From file to file in the same format, in this process, the input in the system's cache. "
        "pyarrow alone reads the feature columns and writes the very result of `score_file`, with "
        "nothing in between, in bounded memory, on all cores, reading and writing at once; the "
        "fastest way is the floor. "
        "pandas holds the whole table in memory, and writes through pyarrow."
    ]
    targets: list[Target] = []
    for ending, rows in zip((".parquet", ".csv"), shop.scale.file_rows, strict=True):
        needed, free = rows * WIDTH * _BYTES_A_VALUE, shutil.disk_usage(shop.folder).free
        if needed > free / 2:
            parts.append(
                f"{ending} was left out: {needed / 1e9:.1f} GB are needed in the temporary folder "
                f"(TMPDIR), and twice that should be free; there are {free / 1e9:.1f} GB."
            )
            continue
        source = shop.folder / f"table{ending}"
        _write(source, shop.model(), rows)
        found, ours, alone = _timed(shop, source)
        floor, size = found.fastest(alone), source.stat().st_size
        source.unlink()
        parts.append(_table(ending, rows, size, found, ours[0], floor))
        claim = f"{rows:,} × {WIDTH} {ending}: {{}} to pyarrow alone"
        targets += [at_most(claim.format(name), found.ratio(name, floor), 1.15) for name in ours]
    return Answer(parts, targets)


def _table(ending: str, rows: int, size: int, found: Times, ours: str, floor: str) -> Table:
    lines = [
        (
            name,
            digits(found.median(name)),
            digits(rows / found.median(name) / 1e6),
            f"{found.ratio(name, floor):.2f}×",
            "" if name == ours else times(found.ratio(name, ours)),
        )
        for name in found.seconds
    ]
    title = f"{rows:,} × {WIDTH} {ending}, {size / 1e6:,.0f} MB, {many(found.rounds, 'round')}"
    return Table((title, "seconds", "million rows a second", "to the floor", "to ours"), lines)


def _timed(shop: Workshop, source: Path) -> tuple[Times, list[str], list[str]]:
    """The times, the names of ours in them, and of pyarrow alone."""
    model, scores = shop.model(), shop.folder / f"scores{source.suffix}"
    ours = {
        f"score_file, {many(threads, 'thread')}": partial(
            score_file, model.predictor(threads), source, scores
        )
        for threads in (1, 2)
    }
    next(iter(ours.values()))()
    alone = {
        f"pyarrow alone, {name}": call
        for name, call in floors(source, list(model.names), scores).items()
    }
    calls: dict[str, Call] = {**ours, **alone, **scripts(model, source, scores)}
    found = race(calls, seconds=20 * shop.scale.seconds, rounds=shop.scale.rounds)
    scores.unlink()
    return found, list(ours), list(alone)


def _write(path: Path, model: Model, rows: int) -> None:
    table = pa.table(dict(zip(model.names, np.ascontiguousarray(data(rows).T), strict=True)))
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pa.csv.write_csv(table, path)
