"""Runs and bundles that reports are made of; each test that damages one copies it first."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from export.publish import export_bundle
from train.recipe.recipe import Recipe
from train.run import train

ODD = (
    '<script>alert("1")</script>',
    "\"><img src=x onerror=alert(2)>'",
    "\u202egnirts desrever",
    "bell\x07 and escape\x1b[31m",
    "{{ 7 * 7 }} {% raw %} & &amp;",
    "\u05e9\u05dc\u05d5\u05dd",
    "a name of many words " * 40,
)
"""Names that must be shown, and never executed."""


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Train on columns and leave a run; `settings` are sections of the recipe."""

    def make(rows: dict[str, Any], **settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("report")
        pa.csv.write_csv(pa.table(rows), folder / "rows.csv")
        data = {"file": str(folder / "rows.csv"), **settings.pop("data", {})}
        plain = {"penalty": {"l2": 0.1}, "columns": {"bend": "none"}}
        train(Recipe.from_dict({"data": data, **plain, **settings}), folder / "run")
        return folder / "run"

    return make


@pytest.fixture(scope="session")
def whole(train_recipe, named_recipe) -> Path:
    """The run of the breast-cancer recipe."""
    return Path(train_recipe(named_recipe("breast-cancer")).folder)


@pytest.fixture(scope="session")
def whole_bundle(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle, labelled positive from 0.3 on."""
    bundle = tmp_path_factory.mktemp("bundles") / "whole"
    export_bundle(whole, bundle, threshold=0.3)
    return bundle


@pytest.fixture
def bundle(whole_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def odd(make_run) -> Path:
    """A run whose columns, levels and classes have names that no page expects; folds chose."""
    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {name: rng.normal(size=400) for name in ODD}
    columns["</title><b>level</b>"] = rng.choice(np.array([n[:200] for n in ODD]), 400)
    score = columns[ODD[0]] + 2 * (columns["</title><b>level</b>"] == ODD[0])
    labels = np.where(score + rng.logistic(size=400) > 0, "<b>yes</b>", "n\u202eo")
    columns["y"] = labels
    data = {"target": "y", "positive": "<b>yes</b>"}
    return make_run(columns, data=data, penalty={"l2": "auto"}, columns={"bend": "auto"})
