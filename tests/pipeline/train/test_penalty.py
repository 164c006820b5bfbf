"""Penalties from the recipe to the run folder: as they are said, and as folds choose them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from tests.pipeline.train.test_mixed import mixed
from train.dataset import choose as datasets_by_size
from train.dataset import on_disk
from train.errors import RecipeError, StoppedError
from train.persistence import checkpoints, run_folder
from train.recipe.recipe import Recipe
from train.recipe.toml_file import read_toml
from train.run import train
from train.selection import choose
from train.selection.folds import fold_of_rows


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features and labels of a set of scikit-learn's; class 1 is the positive one."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (x - x.mean(0)) / x.std(0), (y == 1).astype(float)


def of(name: str, folder: Path, **penalty) -> Recipe:
    """A recipe for that set, from a file in the folder."""
    x, y = arrays(name)
    frame = pd.DataFrame(x).add_prefix("c").assign(y=y.astype(int))
    frame.to_csv(folder / "rows.csv", index=False)
    data = {"file": str(folder / "rows.csv"), "holdout": 0}
    columns = {"bend": "none"}
    return Recipe.from_dict({"data": data, "penalty": penalty, "columns": columns})


def of_layer(run: Path) -> np.ndarray:
    return run_folder.read(run).trained.theta


def assert_four_digits(found: np.ndarray, expected: np.ndarray) -> None:
    smallest = 1e-3 * np.abs(expected).max()
    off = np.abs(found - expected) / np.maximum(np.abs(expected), smallest)
    assert off.max() < 1e-4


@pytest.mark.parametrize(("c", "share"), [(0.5, 0.0), (0.5, 1.0), (2.0, 0.3)])
def test_weights_are_those_of_scikit_learn(c, share, tmp_path):
    x, y = arrays("wine")
    l1, l2 = share / (c * len(x)), (1 - share) / (c * len(x))
    said: list[str] = []
    train(of("wine", tmp_path, l2=l2, l1=l1), tmp_path / "run", say=said.append)
    solver = "saga" if l1 else "newton-cholesky"
    model = LogisticRegression(C=c, l1_ratio=share, solver=solver, tol=1e-8, max_iter=100_000)
    model.fit(x, y)
    expected = np.append(model.coef_[0], model.intercept_)
    theta = of_layer(tmp_path / "run")
    assert_four_digits(theta, expected)
    assert any(line.startswith("converged") for line in said)
    if l1:
        assert np.array_equal(theta[:-1] == 0, expected[:-1] == 0)
        kept = np.count_nonzero(expected[:-1])
        assert f"the L1 penalty leaves {kept} of 13 weights; the others are 0" in said


@pytest.mark.parametrize("disk", [False, True])
def test_an_l1_penalty_with_levels(disk, tmp_path, monkeypatch):
    frame = mixed("wine").dropna().drop(columns=["c3", "c4", "c5", "c6", "c7"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    if disk:
        monkeypatch.setattr(datasets_by_size, "_needed", lambda files: 1 << 60)
        monkeypatch.setattr(on_disk, "_READING", 0)
    data = {"file": str(tmp_path / "rows.csv"), "holdout": 0, "memory": "64GB"}
    l1 = 1 / len(frame)
    sections = {"penalty": {"l1": l1}, "columns": {"bend": "none"}}
    train(Recipe.from_dict({"data": data, **sections}), tmp_path / "run")
    design = run_folder.read(tmp_path / "run").trained.design
    names = [column.name for column in design.numbers]
    numbers = frame[names].to_numpy()
    parts = [(numbers - numbers.mean(0)) / numbers.std(0)]
    for column in design.categories:
        parts.append(frame[column.name].to_numpy()[:, None] == np.array(column.levels)[None])
    x = np.concatenate(parts, axis=1).astype(float)
    model = LogisticRegression(C=1, l1_ratio=1, solver="saga", tol=1e-9, max_iter=100_000)
    model.fit(x, frame["y"] == "yes")
    assert_four_digits(of_layer(tmp_path / "run"), np.append(model.coef_[0], model.intercept_))


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_the_strength_is_that_of_scikit_learn_to_one_step(name, tmp_path):
    train(of(name, tmp_path), tmp_path / "run")
    selection = figures(tmp_path / "run")["selection"]
    x, y = arrays(name)
    fold = fold_of_rows(y.astype(np.float32), 5, 1)
    parts = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(5)]
    model = LogisticRegressionCV(
        Cs=10, cv=parts, scoring="neg_log_loss", max_iter=5000, l1_ratios=(0,),
        use_legacy_attributes=False,
    ).fit(x, y)  # fmt: skip
    points = selection["candidates"][0]["points"]
    best = min(points, key=lambda point: point["log_loss"])
    step = 10 ** (8 / 9)
    assert 1 / step <= best["c"] / float(model.C_) <= step * (1 + 1e-9)


def figures(run: Path) -> dict:
    return json.loads((run / run_folder.METRICS).read_text())


def test_what_was_chosen_is_told_and_kept(tmp_path):
    said: list[str] = []
    train(of("wine", tmp_path), tmp_path / "run", say=said.append)
    (line,) = [line for line in said if line.startswith("penalty: l2 = ")]
    assert "in scikit-learn), chosen by 5 folds of 178 rows: log loss " in line
    assert ", ten times stronger " in line
    assert ", ten times weaker " in line
    (line,) = [line for line in said if line.startswith("over the folds: AUC ")]
    selection = figures(tmp_path / "run")["selection"]
    assert f"{np.mean([fold['auc'] for fold in selection['folds']]):.4f}" in line
    points = selection["candidates"][0]["points"]
    best = min(points, key=lambda point: point["log_loss"])
    assert len(selection["folds"]) == 5
    assert selection["rows"] == 178
    written = Recipe.from_dict(read_toml(tmp_path / "run" / run_folder.RECIPE))
    assert written.penalty.l2 == "auto"
    assert selection["l2"] == pytest.approx(1 / (178 * best["c"]))
    card = run_folder.read(tmp_path / "run").card
    assert card.training["penalty"] == {"l2": selection["l2"], "l1": 0.0}


def test_folds_measure_a_penalty_that_is_said(tmp_path):
    said: list[str] = []
    train(of("wine", tmp_path, l2=0.01, folds=4), tmp_path / "run", say=said.append)
    (line,) = [line for line in said if line.startswith("penalty: l2 = 0.01 (C = 0.562 in ")]
    assert ", measured by 4 folds of 178 rows: log loss " in line
    assert len(figures(tmp_path / "run")["selection"]["folds"]) == 4
    train(of("wine", tmp_path, l2=0.01), tmp_path / "without")
    assert "selection" not in figures(tmp_path / "without")
    assert np.array_equal(of_layer(tmp_path / "run"), of_layer(tmp_path / "without"))


def table(rare: int, rows: int = 60) -> pd.DataFrame:
    x = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"x": x, "y": (np.arange(rows) < rare).astype(int)})


@pytest.mark.parametrize(
    ("rare", "expected"),
    [
        (1, "no folds, as the rarer class has a single row to train on: l2 = 0.0167 (C = 1 in "),
        (3, "3 folds in place of 5: the rarer class has 3 rows to train on"),
    ],
)
def test_a_rare_class_allows_fewer_folds(rare, expected, tmp_path):
    table(rare).to_csv(tmp_path / "rows.csv", index=False)
    said: list[str] = []
    recipe = Recipe.from_dict({"data": {"file": str(tmp_path / "rows.csv"), "holdout": 0}})
    train(recipe, tmp_path / "run", say=said.append)
    assert any(expected in line for line in said)


@pytest.mark.parametrize(
    ("penalty", "optimizer", "wanted"),
    [
        ({"l2": -1}, {}, "penalty.l2 must be auto, or a number, 0 or more"),
        ({"l1": -0.1}, {}, "penalty.l1 must be a number, 0 or more"),
        ({"folds": 1}, {}, "penalty.folds must be a whole number from 2"),
        ({"l2": 1}, {"weight_decay": 1}, "penalty.l2 and optimizer.weight_decay exclude"),
        ({"l1": 1}, {"weight_decay": 0}, "penalty.l1 and optimizer.weight_decay exclude"),
        ({"l2": "auto"}, {"loss": "mse"}, 'penalty.l2 = "auto" needs optimizer.loss = "bce"'),
        ({"l1": 1}, {"loss": "mse"}, 'penalty.l1 needs optimizer.loss = "bce"'),
        ({"l1": 1}, {"lr": 0.1}, 'penalty.l1 needs optimizer.lr = "auto"; got lr = 0.1'),
        ({"l1": 1}, {"batch_size": 8}, "penalty.l1 needs optimizer.batch_size = 0; got"),
        ({"l1": 1}, {"patience": 8}, "penalty.l1 needs optimizer.patience = 0"),
    ],
)
def test_penalties_that_are_refused(penalty, optimizer, wanted):
    with pytest.raises(RecipeError) as refused:
        Recipe.from_dict({"penalty": penalty, "optimizer": optimizer})
    assert wanted in str(refused.value)


def test_the_choice_on_disk_is_that_in_memory(tmp_path, monkeypatch):
    frame = mixed("breast_cancer")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    data = {"file": str(tmp_path / "rows.csv"), "memory": "64GB"}
    found = []
    for out in ("memory", "disk"):
        train(Recipe.from_dict({"data": data}), tmp_path / out)
        found.append(figures(tmp_path / out)["selection"])
        monkeypatch.setattr(datasets_by_size, "_needed", lambda files: 1 << 60)
        monkeypatch.setattr(on_disk, "_READING", 0)
    losses = [[p["log_loss"] for p in each["candidates"][0]["points"]] for each in found]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_a_resumed_training_chooses_nothing_again(tmp_path, monkeypatch):
    recipe = of("breast_cancer", tmp_path)
    train(recipe, tmp_path / "whole")

    def keep(self, fit):
        self._write(fit)
        raise StoppedError("stopped", 143)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "_after_update", keep)
        with pytest.raises(StoppedError):
            train(recipe, tmp_path / "run")
    monkeypatch.setattr(choose, "choose", lambda *_: pytest.fail("it was chosen again"))
    train(recipe, tmp_path / "run", resume=True)
    assert np.array_equal(of_layer(tmp_path / "run"), of_layer(tmp_path / "whole"))
    assert figures(tmp_path / "run")["selection"] == figures(tmp_path / "whole")["selection"]


@pytest.mark.parametrize("other", ["--l1", "--l2", "--weight-decay"])
def test_unpenalised_excludes_a_penalty(other, command, table):
    file = table("x,y\n1,0\n2,1\n3,0\n4,1\n")
    result = command(file, "--unpenalised", other, "0.1")
    assert result.exit_code == 2
    assert f"--unpenalised and {other} exclude each other" in result.stderr
