"""What a column of weights may hold, and what is said where it holds something else."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serve_runtime.errors import ServeError
from train.dataset import choose
from train.recipe.recipe import Recipe
from train.run import train
from train.tables.weights import class_factors, counted_rows, scaled, weights_by_class


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=60), "w": np.ones(60).astype(object)})
    return table.assign(y=np.where(table.a + rng.normal(size=60) > 0, "yes", "no"))


@pytest.fixture(params=["memory", "disk"])
def fitted(request, tmp_path, monkeypatch):
    """Train on a frame; what is said, and the metrics."""

    def fit(table: pd.DataFrame, ending: str = "csv", holdout=0.0, **data):
        path, said = tmp_path / f"rows.{ending}", []
        (table.to_csv if ending == "csv" else table.to_parquet)(path, index=False)
        if request.param == "disk":
            monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
        data = {"file": str(path), "target": "y", "weights": "w", "memory": "64GB",
                "holdout": holdout, **data}  # fmt: skip
        optimizer = {"device": "cpu", "weight_decay": 0.1}
        recipe = Recipe.from_dict({"data": data, "optimizer": optimizer})
        return said, train(recipe, tmp_path / "run", force=True, say=said.append).metrics

    return fit


ODD = {
    "negative": (-1, r"data row 6: its weight in 'w' is -1; weights must be finite numbers, 0 or"),
    "missing": (None, "data row 6: its weight in 'w' is missing; .*: correct it, or give 0"),
    "infinite": (np.inf, "data row 6: its weight in 'w' is inf"),
    "not a number": ("nan", "data row 6: its weight in 'w' is missing"),
    "a text": ("abc", r"line 7: weights must be numbers; .*: 'w' \('abc' is no number\)"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_weight_that_no_row_can_have(what, fitted, frame):
    value, message = ODD[what]
    frame.loc[5, "w"] = value
    with pytest.raises(ServeError, match=message):
        fitted(frame)


WHOLE = {
    "zero": (lambda t: 0, "all weights in 'w' are 0, .*: give some a weight above 0"),
    "one class": (lambda t: (t.y == "yes") * 2, "all rows that are 'no' have the weight 0, so one"),
    "too large": (lambda t: 1e308, "add up to more than float64 holds: divide them by the same"),
    "times": (lambda t: pd.Timestamp("2020-01-01"), r"weights must be numbers; .* \(timestamp"),
    "texts": (lambda t: "many", r"weights must be numbers; .*: 'w' \("),
}


@pytest.mark.parametrize("what", WHOLE)
def test_weights_that_no_table_can_have(what, fitted, frame):
    make, message = WHOLE[what]
    with pytest.raises(ServeError, match=message):
        fitted(frame.assign(w=make(frame)), "parquet")


CHOICES = {
    "no such column": ({"weights": "W"}, r"no column 'W' of weights; .*; did you mean 'w'\?"),
    "the target": ({"weights": "y"}, "'y' is the target: the weights need another column"),
    "a feature": ({"features": ["a", "w"]}, r"data\.features names 'w', which holds the weights"),
    "dropped": ({"drop": ["w"]}, r"data\.drop names 'w', .*: leave it out of data\.drop, or do"),
}


@pytest.mark.parametrize("what", CHOICES)
def test_a_column_that_is_something_else(what, fitted, frame):
    data, message = CHOICES[what]
    with pytest.raises(ServeError, match=message):
        fitted(frame, **data)


def test_weights_need_a_file():
    data = {"points": {"x": [[1], [2]], "y": [0, 1]}, "weights": "w"}
    with pytest.raises(ServeError, match=r"names a column of a file; data\.points has none"):
        train(Recipe.from_dict({"data": data}), Path("run"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.5, 3], "rows count by 'w', from 0.5 to 3"),
        ([0, 2], "rows count by 'w', from 2 to 2; 30 rows of weight 0 are left out"),
        ([True, False], "rows count by 'w', from 1 to 1; 30 rows of weight 0 are left out"),
        ([1e-300, 1e300], "from 1e-300 to 1e+300; 30 rows of weight 0 are left out"),
    ],
)
def test_what_is_said_of_weights(values, told, fitted, frame):
    said, metrics = fitted(frame.assign(w=np.tile(values, 30)), "parquet", holdout=0.2)
    assert any(told in line for line in said)
    rows = 30 if "left out" in told else 60
    assert metrics["training"]["rows"] + metrics["holdout"]["rows"] == rows


def test_held_out_files_may_have_no_weights(fitted, frame, tmp_path):
    other, w = tmp_path / "other.csv", np.arange(60) % 3
    frame.drop(columns="w").to_csv(other, index=False)
    said, plain = fitted(frame.assign(w=w), holdout=str(other))
    assert f"note: {other} has no column of weights, so its rows count alike in its metrics" in said
    frame.assign(w=w).to_csv(other, index=False)
    said, weighted = fitted(frame.assign(w=w), holdout=str(other))
    assert not any("note" in line for line in said)
    assert (plain["holdout"]["rows"], weighted["holdout"]["rows"]) == (60, 40)
    assert weighted["holdout"] == pytest.approx(weighted["training"])
    assert plain["holdout"]["log_loss"] != pytest.approx(weighted["holdout"]["log_loss"])


@pytest.mark.parametrize("change", [{"w": 0}, {"w": -1}])
def test_held_out_weights_are_checked_too(change, fitted, frame, tmp_path):
    frame.assign(**change).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ServeError, match=re.escape(str(tmp_path / "other.csv")) + ": .*weight"):
        fitted(frame, holdout=str(tmp_path / "other.csv"))


def test_scaled_weights_are_one_on_average():
    weights = np.random.default_rng(0).exponential(size=1000) * 1e200
    assert scaled(weights).mean(dtype=np.float64) == pytest.approx(1, abs=1e-7)
    assert scaled(weights) / scaled(weights)[0] == pytest.approx(weights / weights[0], rel=1e-6)
    assert counted_rows(np.array([0, 1e-60, 1, 1e-30]), 4).tolist() == [2, 3]
    assert counted_rows(None, 3).tolist() == [0, 1, 2]


def test_factors_of_classes_are_one_on_average():
    labels, weights = np.array([0, 0, 0, 1], np.float32), np.array([1, 2, 0.5, 0.5], np.float32)
    for own in (None, weights):
        share = 0.25 if own is None else 0.125
        found = weights_by_class(own, labels, class_factors((2.0, 10.0), share))
        ratio = found / (1 if own is None else own)
        assert found.mean() == pytest.approx(1)
        assert ratio == pytest.approx(ratio[0] * np.array([1, 1, 1, 5]))
    assert weights_by_class(weights, labels, None) is weights
    assert weights_by_class(None, labels, None) is None
