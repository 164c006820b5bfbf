"""The section "million": a million rows in every layout, beside one read of the matrix."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from benchmarks.harness.context import WIDTH, Context, ExportedModel, normal_rows
from benchmarks.harness.result import (
    Result,
    at_least,
    at_most,
    count_text,
    digits,
    milliseconds,
    ratio_text,
)
from benchmarks.harness.timing import Call, limit_threads
from benchmarks.peers.memory_read import dot_read, sum_read
from benchmarks.peers.scorers import SKL2ONNX, TORCH_GRAPH, peer_scorers
from export.text_table import TextTable
from serve_runtime.arrays import Float32

THREADS = 2
ROWS, VIEW, COLUMNS = "rows", "(d, n).T view", "dict of columns"


def measure(context: Context) -> Result:
    """Time P(positive) of all rows on two threads."""
    rows, model = normal_rows(context.scale.rows), context.model()
    ours = _ours(model, rows)
    peers = peer_scorers(model.affine, THREADS)
    calls: dict[str, Call] = dict(ours)
    for name, score in peers.items():
        calls[name] = partial(score, rows)
    with ThreadPoolExecutor(THREADS) as pool, limit_threads(THREADS):
        reads = {
            "np.dot, a thread for each half": dot_read(rows, pool, THREADS),
            "torch.sum": sum_read(rows),
        }
        calls.update(reads)
        found = context.time(calls, 8)
    read = found.fastest(reads)
    lines = [
        (
            f"Predictor.probability, {name}" if name in ours else name,
            milliseconds(found.median(name)),
            digits(found.median(name) / len(rows) * 1e9),
            f"{found.ratio(name, read):.2f}×",
            "" if name == ROWS else ratio_text(found.ratio(name, ROWS)),
        )
        for name in calls
    ]
    heading = (f"{len(rows):,} × {WIDTH}, {THREADS} threads", "ms", "ns a row", "to one read",
               "to rows")  # fmt: skip
    size = f"{len(rows):,} × {WIDTH}, {THREADS} threads"
    return Result(
        [
            f"float32 unless named otherwise. One read of the matrix is the faster of the two "
            f"reads at the end: {read}. {count_text(found.rounds, 'round')}.",
            TextTable(heading, lines),
        ],
        [
            *(
                at_most(f"{size}: {name} to one read", found.ratio(name, read), 1.5)
                for name in (VIEW, COLUMNS)
            ),
            at_least(f"{size}: {TORCH_GRAPH} to rows", found.ratio(TORCH_GRAPH, ROWS), 1.15),
            at_least(f"{size}: {SKL2ONNX} to rows", found.ratio(SKL2ONNX, ROWS), 2),
        ],
    )


def _ours(model: ExportedModel, rows: Float32) -> dict[str, Call]:
    predictor, names = model.predictor(THREADS), list(model.names)
    features = np.ascontiguousarray(rows.T)
    columns = {name: features[i].copy() for i, name in enumerate(names)}
    frame = pd.DataFrame(columns)
    taken: dict[str, Any] = {
        ROWS: rows,
        "Fortran-ordered": np.asfortranarray(rows),
        VIEW: features.T,
        COLUMNS: columns,
        "Arrow table": pa.table(columns),
        "pandas, from rows": pd.DataFrame(rows, columns=names),
        "pandas, from columns": frame,
        "polars": pl.DataFrame(columns),
        "float64 rows": rows.astype(np.float64),
        "float64 columns": {name: c.astype(np.float64) for name, c in columns.items()},
        "int32 rows": (rows * 10).astype(np.int32),
    }
    out = np.empty(len(rows), np.float32)
    return {
        **{name: partial(predictor.probability, x) for name, x in taken.items()},
        f"{ROWS}, out=": partial(predictor.probability, rows, out=out),
        f"{VIEW}, out=": partial(predictor.probability, features.T, out=out),
    }
