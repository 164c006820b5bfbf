"""What a program pays that embeds the runtime: start, memory, threads."""

from statistics import median

from benchmarks.answers import Answer, Target, at_most, milli
from benchmarks.processes import PROGRAMS, Ended, alternate
from benchmarks.workshop import Workshop
from export.text_table import TextTable as Table

# Nothing else is imported: modules that the others need would be there already.
_IMPORT = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
_IMPORTS = {
    "import numpy, onnxruntime": "import numpy, onnxruntime",
    "from serve_runtime import Predictor": "from serve_runtime import Predictor",
    "import serve_runtime": "import serve_runtime",
}
BARE, OURS = list(_IMPORTS)[:2]


def answer(shop: Workshop) -> Answer:
    """Imports, then loading and the first prediction, all in fresh processes."""
    bundle, rounds = shop.model().bundle, shop.scale.processes
    imports = alternate(
        {name: ("-c", _IMPORT.format(code)) for name, code in _IMPORTS.items()}, rounds
    )
    bare, ours = "bare session on its model.onnx", "Predictor of the bundle"
    firsts = alternate(
        {
            "numpy and onnxruntime, imported only": (*PROGRAMS, "imports_alone"),
            bare: (*PROGRAMS, "first_run", bundle),
            ours: (*PROGRAMS, "first_prediction", bundle),
        },
        rounds,
    )
    ratio = _ratio(imports[OURS], imports[BARE])
    both = _of(firsts[ours], "both")
    more = _of(firsts[ours], "resident") - _of(firsts[bare], "resident")
    threads = _of(firsts[ours], "threads") - _of(firsts[bare], "threads")
    return Answer(
        [
            f"Medians of {rounds} fresh processes each, in turns, with compiled modules and the "
            "files in the system's cache and onnxruntime's telemetry off for all. The whole "
            "process is Python's start and end too.",
            Table(
                ("import", "import, ms", "whole process, ms", "to numpy, onnxruntime"),
                [
                    (
                        name,
                        milli(median([run.answer for run in runs])),
                        milli(median([run.seconds for run in runs])),
                        f"{_ratio(runs, imports[BARE]):.2f}×",
                    )
                    for name, runs in imports.items()
                ],
            ),
            Table(
                ("after the imports, one thread asked for", "load, ms", "first prediction, ms",
                 "resident, MiB", "threads, numpy's included"),
                [
                    (
                        name,
                        milli(_of(runs, "load")) if "load" in runs[0].answer else "",
                        milli(_of(runs, "first")) if "first" in runs[0].answer else "",
                        f"{_of(runs, 'resident'):.1f}",
                        f"{_of(runs, 'threads'):.0f}",
                    )
                    for name, runs in firsts.items()
                ],
            ),
        ],
        [
            at_most("import of Predictor to import of numpy and onnxruntime", ratio, 1.15),
            Target("load and first prediction < 10 ms", f"{milli(both)} ms", both < 0.010),
            at_most("resident beyond a bare session", more, 5, " MiB"),
            at_most("threads beyond a bare session of one", threads, 0, ""),
        ],
    )  # fmt: skip


def _of(runs: list[Ended], field: str) -> float:
    return float(median(run.answer[field] for run in runs))


def _ratio(runs: list[Ended], bare: list[Ended]) -> float:
    pairs = zip(runs, bare, strict=True)
    return float(median(one.answer / other.answer for one, other in pairs))
