"""Nothing slower than scikit-learn's predict_proba: sizes × dtypes × layouts × widths."""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.answers import Answer, Target, many, micro, times
from benchmarks.timing import race, threads_of_peers
from benchmarks.workshop import Model, Workshop, data
from export.text_table import TextTable as Table

MOST_VALUES = 8_000_000
DTYPES = ("float32", "float64", "int64")
LAYOUTS = ("C", "Fortran", "DataFrame")
_WORST = 5
_LARGE = 2
"""Sizes, the largest, that are tried on two threads: fewer rows are not worth two."""


def answer(shop: Workshop) -> Answer:
    """The smallest ratio of each kind of input over all sizes, and the worst of all."""
    sizes = shop.scale.grid_rows
    parts: list[Table | str] = [
        "How many times longer scikit-learn's predict_proba takes than ours on the same input: "
        f"the smallest ratio over {', '.join(f'{n:,}' for n in sizes)} rows, and the rows where it "
        f"was (two threads: from {sizes[-_LARGE]:,} rows on; no more than {MOST_VALUES:,} values). "
        "BLAS has the same threads."
    ]
    targets = []
    for threads in (1, 2):
        found = _ratios(shop, threads)
        lines = []
        for dtype in DTYPES:
            for layout in LAYOUTS:
                cells = []
                for width in shop.scale.widths:
                    of_size = {key[3]: value for key, value in found.items()
                               if key[:3] == (dtype, layout, width)}  # fmt: skip
                    rows = min(of_size, key=lambda n: of_size[n][0])
                    cells.append(f"{times(of_size[rows][0])} at {rows:,}")
                lines.append((f"{dtype}, {layout}", *cells))
        heading = (
            many(threads, "thread"),
            *(many(width, "feature") for width in shop.scale.widths),
        )
        worst = sorted(found.items(), key=lambda item: item[1][0])[:_WORST]
        named = [
            (f"{dtype}, {layout}, {rows:,} × {width}", times(ratio), micro(ours), micro(theirs))
            for (dtype, layout, width, rows), (ratio, ours, theirs) in worst
        ]
        parts.append(Table(heading, lines))
        parts.append(Table((f"the {_WORST} worst", "ratio", "ours, µs", "scikit-learn, µs"), named))
        lowest = worst[0][1][0]
        targets.append(
            Target(
                f"predict_proba, {many(threads, 'thread')}: scikit-learn's to ours, the "
                "smallest ratio ≥ 1×",
                f"{lowest:.2f}× ({worst_name(worst[0][0])})",
                lowest >= 1,
            )
        )
    return Answer(parts, targets)


Key = tuple[str, str, int, int]


def worst_name(key: Key) -> str:
    """dtype, layout and shape in words."""
    dtype, layout, width, rows = key
    return f"{dtype}, {layout}, {rows:,} × {width}"


def _ratios(shop: Workshop, threads: int) -> dict[Key, tuple[float, float, float]]:
    """By dtype, layout, width and rows: the ratio, our seconds and theirs."""
    found = {}
    seconds, rounds = shop.scale.seconds / 8, (min(3, shop.scale.rounds[0]), 9)
    sizes = shop.scale.grid_rows if threads == 1 else shop.scale.grid_rows[-_LARGE:]
    for width in shop.scale.widths:
        model = shop.model(width)
        predictor = model.predictor(threads)
        for rows in (n for n in sizes if n * width <= MOST_VALUES):
            for dtype, layout, x, reference in _inputs(model, data(rows, width)):
                calls = {
                    "ours": partial(predictor.predict_proba, x),
                    "theirs": partial(reference.predict_proba, x),
                }
                with threads_of_peers(threads), warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # its search for NaN
                    measured = race(calls, seconds=seconds, rounds=rounds)
                found[dtype, layout, width, rows] = (
                    measured.ratio("theirs", "ours"),
                    measured.median("ours"),
                    measured.median("theirs"),
                )
    return found


def _inputs(model: Model, rows: NDArray[np.float32]) -> Iterator[tuple[str, str, Any, Any]]:
    """dtype, layout, the input, and the scikit-learn model that takes it without a warning."""
    unnamed = peers.sklearn_model(model.affine)
    named = peers.sklearn_model(model.affine)
    named.feature_names_in_ = np.array(model.names, dtype=object)
    for dtype in DTYPES:
        x = (rows * 10 if dtype == "int64" else rows).astype(dtype)
        yield dtype, "C", x, unnamed
        yield dtype, "Fortran", np.asfortranarray(x), unnamed
        yield dtype, "DataFrame", pd.DataFrame(x, columns=list(model.names)), named
