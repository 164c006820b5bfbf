"""Numbers that become curves: chosen by folds, in memory and on disk, resumed, refused."""

import numpy as np
import pandas as pd
import pytest

from train.dataset import choose, on_disk
from train.errors import DataError, RecipeError
from train.persistence import checkpoints, run_folder
from train.recipe.recipe import Recipe
from train.recipe.toml_file import read_toml
from train.run import train


def table(rows: int = 900) -> pd.DataFrame:
    """A number whose ends are positive, one with gaps whose zeros are, one far from 0, one that
    tells by its size alone, a flag and a category."""
    rng = np.random.default_rng(5)
    round_, gain = (
        rng.normal(size=rows),
        np.where(rng.random(rows) < 0.5, 0, rng.integers(1, 90, rows)),
    )
    line, town = rng.normal(size=rows), rng.integers(0, 3, rows)
    logit = 3 * np.abs(round_) - 3 + 3 * (gain == 0) + line
    return pd.DataFrame(
        {
            "round": round_,
            "gain": np.where(rng.random(rows) < 0.1, np.nan, gain),
            "when": 1e9 + rng.integers(0, 999, rows),
            "line": line,
            "flag": rng.integers(0, 2, rows),
            "town": np.array(["a", "b", "c"])[town],
            "y": np.where(rng.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    )


def recipe(file, **sections) -> Recipe:
    data = {"file": str(file), "target": "y", "positive": "yes", "holdout": 0.2}
    return Recipe.from_dict({"data": data, **sections})


@pytest.fixture
def rows(tmp_path):
    table().to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def knots(run: run_folder.Run) -> dict[str, int]:
    return {column.name: len(column.knots) for column in run.card.columns if column.knots}


def test_what_folds_call_better_is_bent(rows, tmp_path):
    said: list[str] = []
    bent = train(recipe(rows), tmp_path / "bent", say=said.append)
    straight = train(recipe(rows, columns={"bend": "none"}), tmp_path / "straight")
    found = knots(run_folder.read(tmp_path / "bent"))
    assert {"round", "gain"} <= found.keys() < {"round", "gain", "when", "line"}
    assert not knots(run_folder.read(tmp_path / "straight"))
    assert bent.metrics["holdout"]["log_loss"] < 0.95 * straight.metrics["holdout"]["log_loss"]
    (line,) = [line for line in said if line.startswith("bent into curves, with so many knots: ")]
    assert "'round' (4" in line or "'round' (1" in line
    assert any(
        line.startswith("what else was tried, by its log loss: no bends 0.") for line in said
    )
    metrics = run_folder.read_metrics(tmp_path / "bent")
    assert metrics["selection"]["candidates"][0]["name"] == "no bends"
    assert "--bend none" in metrics["statistics"]["none"]
    assert metrics["importance"]["round"] > metrics["importance"]["flag"]
    assert bent.summary.weights["round"] > 0


def test_a_table_of_lines_stays_straight(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 2))
    y = rng.random(300) < 1 / (1 + np.exp(-x.sum(1)))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(y, "yes", "no")})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    said: list[str] = []
    train(recipe(tmp_path / "rows.csv"), tmp_path / "run", say=said.append)
    assert not knots(run_folder.read(tmp_path / "run"))
    assert "no number is bent: that is not clearly better on rows left out" in said


def test_rows_on_disk_bend_as_in_memory(rows, tmp_path, monkeypatch):
    asked = recipe(rows, columns={"bend": ["gain", "when"]})
    memory = train(asked, tmp_path / "memory")
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    monkeypatch.setattr(on_disk, "_READING", 0)
    disk = train(asked, tmp_path / "disk")
    assert disk.card.columns == memory.card.columns
    assert disk.card.weights_sha256 == memory.card.weights_sha256
    assert knots(run_folder.read(tmp_path / "disk")).keys() == {"gain", "when"}
    for part, metrics in memory.metrics.items():
        assert disk.metrics[part] == pytest.approx(metrics, rel=1e-5)


def test_what_is_served_is_what_was_trained(rows, tmp_path):
    result = train(recipe(rows, log={"every": 1}), tmp_path / "run")
    last = pd.read_csv(tmp_path / "run" / run_folder.HISTORY).iloc[-1]
    for part, name in (("training", "cost"), ("holdout", "validation_cost")):
        assert last[name] == pytest.approx(result.metrics[part]["cost"], rel=1e-2)


def test_the_recipe_of_a_run_gives_the_same_run(rows, tmp_path):
    train(recipe(rows, model={"calibrate": "platt"}, threshold="f1"), tmp_path / "run")
    train(Recipe.from_dict(read_toml(tmp_path / "run" / run_folder.RECIPE)), tmp_path / "again")
    assert knots(run_folder.read(tmp_path / "run"))
    for file in sorted((tmp_path / "run").iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_calibration_scales_curves_as_it_scales_weights(rows, tmp_path):
    asked = {"columns": {"bend": ["round"]}, "penalty": {"l2": 1e-4}}
    plain = train(recipe(rows, **asked), tmp_path / "plain")
    mended = train(recipe(rows, **asked, model={"calibrate": "platt"}), tmp_path / "mended")
    step = run_folder.read_metrics(tmp_path / "mended")["calibration"]["step"]
    assert abs(step["slope"] - 1) > 1e-3
    for name, weight in plain.summary.weights.items():
        assert mended.summary.weights[name] == pytest.approx(step["slope"] * weight, rel=1e-5)


class Killed(BaseException):
    """Ends a training where it stands."""


def test_a_resumed_training_keeps_its_knots(rows, tmp_path, monkeypatch):
    asked = recipe(rows, log={"checkpoint_every": 2})
    train(asked, tmp_path / "whole")
    write = checkpoints.Checkpoints._write

    def die(self, fit) -> None:
        write(self, fit)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "_write", die)
        with pytest.raises(Killed):
            train(asked, tmp_path / "run")
    monkeypatch.setattr("train.bends.candidates.SIZES", ())
    train(asked, tmp_path / "run", resume=True)
    whole, resumed = (tmp_path / name / run_folder.CHECKPOINT for name in ("whole", "run"))
    assert whole.read_bytes() == resumed.read_bytes()


@pytest.mark.parametrize(
    ("bend", "problem"),
    [
        (["town"], "'town', which is a category"),
        (["rownd"], "columns.bend names 'rownd'.*did you mean 'round'"),
        (["flag"], "nothing to bend"),
        (["y"], "names the target 'y'"),
    ],
)
def test_columns_that_cannot_be_bent(rows, tmp_path, bend, problem):
    with pytest.raises(DataError, match=problem):
        train(recipe(rows, columns={"bend": bend}), tmp_path / "run")


@pytest.mark.parametrize(
    "sections",
    [
        {"optimizer": {"loss": "mse"}},
        {"optimizer": {"lr": 0.5}},
        {"model": {"standardize": False}},
    ],
)
@pytest.mark.parametrize("bend", ["auto", ["round"]])
def test_bends_need_what_chooses_them(sections, bend):
    assert recipe("rows.csv", **sections).bend == "none"
    with pytest.raises(RecipeError, match=r"columns.bend = .* needs optimizer.lr = .auto."):
        recipe("rows.csv", columns={"bend": bend}, **sections)


def test_bends_are_the_default_where_there_is_a_penalty():
    assert recipe("rows.csv").bend == "auto"
    assert recipe("rows.csv", penalty={"l2": 0.5}).bend == "auto"
    assert recipe("rows.csv", penalty={"l2": 0.0}).bend == "none"
    assert recipe("rows.csv", optimizer={"weight_decay": 0.0}).bend == "none"
    assert recipe("rows.csv", penalty={"l2": 0.0}, columns={"bend": ["a"]}).bend == ["a"]


@pytest.mark.parametrize("bend", ["all", [], [1]])
def test_a_bend_that_says_nothing_is_refused(bend):
    with pytest.raises(RecipeError, match=r"columns\.bend must be auto, none, or column names"):
        recipe("rows.csv", columns={"bend": bend})
