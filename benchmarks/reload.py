"""Another model while calls are in flight."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from benchmarks.answers import Answer, Target, milli
from benchmarks.models import random_run
from benchmarks.workshop import WIDTH, Workshop, data
from export.publish import export_bundle
from export.text_table import TextTable as Table
from serve_runtime import Predictor, ServeError

CALLERS = 4
_ROWS = 64
_PAUSE = 0.05
"""Seconds between two reloads."""


@dataclass
class Period:
    """What happened while callers called."""

    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    """By outcome: right, mixed (the answer of neither model) or failed."""
    reloads: list[float] = field(default_factory=list)
    """Seconds of each."""


def answer(shop: Workshop) -> Answer:
    """Calls a second without reloads, with one after the other, and after them."""
    bundles = [_bundle(shop, seed) for seed in (1, 2)]
    rows = data(_ROWS)
    right = {Predictor(bundle).probability(rows).tobytes() for bundle in bundles}
    predictor = Predictor(bundles[0])

    def call() -> str:
        try:
            return "right" if predictor.probability(rows).tobytes() in right else "mixed"
        except ServeError:
            return "failed"

    times = max(2, round(2 * shop.scale.seconds / _PAUSE))
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
            else f"{times} (at most {milli(max(period.reloads))} ms)",
            *(f"{period.calls[outcome]}" for outcome in ("failed", "mixed")),
        )
        for name, period in found.items()
    ]
    calls = sum((period.calls for period in found.values()), Counter[str]())
    wrong = calls["failed"] + calls["mixed"]
    heading = (f"{CALLERS} callers, {_ROWS} rows", "calls a second", "reloads", "failed", "mixed")
    return Answer(
        [
            f"One model and another in turns, {1000 * _PAUSE:.0f} ms apart; an answer that is "
            "neither's, bit for bit, is mixed.",
            Table(heading, lines),
        ],
        [Target("reload: failed or mixed calls ≤ 0", f"{wrong} of {calls.total():,}", wrong == 0)],
    )


def _period(call: Callable[[], str], times: int, act: Callable[[int], object]) -> Period:
    """Let callers call while `act` is called so many times, with a pause after each."""
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


def _bundle(shop: Workshop, seed: int) -> Path:
    run = random_run(shop.folder / f"reload-run-{seed}", WIDTH, seed=seed, spread=0.0)
    export_bundle(run, shop.folder / f"reload-{seed}")
    return shop.folder / f"reload-{seed}"
