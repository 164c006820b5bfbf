"""The section "conversions": rows that are no arrays of numbers, beside the same as numbers."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.harness.context import WIDTH, Context, normal_rows
from benchmarks.harness.result import Result, at_most, count_text, digits, microseconds
from benchmarks.harness.timing import Call, limit_threads
from export.text_table import TextTable
from serve_runtime import Predictor
from serve_runtime.arrays import Float32

MANY, SOME = 20_000, 1_000
"""Rows of the frames and tables, and of the lists of dicts."""


def measure(context: Context) -> Result:
    """Time each kind of rows on one thread, and beside it what a caller could do instead."""
    model = context.model()
    pairs = _pairs(model.predictor(1), list(model.names), normal_rows(MANY))
    calls: dict[str, Call] = {}
    for name, (call, plain, instead) in pairs.items():
        calls[name], calls[f"{plain} for {name}"] = call, instead
    with limit_threads(1):
        found = context.time(calls, 4)
    lines, targets = [], []
    for name, (_, plain, _) in pairs.items():
        ratio = found.ratio(name, f"{plain} for {name}")
        lines.append(
            (
                name,
                microseconds(found.median(name)),
                plain,
                microseconds(found.median(f"{plain} for {name}")),
                f"{digits(ratio)}×",
            )
        )
        targets.append(at_most(f"{name} to {plain}", ratio, _MOST[name]))
    heading = (f"{WIDTH} features, 1 thread", "µs", "beside it", "µs", "ratio")
    return Result(
        [
            "What a caller passes, and what the caller could do in its place; a conversion is in "
            f"the time of what converts. {count_text(found.rounds, 'round')}.",
            TextTable(heading, lines),
        ],
        targets,
    )


_OBJECTS = f"frame of objects, {MANY:,} rows"
_DECIMALS = f"Arrow decimals, {MANY:,} rows"
_DICTS = f"dicts in another order, {SOME:,} rows"
_COLUMNS = "dict of columns in another order, 1 row"
_SCORES = "scores(), 1 row"
_MOST: Mapping[str, float] = {_OBJECTS: 4, _DECIMALS: 3, _DICTS: 1.1, _COLUMNS: 1.1, _SCORES: 1.5}
"""The largest ratio that each of them may have."""


def _pairs(
    predictor: Predictor, names: list[str], rows: Float32
) -> dict[str, tuple[Call, str, Call]]:
    """By name: the call, the name of what is beside it, and that."""
    score = predictor.probability
    objects = pd.DataFrame(rows, columns=names).astype(object)
    decimals = pa.table(
        {n: pa.array([Decimal(f"{v:.4f}") for v in rows[:, i]]) for i, n in enumerate(names)}
    )
    doubles = pa.schema([(name, pa.float64()) for name in names])
    dicts = [dict(zip(names, row, strict=True)) for row in rows[:SOME].tolist()]
    columns = {name: rows[:1, i] for i, name in enumerate(names)}
    one = rows[:1]
    return {
        _OBJECTS: (partial(score, objects), "astype first",
                   lambda: score(objects.astype(np.float64))),
        _DECIMALS: (partial(score, decimals), "cast first", lambda: score(decimals.cast(doubles))),
        _DICTS: (partial(score, [_backwards(row) for row in dicts]), "the model's order",
                 partial(score, dicts)),
        _COLUMNS: (partial(score, _backwards(columns)), "the model's order",
                   partial(score, columns)),
        _SCORES: (partial(predictor.scores, one), "probability()", partial(score, one)),
    }  # fmt: skip


def _backwards(values: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(values.items()))
