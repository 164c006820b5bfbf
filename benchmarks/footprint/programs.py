"""Programs that run in fresh processes: `python -m benchmarks.footprint.programs NAME ARGUMENT...`.

Each function is a program; its result is printed as JSON.

Heavy modules are imported inside the functions, so that a program's memory is its own. Memory and
threads are read from /proc, so Linux is needed.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

COMMAND = ("-m", "benchmarks.footprint.programs")
"""Arguments of `python` that come before the name of a program."""


def first_prediction(bundle: str) -> dict[str, float]:
    """Load a bundle and score one row, after the imports."""
    import numpy as np

    from serve_runtime import Predictor

    row = np.zeros((1, 30), np.float32)
    start = time.perf_counter()
    predictor = Predictor(bundle)
    loaded = time.perf_counter()
    predictor.probability(row)
    return _first(start, loaded)


def first_run(bundle: str) -> dict[str, float]:
    """Load the bundle's model.onnx into a bare onnxruntime session and score one row."""
    import numpy as np
    import onnxruntime as ort

    row = np.zeros((1, 30), np.float32)
    start = time.perf_counter()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = str(Path(bundle) / "model.onnx")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    loaded = time.perf_counter()
    session.run(None, {"features": row})
    return _first(start, loaded)


def imports_alone() -> dict[str, float]:
    """Memory and threads of a process that imports numpy and onnxruntime only."""
    import numpy  # noqa: F401
    import onnxruntime  # noqa: F401

    return status()


def score(bundle: str, source: str, destination: str, threads: str) -> dict[str, float]:
    """Score a file; its rows, the seconds, and the peak of memory."""
    from serve_runtime import Predictor, score_file

    start = time.perf_counter()
    rows = score_file(Predictor(bundle, threads=int(threads)), source, destination)
    return {**status(), "rows": rows, "seconds": time.perf_counter() - start}


def soak(bundle: str, calls: str) -> list[dict[str, float]]:
    """Many calls with 1 to 300 rows of many kinds; memory and threads ten times on the way."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from serve_runtime import Predictor

    predictor = Predictor(bundle)
    rows = np.random.default_rng(0).standard_normal((300, 30), np.float32)
    columns = np.ascontiguousarray(rows.T)
    names = [str(name) for name in predictor.feature_names_in_]
    frame = pd.DataFrame(rows, columns=names)
    batch = pa.record_batch(dict(zip(names, columns, strict=True)))
    doubles, integers = rows.astype(np.float64), (rows * 10).astype(np.int64)
    kinds: list[Any] = [
        lambda n: rows[:n],
        lambda n: doubles[:n],
        lambda n: columns[:, :n].T,
        lambda n: integers[:n],
        lambda n: np.asfortranarray(rows[:n]),
    ]
    rare: list[Any] = [  # slow to take apart
        lambda n: frame[:n],
        lambda n: batch.slice(0, n),
        lambda n: dict(zip(names, columns[:, :n], strict=True)),
    ]
    ask = [predictor.probability, predictor.predict_proba, predictor.predict]
    found = []
    for call in range(1, int(calls) + 1):
        kind = rare[call // 50 % len(rare)] if call % 50 == 0 else kinds[call % len(kinds)]
        ask[call % len(ask)](kind(1 + call * 7919 % 300))
        if call % (int(calls) // 10) == 0:
            found.append({**status(), "calls": call})
    return found


def status() -> dict[str, float]:
    """Resident memory now and at its peak, MiB, and the threads of this process."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )  # fmt: skip
    kilobytes = {"resident": "VmRSS", "peak": "VmHWM"}
    found = {name: int(fields[field].split()[0]) / 1024 for name, field in kilobytes.items()}
    return {**found, "threads": int(fields["Threads"])}


def _first(start: float, loaded: float) -> dict[str, float]:
    end = time.perf_counter()
    return {**status(), "load": loaded - start, "first": end - loaded, "both": end - start}


if __name__ == "__main__":
    program, *arguments = sys.argv[1:]
    print(json.dumps(globals()[program](*arguments)))
