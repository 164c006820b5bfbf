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
from export.text_table import TextTable as Table
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
        found, beside, ours, alone = _timed(shop, source)
        floor, size = found.fastest(alone), source.stat().st_size
        source.unlink()
        title = f"{rows:,} × {WIDTH} {ending}, {size / 1e6:,.0f} MB, {many(found.rounds, 'round')}"
        parts.append(_table(title, rows, found, ours[0], floor))
        title = f"the same, {many(beside.rounds, 'round')}"
        parts.append(_table(title, rows, beside, ours[0], ours[0]))
        claim = f"{rows:,} × {WIDTH} {ending}: {{}} to pyarrow alone"
        targets += [at_most(claim.format(name), found.ratio(name, floor), 1.15) for name in ours]
    return Answer(parts, targets)


def _table(title: str, rows: int, found: Times, ours: str, floor: str) -> Table:
    """With a column of ratios to `floor`, unless that is `ours`."""
    lines = []
    for name in found.seconds:
        seconds = found.median(name)
        line = [name, digits(seconds), digits(rows / seconds / 1e6)]
        if floor != ours:
            line.append(f"{found.ratio(name, floor):.2f}×")
        lines.append((*line, "" if name == ours else times(found.ratio(name, ours))))
    ratios = ("to ours",) if floor == ours else ("to the floor", "to ours")
    return Table((title, "seconds", "million rows a second", *ratios), lines)


def _timed(shop: Workshop, source: Path) -> tuple[Times, Times, list[str], list[str]]:
    """The times beside pyarrow alone; those beside pandas, which would disturb the former: it
    fills the memory, and each round of it takes ten times as long; the names of ours, and of
    pyarrow alone."""
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
    calls: dict[str, Call] = {**ours, **alone}
    found = race(calls, seconds=20 * shop.scale.seconds, rounds=shop.scale.rounds)
    first = next(iter(ours))
    calls = {first: ours[first], **scripts(model, source, scores)}
    beside = race(calls, seconds=shop.scale.seconds, rounds=shop.scale.rounds)
    scores.unlink()
    return found, beside, list(ours), list(alone)


def _write(path: Path, model: Model, rows: int) -> None:
    table = pa.table(dict(zip(model.names, np.ascontiguousarray(data(rows).T), strict=True)))
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pa.csv.write_csv(table, path)
