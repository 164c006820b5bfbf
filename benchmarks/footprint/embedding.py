"""The section "guest": what a program pays that embeds the runtime: start, memory, threads."""

from statistics import median

from benchmarks.footprint.programs import COMMAND
from benchmarks.harness.context import Context
from benchmarks.harness.processes import Finished, run_in_turns
from benchmarks.harness.result import Result, Target, at_most, milliseconds
from export.text_table import TextTable

# These programs import nothing else: a module that is loaded already makes later imports faster.
_IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
_IMPORTS = {
    "import numpy, onnxruntime": "import numpy, onnxruntime",
    "from serve_runtime import Predictor": "from serve_runtime import Predictor",
    "import serve_runtime": "import serve_runtime",
}
BARE, OURS = list(_IMPORTS)[:2]


def measure(context: Context) -> Result:
    """Time imports, then loading and the first prediction, all in fresh processes."""
    bundle, rounds = context.model().bundle, context.scale.processes
    imports = run_in_turns(
        {name: ("-c", _IMPORT.format(code)) for name, code in _IMPORTS.items()}, rounds
    )
    bare, ours = "bare session on its model.onnx", "Predictor of the bundle"
    firsts = run_in_turns(
        {
            "numpy and onnxruntime, imported only": (*COMMAND, "imports_alone"),
            bare: (*COMMAND, "first_run", bundle),
            ours: (*COMMAND, "first_prediction", bundle),
        },
        rounds,
    )
    ratio = _ratio(imports[OURS], imports[BARE])
    both = _of(firsts[ours], "both")
    more = _of(firsts[ours], "resident") - _of(firsts[bare], "resident")
    threads = _of(firsts[ours], "threads") - _of(firsts[bare], "threads")
    return Result(
        [
            f"Medians of {rounds} fresh processes each, in turns, with compiled modules and the "
            "files in the system's cache and onnxruntime's telemetry off for all. The whole "
            "process is Python's start and end too.",
            TextTable(
                ("import", "import, ms", "whole process, ms", "to numpy, onnxruntime"),
                [
                    (
                        name,
                        milliseconds(median([run.parsed for run in runs])),
                        milliseconds(median([run.seconds for run in runs])),
                        f"{_ratio(runs, imports[BARE]):.2f}×",
                    )
                    for name, runs in imports.items()
                ],
            ),
            TextTable(
                ("after the imports, one thread asked for", "load, ms", "first prediction, ms",
                 "resident, MiB", "threads, numpy's included"),
                [
                    (
                        name,
                        milliseconds(_of(runs, "load")) if "load" in runs[0].parsed else "",
                        milliseconds(_of(runs, "first")) if "first" in runs[0].parsed else "",
                        f"{_of(runs, 'resident'):.1f}",
                        f"{_of(runs, 'threads'):.0f}",
                    )
                    for name, runs in firsts.items()
                ],
            ),
        ],
        [
            at_most("import of Predictor to import of numpy and onnxruntime", ratio, 1.15),
            Target("load and first prediction < 10 ms", f"{milliseconds(both)} ms", both < 0.010),
            at_most("resident beyond a bare session", more, 5, " MiB"),
            at_most("threads beyond a bare session of one", threads, 0, ""),
        ],
    )  # fmt: skip


def _of(runs: list[Finished], field: str) -> float:
    return float(median(run.parsed[field] for run in runs))


def _ratio(runs: list[Finished], bare: list[Finished]) -> float:
    pairs = zip(runs, bare, strict=True)
    return float(median(one.parsed / other.parsed for one, other in pairs))
