"""The section "reload": replace the model while other threads call it."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from benchmarks.harness.context import WIDTH, Context, normal_rows
from benchmarks.harness.random_run import random_run
from benchmarks.harness.result import Result, Target, milliseconds
from export.publish import export_bundle
from export.text_table import TextTable
from serve_runtime import Predictor, ServeError

CALLERS = 4
_ROWS = 64
_PAUSE = 0.05
"""Seconds between two reloads."""


@dataclass
class Period:
    """What happened in a stretch of time in which threads called the predictor."""

    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    """Number of calls by outcome: right, mixed (the scores are neither model's), failed."""
    reloads: list[float] = field(default_factory=list)
    """Seconds of each."""


def measure(context: Context) -> Result:
    """Count calls a second before the model is replaced, while it is again and again, and after."""
    bundles = [_bundle(context, seed) for seed in (1, 2)]
    rows = normal_rows(_ROWS)
    right = {Predictor(bundle).probability(rows).tobytes() for bundle in bundles}
    predictor = Predictor(bundles[0])

    def call() -> str:
        try:
            return "right" if predictor.probability(rows).tobytes() in right else "mixed"
        except ServeError:
            return "failed"

    times = max(2, round(2 * context.scale.seconds / _PAUSE))
    found = {
        "before": _period(call, times, lambda _: None),
        "while reloading": _period(call, times, lambda i: predictor.reload(bundles[1 - i % 2])),
        "after": _period(call, times, lambda _: None),
    }
    lines = [
        (
            name,
            f"{period.calls.total() / period.seconds:,.0f}",
            ""
            if name != "while reloading"
            else f"{times} (at most {milliseconds(max(period.reloads))} ms)",
            *(f"{period.calls[outcome]}" for outcome in ("failed", "mixed")),
        )
        for name, period in found.items()
    ]
    calls = sum((period.calls for period in found.values()), Counter[str]())
    wrong = calls["failed"] + calls["mixed"]
    heading = (f"{CALLERS} callers, {_ROWS} rows", "calls a second", "reloads", "failed", "mixed")
    return Result(
        [
            f"One model and another in turns, {1000 * _PAUSE:.0f} ms apart; an answer that is "
            "neither's, bit for bit, is mixed.",
            TextTable(heading, lines),
        ],
        [Target("reload: failed or mixed calls ≤ 0", f"{wrong} of {calls.total():,}", wrong == 0)],
    )


def _period(call: Callable[[], str], times: int, act: Callable[[int], object]) -> Period:
    """Let threads repeat `call` while `act` is called so many times, with a pause after each."""
    found, stop = Period(), Event()

    def caller() -> Counter[str]:
        own = Counter[str]()
        while not stop.is_set():
            own[call()] += 1
        return own

    with ThreadPoolExecutor(CALLERS) as pool:
        start = time.perf_counter()
        callers = [pool.submit(caller) for _ in range(CALLERS)]
        try:
            for i in range(times):
                begun = time.perf_counter()
                act(i)
                found.reloads.append(time.perf_counter() - begun)
                time.sleep(_PAUSE)
        finally:
            stop.set()
        found.calls = sum((one.result() for one in callers), Counter[str]())
    found.seconds = time.perf_counter() - start
    return found


def _bundle(context: Context, seed: int) -> Path:
    run = random_run(context.folder / f"reload-run-{seed}", WIDTH, seed=seed, spread=0.0)
    export_bundle(run, context.folder / f"reload-{seed}")
    return context.folder / f"reload-{seed}"
