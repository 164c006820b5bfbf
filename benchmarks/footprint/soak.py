"""The section "soak": does memory grow with many calls of changing size?"""

from statistics import linear_regression

from benchmarks.footprint.programs import COMMAND
from benchmarks.harness.context import Context
from benchmarks.harness.processes import run_python
from benchmarks.harness.result import Result, at_most
from export.text_table import TextTable


def measure(context: Context) -> Result:
    """Take the resident memory ten times in so many calls, and the slope of a line through it."""
    calls = context.scale.calls
    found = run_python(*COMMAND, "soak", context.model().bundle, calls).parsed
    slope, _ = linear_regression(
        [point["calls"] / 1e6 for point in found], [point["resident"] for point in found]
    )
    growth = found[-1]["resident"] - found[0]["resident"]
    return Result(
        [
            "probability, predict_proba and predict in turns, 1 to 300 rows of float32, float64 "
            "and int64, in every layout; one call in 50 a pandas frame, an Arrow batch or a dict "
            f"of columns. A line through these grows {slope:.2f} MiB in a million calls.",
            TextTable(
                ("calls", *(f"{point['calls']:,}" for point in found)),
                [
                    ("resident, MiB", *(f"{point['resident']:.1f}" for point in found)),
                    ("threads", *(str(point["threads"]) for point in found)),
                ],
            ),
        ],
        [
            at_most(
                f"resident memory from {found[0]['calls']:,} to {calls:,} calls",
                growth,
                0.5,
                " MiB",
            )
        ],
    )
