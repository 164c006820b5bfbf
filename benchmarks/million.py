"""A million rows in memory: every way they may lie, beside one read of the matrix."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from benchmarks.answers import Answer, at_least, at_most, digits, many, milli, times
from benchmarks.contenders import SKL2ONNX, TORCH_GRAPH, contenders
from benchmarks.floor import dot, total
from benchmarks.timing import Call, race, threads_of_peers
from benchmarks.workshop import WIDTH, Model, Workshop, data
from export.text_table import TextTable as Table
from serve_runtime.arrays import Float32

THREADS = 2
ROWS, VIEW, COLUMNS = "rows", "(d, n).T view", "dict of columns"


def answer(shop: Workshop) -> Answer:
    """All on two threads, P(positive) of each row."""
    rows, model = data(shop.scale.rows), shop.model()
    ours = _ours(model, rows)
    peers = contenders(model.affine, THREADS)
    calls: dict[str, Call] = dict(ours)
    for name, score in peers.items():
        calls[name] = partial(score, rows)
    with ThreadPoolExecutor(THREADS) as pool, threads_of_peers(THREADS):
        reads = {
            "np.dot, a thread for each half": dot(rows, pool, THREADS),
            "torch.sum": total(rows),
        }
        calls.update(reads)
        found = race(calls, seconds=8 * shop.scale.seconds, rounds=shop.scale.rounds)
    read = found.fastest(reads)
    lines = [
        (
            f"Predictor.probability, {name}" if name in ours else name,
            milli(found.median(name)),
            digits(found.median(name) / len(rows) * 1e9),
            f"{found.ratio(name, read):.2f}×",
            "" if name == ROWS else times(found.ratio(name, ROWS)),
        )
        for name in calls
    ]
    heading = (f"{len(rows):,} × {WIDTH}, {THREADS} threads", "ms", "ns a row", "to one read",
               "to rows")  # fmt: skip
    size = f"{len(rows):,} × {WIDTH}, {THREADS} threads"
    return Answer(
        [
            f"float32 unless named otherwise. One read of the matrix is the faster of the two "
            f"reads at the end: {read}. {many(found.rounds, 'round')}.",
            Table(heading, lines),
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


def _ours(model: Model, rows: Float32) -> dict[str, Call]:
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
