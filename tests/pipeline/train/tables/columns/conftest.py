"""Tables of given columns, in memory and on disk, as CSV and as Parquet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serve_runtime.features.column import Column
from train.recipe.recipe import Recipe
from train.tables.columns.decide import Decided
from train.tables.columns.plan import read_as_found
from train.tables.holdout import held_out
from train.tables.load import decide_from_files, load_tables
from train.tables.table_files import find_table_files


@dataclass
class Found:
    decided: Decided
    said: list[str]

    def __getitem__(self, name: str) -> Column:
        return next(c for c in self.decided.design.columns if c.name == name)

    def reason(self, name: str) -> str:
        names = [column.name for column in self.decided.design.columns]
        return self.decided.reasons[names.index(name)]


def from_disk(recipe: Recipe) -> Decided:
    """What is decided by reading some rows at a time."""
    files = find_table_files(recipe.data, recipe.data.file)
    column = files.labels()
    labels = column.encode(column.classes(recipe.data.positive, "labels"), "labels")
    out = np.zeros(len(labels), bool)
    if recipe.data.holdout and not isinstance(recipe.data.holdout, str):
        out = held_out(labels, recipe.data.holdout, recipe.model.seed)
    return read_as_found(
        files,
        recipe.data,
        recipe.columns,
        lambda reading: decide_from_files(recipe, files, reading, labels, (~out, out))[0],
    )


def alike(one: Decided, other: Decided) -> None:
    """Both decisions are the same, to the rounding of moments."""
    assert one.design.columns == other.design.columns
    assert one.reasons == other.reasons
    assert one.notes == other.notes
    assert np.allclose(one.design.imputed, other.design.imputed, equal_nan=True, rtol=1e-12)
    assert np.allclose(one.design.center, other.design.center, rtol=1e-6)


@pytest.fixture(params=["csv", "parquet"])
def ending(request) -> str:
    return request.param


@pytest.fixture
def write(tmp_path):
    """`write(frame, "parquet")` gives the path of a file of the frame."""

    def to_file(frame: pd.DataFrame, ending: str, name: str = "table") -> Path:
        path = tmp_path / f"{name}.{ending}"
        if ending == "parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
        return path

    return to_file


@pytest.fixture
def decide():
    """`decide(path, columns={…}, …)`: what is decided, the same in memory and from disk."""

    def load(path: Path, columns: dict | None = None, **data) -> Found:
        document = {"data": {"file": str(path), "target": "y", "holdout": 0, **data}}
        recipe = Recipe.from_dict(document | {"columns": columns or {}})
        said: list[str] = []
        found = load_tables(recipe, None, said.append)
        alike(found.decided, from_disk(recipe))
        return Found(found.decided, said)

    return load


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=60), "y": np.arange(60) % 2})
