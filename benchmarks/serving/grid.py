"""The section "everywhere": predict_proba beside scikit-learn's, by size, dtype, layout, width."""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.context import Context, ExportedModel, normal_rows
from benchmarks.harness.result import Result, Target, count_text, microseconds, ratio_text
from benchmarks.harness.timing import limit_threads, time_in_rounds
from benchmarks.peers import exports
from export.text_table import TextTable

MOST_VALUES = 8_000_000
"""Values (rows × features) of an input, at most."""
DTYPES = ("float32", "float64", "int64")
LAYOUTS = ("C", "Fortran", "DataFrame")
_WORST = 5
"""How many of the worst ratios are listed."""
_LARGE = 2
"""How many of the sizes, the largest, are tried on two threads: small batches use one."""


def measure(context: Context) -> Result:
    """The smallest ratio of each kind of input over all sizes, and the worst ratios of all."""
    sizes = context.scale.grid_rows
    parts: list[TextTable | str] = [
        "How many times longer scikit-learn's predict_proba takes than ours on the same input: "
        f"the smallest ratio over {', '.join(f'{n:,}' for n in sizes)} rows, and the rows where it "
        f"was (two threads: from {sizes[-_LARGE]:,} rows on; no more than {MOST_VALUES:,} values). "
        "BLAS has the same threads."
    ]
    targets = []
    for threads in (1, 2):
        found = _ratios(context, threads)
        lines = []
        for dtype in DTYPES:
            for layout in LAYOUTS:
                cells = []
                for width in context.scale.widths:
                    of_size = {key[3]: value for key, value in found.items()
                               if key[:3] == (dtype, layout, width)}  # fmt: skip
                    rows = min(of_size, key=lambda n: of_size[n][0])
                    cells.append(f"{ratio_text(of_size[rows][0])} at {rows:,}")
                lines.append((f"{dtype}, {layout}", *cells))
        heading = (
            count_text(threads, "thread"),
            *(count_text(width, "feature") for width in context.scale.widths),
        )
        worst = sorted(found.items(), key=lambda item: item[1][0])[:_WORST]
        named = [
            (
                f"{dtype}, {layout}, {rows:,} × {width}",
                ratio_text(ratio),
                microseconds(ours),
                microseconds(theirs),
            )
            for (dtype, layout, width, rows), (ratio, ours, theirs) in worst
        ]
        parts.append(TextTable(heading, lines))
        parts.append(
            TextTable((f"the {_WORST} worst", "ratio", "ours, µs", "scikit-learn, µs"), named)
        )
        lowest = worst[0][1][0]
        targets.append(
            Target(
                f"predict_proba, {count_text(threads, 'thread')}: scikit-learn's to ours, the "
                "smallest ratio ≥ 1×",
                f"{lowest:.2f}× ({worst_name(worst[0][0])})",
                lowest >= 1,
            )
        )
    return Result(parts, targets)


Key = tuple[str, str, int, int]
"""dtype, layout, features, rows."""


def worst_name(key: Key) -> str:
    """A kind of input in words: "float32, C, 64 × 30"."""
    dtype, layout, width, rows = key
    return f"{dtype}, {layout}, {rows:,} × {width}"


def _ratios(context: Context, threads: int) -> dict[Key, tuple[float, float, float]]:
    """Of each kind of input: scikit-learn's time over ours, our seconds, its seconds."""
    found = {}
    seconds, rounds = context.scale.seconds / 8, (min(3, context.scale.rounds[0]), 9)
    sizes = context.scale.grid_rows if threads == 1 else context.scale.grid_rows[-_LARGE:]
    for width in context.scale.widths:
        model = context.model(width)
        predictor = model.predictor(threads)
        for rows in (n for n in sizes if n * width <= MOST_VALUES):
            for dtype, layout, x, reference in _inputs(model, normal_rows(rows, width)):
                calls = {
                    "ours": partial(predictor.predict_proba, x),
                    "theirs": partial(reference.predict_proba, x),
                }
                with limit_threads(threads), warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # its search for NaN
                    measured = time_in_rounds(calls, seconds=seconds, rounds=rounds)
                found[dtype, layout, width, rows] = (
                    measured.ratio("theirs", "ours"),
                    measured.median("ours"),
                    measured.median("theirs"),
                )
    return found


def _inputs(model: ExportedModel, rows: NDArray[np.float32]) -> Iterator[tuple[str, str, Any, Any]]:
    """dtype, layout, the input, and the scikit-learn model that takes it without a warning."""
    unnamed = exports.sklearn_model(model.affine)
    named = exports.sklearn_model(model.affine)
    named.feature_names_in_ = np.array(model.names, dtype=object)
    for dtype in DTYPES:
        x = (rows * 10 if dtype == "int64" else rows).astype(dtype)
        yield dtype, "C", x, unnamed
        yield dtype, "Fortran", np.asfortranarray(x), unnamed
        yield dtype, "DataFrame", pd.DataFrame(x, columns=list(model.names)), named
