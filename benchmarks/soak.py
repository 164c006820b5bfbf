"""Many calls of changing size: does memory grow?"""

from statistics import linear_regression

from benchmarks.answers import Answer, at_most
from benchmarks.processes import PROGRAMS, python
from benchmarks.workshop import Workshop
from export.text_table import TextTable as Table


def answer(shop: Workshop) -> Answer:
    """Resident memory at ten times, and its slope."""
    calls = shop.scale.calls
    found = python(*PROGRAMS, "soak", shop.model().bundle, calls).answer
    slope, _ = linear_regression(
        [point["calls"] / 1e6 for point in found], [point["resident"] for point in found]
    )
    growth = found[-1]["resident"] - found[0]["resident"]
    return Answer(
        [
            "probability, predict_proba and predict in turns, 1 to 300 rows of float32, float64 "
            "and int64, in every layout; one call in 50 a pandas frame, an Arrow batch or a dict "
            f"of columns. A line through these grows {slope:.2f} MiB in a million calls.",
            Table(
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
