"""The section "crowd": many Python threads that call one Predictor at the same time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Barrier
from typing import Any

import numpy as np

from benchmarks.harness.context import Context, normal_rows
from benchmarks.harness.result import Result, microseconds
from benchmarks.harness.timing import limit_threads
from benchmarks.peers.scorers import SKLEARN, TORCH_GRAPH, peer_scorers
from export.text_table import TextTable

CALLERS = 8
OURS = "Predictor.probability"


def measure(context: Context) -> Result:
    """Time calls with one row; all threads share one Predictor, session or model."""
    model, rows = context.model(), normal_rows(1)
    calls = max(10, context.scale.calls // 500)
    peers = peer_scorers(model.affine, 1)
    scorers: dict[str, Callable[[Any], object]] = {
        OURS: model.predictor(1).probability,
        TORCH_GRAPH: peers[TORCH_GRAPH],
        SKLEARN: peers[SKLEARN],
    }
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in scorers}
    with ThreadPoolExecutor(CALLERS) as pool, limit_threads(1):
        for _ in range(context.scale.rounds[0]):
            for name, score in scorers.items():
                found[name].append(_round(pool, score, rows, calls))
    lines = []
    for name, rounds in found.items():
        rate, half, most = (median(values) for values in zip(*rounds, strict=True))
        lines.append((name, f"{rate:,.0f}", microseconds(half), microseconds(most)))
    heading = (f"{CALLERS} threads, 1 row", "calls a second", "median, µs", "99 % within, µs")
    text = f"{calls:,} calls from each thread; Python runs one of the threads at a time."
    return Result([text, TextTable(heading, lines)])


def _round(
    pool: ThreadPoolExecutor, score: Callable[[Any], object], rows: Any, calls: int
) -> tuple[float, float, float]:
    """Calls a second of all callers, and the 50th and 99th percentile of a call's seconds."""
    barrier = Barrier(CALLERS)

    def call(_: int) -> list[float]:
        score(rows)
        barrier.wait()
        stamps = [time.perf_counter()]
        for _ in range(calls):
            score(rows)
            stamps.append(time.perf_counter())
        return stamps

    stamps = np.array(list(pool.map(call, range(CALLERS))))
    half, most = np.percentile(np.diff(stamps), (50, 99))
    return CALLERS * calls / float(stamps[:, -1].max() - stamps[:, 0].min()), half, most
