"""Tables of many rows and few positive ones, from the file to the run: in memory, on disk, shared
by processes, with weights of rows and of classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.train.gradients.forked import run_forked
from train.dataset import choose, on_disk
from train.persistence import run_folder
from train.recipe.recipe import Recipe
from train.run import Result, train
from train.selection import sample

ROWS, MOST = 20_000, 2_000


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """No more than a tenth of the rows are looked at."""
    monkeypatch.setattr(sample, "MOST_ROWS", MOST)


def ends(folder: Path) -> Path:
    """A table whose 20 positive rows are those with the largest squares of a number."""
    x = np.random.default_rng(3).normal(size=(ROWS, 3))
    label = np.zeros(ROWS, int)
    label[np.argsort(-np.square(x[:, 0]))[:20]] = 1
    pd.DataFrame(x, columns=list("abc")).assign(y=label).to_parquet(folder / "ends.parquet")
    return folder / "ends.parquet"


def noisy(folder: Path, share: float = 0.01) -> Path:
    """A table with overlapping classes, and weights."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(ROWS, 3))
    logit = 1.5 * x[:, 0] + x[:, 1] + rng.logistic(size=ROWS)
    label = logit > np.quantile(logit, 1 - share)
    frame = pd.DataFrame(x, columns=list("abc")).assign(y=label.astype(int))
    frame.assign(w=rng.integers(0, 4, ROWS)).to_parquet(folder / "noisy.parquet")
    return folder / "noisy.parquet"


def trained(file: Path, out: Path, **sections) -> Result:
    data = {"file": str(file), "target": "y", "holdout": 0.2, **sections.pop("data", {})}
    return train(Recipe.from_dict({"data": data, **sections}), out)


def selection(run: Path) -> dict:
    return run_folder.read_metrics(run)["selection"]


def on_disk_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    monkeypatch.setattr(on_disk, "_READING", 0)


def test_a_curve_of_a_few_rows_is_found(tmp_path):
    found = trained(ends(tmp_path), tmp_path / "run")
    assert found.metrics["holdout"]["auc"] > 0.999
    assert found.metrics["holdout"]["log_loss"] < 0.2 * 0.0079  # that of the share alone
    assert {column.name for column in found.card.columns if column.knots} >= {"a"}
    assert selection(tmp_path / "run")["rows"] == MOST


def test_a_class_may_be_rare_by_weight_alone(tmp_path):
    """Half of the rows are positive, but all of them but 40 weigh next to nothing."""
    rng = np.random.default_rng(8)
    x, label = rng.normal(size=(ROWS, 2)), rng.integers(0, 2, ROWS)
    far = np.argsort(-np.abs(x[:, 0]))[:40]
    label[far] = 1
    weight = np.where(label, 1e-7, 1.0)
    weight[far] = 1
    frame = pd.DataFrame(x, columns=list("ab")).assign(y=label, w=weight)
    frame.to_parquet(tmp_path / "rows.parquet")
    found = trained(tmp_path / "rows.parquet", tmp_path / "run", data={"weights": "w"})
    assert found.metrics["holdout"]["auc"] > 0.99
    assert {column.name for column in found.card.columns if column.knots} >= {"a"}


def test_rows_on_disk_are_those_of_memory(tmp_path, monkeypatch):
    memory = trained(noisy(tmp_path), tmp_path / "memory", data={"weights": "w"})
    on_disk_by(monkeypatch)
    disk = trained(noisy(tmp_path), tmp_path / "disk", data={"weights": "w"})
    assert selection(tmp_path / "disk") == selection(tmp_path / "memory")
    assert disk.card.columns == memory.card.columns
    assert disk.card.weights_sha256 == memory.card.weights_sha256


@pytest.mark.parametrize("weights", [{}, {"weights": "w"}])
@pytest.mark.parametrize("classes", [{}, {"class_weight": "balanced"}])
def test_figures_out_of_fold_are_those_of_the_data(weights, classes, tmp_path):
    """The share of positive rows is an eighth of that among the rows drawn."""
    asked = {"threshold": "f1", "model": classes, "data": weights}
    found = trained(noisy(tmp_path, 0.05), tmp_path / "run", **asked)
    metrics = run_folder.read_metrics(tmp_path / "run")
    chosen = selection(tmp_path / "run")
    best = min(point["log_loss"] for point in chosen["candidates"][chosen["taken"]]["points"])
    assert best == pytest.approx(found.metrics["training"]["log_loss"], rel=0.1)
    assert np.mean([fold["auc"] for fold in chosen["folds"]]) == pytest.approx(
        found.metrics["training"]["auc"], abs=0.02
    )
    out_of_fold, holdout = (metrics["threshold"][part] for part in ("out_of_fold", "holdout"))
    for figure in ("labelled", "precision", "recall"):
        assert out_of_fold[figure] == pytest.approx(holdout[figure], rel=0.35)
    assert metrics["calibration"]["holdout"]["slope"] == pytest.approx(1, abs=0.25)


def test_the_strength_is_that_of_all_rows(tmp_path, monkeypatch):
    """Rows drawn tell less only by those of the frequent class that are left out."""
    asked = {"columns": {"bend": "none"}, "data": {"holdout": 0}}
    few = trained(noisy(tmp_path), tmp_path / "few", **asked)
    monkeypatch.setattr(sample, "MOST_ROWS", ROWS)
    every = trained(noisy(tmp_path), tmp_path / "every", **asked)
    strengths = [each.card.training["penalty"]["l2"] for each in (few, every)]
    assert 0.3 < strengths[0] / strengths[1] < 3.3


def test_processes_take_the_choice_of_one(tmp_path):
    file = ends(tmp_path)
    trained(file, tmp_path / "one", data={"holdout": 0.1})
    options = ("--target", "y", "--holdout", "0.1", "--out", str(tmp_path / "two"))
    code, _, complained = run_forked(2, tmp_path, str(file), *options, most_rows=MOST)
    assert code == 0, complained
    assert selection(tmp_path / "one") == selection(tmp_path / "two")
    assert selection(tmp_path / "one")["rows"] == MOST
