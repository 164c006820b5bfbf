"""The section "files": score_file beside pyarrow alone, and beside pandas with another model."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.harness.context import WIDTH, Context, ExportedModel, normal_rows
from benchmarks.harness.result import Result, Target, at_most, count_text, digits, ratio_text
from benchmarks.harness.timing import Call, Times
from benchmarks.peers.file_pipelines import pandas_scripts, pyarrow_copies
from export.text_table import TextTable
from serve_runtime import score_file

_BYTES_A_VALUE = 12
"""Bytes of a value in a CSV file, rounded up; Parquet takes 4 or 5."""


def measure(context: Context) -> Result:
    """Score a Parquet file and a CSV file, each into a file of the same format."""
    parts: list[TextTable | str] = [
        "From file to file in the same format, in this process, the input in the system's cache. "
        "pyarrow alone reads the feature columns and writes the very result of `score_file`, with "
        "nothing in between, in bounded memory, on all cores, reading and writing at once; the "
        "fastest way is the floor. "
        "pandas holds the whole table in memory, and writes through pyarrow."
    ]
    targets: list[Target] = []
    for ending, rows in zip((".parquet", ".csv"), context.scale.file_rows, strict=True):
        lacking = context.lacks_space(f"{ending} was", rows * WIDTH * _BYTES_A_VALUE)
        if lacking:
            parts.append(lacking)
            continue
        source = context.folder / f"table{ending}"
        _write(source, context.model(), rows)
        found, beside, ours, alone = _timed(context, source)
        floor, size = found.fastest(alone), source.stat().st_size
        source.unlink()
        rounds = count_text(found.rounds, "round")
        title = f"{rows:,} × {WIDTH} {ending}, {size / 1e6:,.0f} MB, {rounds}"
        parts.append(_table(title, rows, found, ours[0], floor))
        title = f"the same, {count_text(beside.rounds, 'round')}"
        parts.append(_table(title, rows, beside, ours[0], ours[0]))
        claim = f"{rows:,} × {WIDTH} {ending}: {{}} to pyarrow alone"
        targets += [at_most(claim.format(name), found.ratio(name, floor), 1.15) for name in ours]
    return Result(parts, targets)


def _table(title: str, rows: int, found: Times, ours: str, floor: str) -> TextTable:
    """Seconds and rows a second of each call, and its ratio to the call `ours`.

    A further column has the ratio to the call `floor`, unless that is `ours` too.
    """
    lines = []
    for name in found.seconds:
        seconds = found.median(name)
        line = [name, digits(seconds), digits(rows / seconds / 1e6)]
        if floor != ours:
            line.append(f"{found.ratio(name, floor):.2f}×")
        lines.append((*line, "" if name == ours else ratio_text(found.ratio(name, ours))))
    ratios = ("to ours",) if floor == ours else ("to the floor", "to ours")
    return TextTable((title, "seconds", "million rows a second", *ratios), lines)


def _timed(context: Context, source: Path) -> tuple[Times, Times, list[str], list[str]]:
    """Time score_file beside pyarrow alone, and then beside the pandas scripts.

    The two are timed apart: pandas fills the memory, which would disturb pyarrow, and a round of it
    takes ten times as long. Returns both times, the names of our calls, and those of pyarrow's.
    """
    model, scores = context.model(), context.folder / f"scores{source.suffix}"
    ours = {
        f"score_file, {count_text(threads, 'thread')}": partial(
            score_file, model.predictor(threads), source, scores
        )
        for threads in (1, 2)
    }
    next(iter(ours.values()))()
    alone = {
        f"pyarrow alone, {name}": call
        for name, call in pyarrow_copies(source, list(model.names), scores).items()
    }
    calls: dict[str, Call] = {**ours, **alone}
    found = context.time(calls, 20)
    first = next(iter(ours))
    calls = {first: ours[first], **pandas_scripts(model, source, scores)}
    beside = context.time(calls)
    scores.unlink()
    return found, beside, list(ours), list(alone)


def _write(path: Path, model: ExportedModel, rows: int) -> None:
    table = pa.table(dict(zip(model.names, np.ascontiguousarray(normal_rows(rows).T), strict=True)))
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pa.csv.write_csv(table, path)
