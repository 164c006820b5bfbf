"""Time calls of serve_runtime in this process; `compare` runs this file with each checkout.

python compare_calls.py calls BUNDLE
python compare_calls.py files BUNDLE PARQUET CSV

prints a JSON object: the name of each call → its seconds. Nothing but the public API is used, so
that a checkout of any age can be timed.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import serve_runtime

THREADS = (1, 2)
_SAMPLE = 2e-3
"""Seconds that one measurement takes at least: short calls are repeated until they do."""
_BUDGET = 0.15
"""Seconds spent on each call, unless three measurements take longer."""
_REST = 0.06
"""Seconds without work before each call: onnxruntime's threads spin for 50 ms after a run."""


def calls(bundle: str) -> Mapping[str, Callable[[], object]]:
    """From one row to a million, in the layouts that callers have."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    rows = np.random.default_rng(0).standard_normal((1_000_000, 30), np.float32)
    features = np.ascontiguousarray(rows.T)
    one = serve_runtime.Predictor(bundle, threads=1)
    names = [str(name) for name in one.feature_names_in_]
    record = [dict(zip(names, rows[0].tolist(), strict=True))]
    found: dict[str, Callable[[], object]] = {
        "1 row, probability": partial(one.probability, rows[:1]),
        "1 row, predict_proba": partial(one.predict_proba, rows[:1]),
        "1 row, decision_function": partial(one.decision_function, rows[:1]),
        "1 row, a list of one dict": partial(one.probability, record),
    }
    backwards, some = names[::-1], rows[:1000].tolist()
    objects = pd.DataFrame(rows[:20_000], columns=names).astype(object)
    odd: dict[str, Any] = {
        "1 row, dict of columns": {n: rows[:1, i] for i, n in enumerate(names)},
        "1 row, the same, another order": {n: rows[:1, names.index(n)] for n in backwards},
        "1,000 rows, dicts": [dict(zip(names, row, strict=True)) for row in some],
        "1,000 rows, dicts, another order": [
            dict(zip(backwards, row[::-1], strict=True)) for row in some
        ],
        "20,000 rows, a frame of objects": objects,
        "20,000 rows, Arrow decimals": pa.table(
            {n: pa.array([Decimal(f"{v:.4f}") for v in objects[n]]) for n in names}
        ),
    }
    found |= {name: partial(one.probability, x) for name, x in odd.items()}
    found["1 row, scores"] = partial(one.scores, rows[:1])
    inputs: dict[str, Any] = {
        **{f"{n:,} rows": rows[:n] for n in (100, 1024, 65_536)},
        "1,000,000 rows, C order": rows,
        "1,000,000 rows, (d, n).T view": features.T,
        "1,000,000 rows, dict of columns": dict(zip(names, features, strict=True)),
    }
    for threads in THREADS:
        predictor = serve_runtime.Predictor(bundle, threads=threads)
        for name, x in inputs.items():
            found[f"{name}, {_threads(threads)}"] = partial(predictor.probability, x)
    return found


def files(bundle: str, *sources: str) -> Mapping[str, Callable[[], object]]:
    """score_file of each source, into a file of the same format beside it."""
    found: dict[str, Callable[[], object]] = {}
    for threads in THREADS:
        predictor = serve_runtime.Predictor(bundle, threads=threads)
        for source in map(Path, sources):
            scores = source.with_stem("scores")
            name = f"score_file, {source.suffix}, {_threads(threads)}"
            found[name] = partial(serve_runtime.score_file, predictor, source, scores)
    return found


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


def _seconds(call: Callable[[], object]) -> float:
    """Least seconds of a call, which is the time without interruptions, after a warm-up."""
    time.sleep(_REST)
    call()
    number = max(1, round(_SAMPLE / _once(call, 1)))
    samples: list[float] = []
    end = time.perf_counter() + _BUDGET
    while len(samples) < 3 or time.perf_counter() < end:
        samples.append(_once(call, number))
    return min(samples)


def _once(call: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in repeat(None, number):
        call()
    return (time.perf_counter() - start) / number


if __name__ == "__main__":
    group, *arguments = sys.argv[1:]
    chosen = {"calls": calls, "files": files}[group](*arguments)
    gc.disable()
    print(json.dumps({name: _seconds(call) for name, call in chosen.items()}))
