"""Every way into a Predictor, at widths and with a centre that its own tests do not have."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from export.parity.scorers import THREADS
from pipeline.export.bundle_files import Model
from serve_runtime import Predictor
from serve_runtime.bundle.model_file import MODEL_FILES

ROWS: dict[str, Callable[[np.ndarray, list[str]], Any]] = {
    "an array": lambda rows, names: rows,
    "a list of arrays": lambda rows, names: list(rows),
    "every third row of an array": lambda rows, names: np.repeat(rows, 3, axis=0)[::3],
    "a float64 array": lambda rows, names: rows.astype(np.float64),
    "a list of lists": lambda rows, names: rows.tolist(),
    "a list of dicts": lambda rows, names: [
        dict(zip(reversed(names), map(float, row[::-1]), strict=True)) for row in rows
    ],
}
COLUMNS: dict[str, Callable[[np.ndarray, list[str]], Any]] = {
    "rows of a Fortran-ordered array": lambda rows, names: np.asfortranarray(
        np.append(rows, rows, axis=0)
    )[: len(rows)],
    "a dict of columns": lambda rows, names: dict(zip(names, rows.T, strict=True)),
    "a dict of lists": lambda rows, names: dict(zip(names, rows.T.tolist(), strict=True)),
    "a dict in another order": lambda rows, names: dict(
        zip(reversed(names), rows.T[::-1], strict=True)
    ),
    "pandas": lambda rows, names: pd.DataFrame(rows, columns=names),
    "pandas of float64": lambda rows, names: pd.DataFrame(rows.astype(np.float64), columns=names),
    "polars": lambda rows, names: pl.DataFrame(
        {name: column.copy() for name, column in zip(names, rows.T, strict=True)}
    ),
    "Arrow": lambda rows, names: pa.table(
        {name: column.copy() for name, column in zip(names, rows.T, strict=True)}
    ),
    "Arrow in chunks": lambda rows, names: pa.concat_tables(
        pa.table({name: column.copy() for name, column in zip(names, part.T, strict=True)})
        for part in np.array_split(rows, 3)
    ),
}


def answers(predictor: Predictor, x: Any) -> dict[str, np.ndarray]:
    logit, probability = predictor.scores(x)
    return {
        "scores, logit": logit,
        "scores, probability": probability,
        "decision_function": predictor.decision_function(x),
        "probability": predictor.probability(x),
        "predict_proba": predictor.predict_proba(x)[:, 1],
        "P(negative)": predictor.predict_proba(x)[:, 0].copy(),
    }


@pytest.mark.parametrize("ways", [ROWS, COLUMNS], ids=["rows", "columns"])
@pytest.mark.parametrize(("width", "centered"), [(3, False), (31, True), (129, False)])
def test_every_way_in_of_a_layout_gives_the_same_bits(
    models: Callable[[int, bool], Model],
    width: int,
    centered: bool,
    ways: dict[str, Callable[[np.ndarray, list[str]], Any]],
) -> None:
    chosen = models(width, centered)
    rows = chosen.batches["random rows"].rows[:70]
    name = MODEL_FILES["rows" if ways is ROWS else "columns"]
    one, several = (Predictor(chosen.folder / name, threads=n) for n in (1, THREADS))
    names = list(one.card.feature_names)
    first = next(iter(ways.values()))
    expected = answers(one, first(rows, names))
    assert len({z.tobytes() for z in expected.values()}) == 3  # logit, P(positive), P(negative)
    alone = [answers(one, first(row[None], names)) for row in rows]
    for what, values in expected.items():
        assert values.tobytes() == np.concatenate([a[what] for a in alone]).tobytes(), what
    for how, shape in ways.items():
        for predictor in (one, several):
            found = answers(predictor, shape(rows, names))
            for what, values in expected.items():
                assert found[what].tobytes() == values.tobytes(), (how, what)
