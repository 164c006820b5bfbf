"""Trainings with weights of rows and of classes are scikit-learn's, and those of repeated rows."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from train.dataset import choose
from train.persistence import run_folder
from train.persistence.run_folder import read_metrics
from train.recipe.recipe import Recipe
from train.run import train

DECAY = 0.01
CLASSES = {"none": None, "balanced": "balanced", "told": {"ill": 0.5, "well": 3.0}}


def plain() -> pd.DataFrame:
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.iloc[:, [0, 1, 4, 8]].set_axis(list("abcd"), axis=1)
    table["y"] = np.where(bunch.target == 0, "ill", "well")
    return table.assign(w=np.random.default_rng(0).integers(0, 4, len(table)) * 1.7)


def mixed() -> pd.DataFrame:
    table, rng = plain(), np.random.default_rng(1)
    cut = pd.qcut(table.pop("b"), 5, labels=list("vwxyz")).astype(str)
    return table.assign(e=cut, f=rng.choice(["red", "green", "blue"], len(table)))


def fitted(table: pd.DataFrame, out: Path, *, say=lambda text: None, **sections) -> run_folder.Run:
    table.to_parquet(out.with_suffix(".parquet"))
    data = {"file": str(out.with_suffix(".parquet")), "target": "y", "holdout": 0.0,
            "memory": "64GB", **({"weights": "w"} if "w" in table else {}),
            **sections.pop("data", {})}  # fmt: skip
    optimizer = {"weight_decay": DECAY, "device": "cpu", **sections.pop("optimizer", {})}
    model = {"positive": "ill"}
    columns = {"bend": "none"}
    recipe = {"data": data | model, "columns": columns, "optimizer": optimizer, **sections}
    train(Recipe.from_dict(recipe), out, say=say)
    return run_folder.read(out)


@pytest.fixture(params=["memory", "disk"])
def where(request, monkeypatch):
    """Where rows are kept, of the tests that follow."""
    if request.param == "disk":
        monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    return request.param


def encoded(table: pd.DataFrame) -> np.ndarray:
    numbers = [name for name in "abcd" if name in table]
    texts = [name for name in "ef" if name in table]
    transform = ColumnTransformer([("n", StandardScaler(), numbers), ("t", OneHotEncoder(), texts)],
                                  sparse_threshold=0)  # fmt: skip
    return transform.fit_transform(table)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("make", [plain, mixed])
def test_weights_are_those_of_scikit_learn(make, classes, where, tmp_path):
    table, asked = make(), CLASSES[classes]
    model = {} if asked is None else {"model": {"class_weight": asked}}
    ours = fitted(table, tmp_path / "run", **model).trained.theta
    table = table[table.w > 0]
    x, ill, w = encoded(table), table.y == "ill", table.w.to_numpy()
    factors = asked or {"ill": 1, "well": 1}
    if asked == "balanced":
        factors = {name: w.sum() / (2 * w[table.y == name].sum()) for name in ("ill", "well")}
    # Our penalty stands beside a mean, whose weights are 1 on average, theirs beside a sum.
    total = (w * table.y.map(factors)).sum()
    theirs = LogisticRegression(C=1 / (DECAY * total), class_weight=asked and {
        place == "ill": factor for place, factor in factors.items()
    }, solver="newton-cholesky", tol=1e-12, max_iter=1000)  # fmt: skip
    if asked == "balanced":
        theirs.set_params(class_weight="balanced")
    theirs.fit(x, ill, sample_weight=w)
    expected = np.append(
        theirs.coef_[0], theirs.intercept_ - np.log(factors["ill"] / factors["well"])
    )
    np.testing.assert_allclose(ours, expected, rtol=5e-5, atol=5e-6 * np.abs(expected).max())
    found = read_metrics(tmp_path / "run")["metrics"]["training"]
    p = 1 / (1 + np.exp(-x @ expected[:-1] - expected[-1]))
    assert found["rows"] == len(table)
    assert found["log_loss"] == pytest.approx(log_loss(ill, p, sample_weight=w), rel=1e-4)
    assert found["auc"] == pytest.approx(roc_auc_score(ill, p, sample_weight=w), rel=1e-4)
    right = accuracy_score(ill, p >= 0.5, sample_weight=w)
    assert found["accuracy"] == pytest.approx(right, abs=1e-6)


def saved(run: Path) -> dict:
    return torch.load(run / run_folder.CHECKPOINT, weights_only=True)


@pytest.mark.parametrize("make", [plain, mixed])
def test_rows_on_disk_train_to_the_bits_of_memory(make, tmp_path, monkeypatch):
    settings = {"data": {"holdout": 0.3}, "model": {"class_weight": "balanced"}}
    fitted(make(), tmp_path / "memory", **settings)
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    fitted(make(), tmp_path / "disk", **settings)
    ours, theirs = saved(tmp_path / "disk"), saved(tmp_path / "memory")
    for part in ("standardized", "state_dict", "training"):
        assert str(ours[part]) == str(theirs[part])
    assert '"data_sha256"' in ours["card"]
    digests = [re.search(r'"data_sha256": ?"(\w+)"', each["card"]).group(1) for each in
               (ours, theirs)]  # fmt: skip
    assert digests[0] == digests[1]
    both = [read_metrics(tmp_path / name)["metrics"] for name in ("memory", "disk")]
    for part in ("training", "holdout"):
        assert both[0][part] == pytest.approx(both[1][part], rel=1e-5)


@pytest.mark.parametrize("make", [plain, mixed])
def test_a_row_of_weight_0_is_no_row(make, where, tmp_path):
    table, rng = make(), np.random.default_rng(2)
    table["w"] = rng.integers(0, 2, len(table))
    odd = table.w == 0
    kept = table[~odd].drop(columns="w")
    table.loc[odd, "a"] = 1e9  # neither means nor medians see them, nor levels
    if "f" in table:
        table.loc[odd, "f"] = "never"
    settings = {"data": {"holdout": 0.25}}
    ours = fitted(table, tmp_path / "ours", **settings)
    theirs = fitted(kept, tmp_path / "theirs", **settings)
    assert ours.trained.theta.tobytes() == theirs.trained.theta.tobytes()
    assert ours.card.columns == theirs.card.columns
    assert ours.card.weights_sha256 == theirs.card.weights_sha256


def test_an_unpenalised_fit_is_that_of_repeated_rows(tmp_path):
    table = mixed()
    table["w"] = np.random.default_rng(3).integers(1, 4, len(table))
    none = {"optimizer": {"weight_decay": 0.0}}
    ours = fitted(table, tmp_path / "ours", **none).trained
    every = table.loc[table.index.repeat(table.w)].drop(columns="w").reset_index(drop=True)
    theirs = fitted(every, tmp_path / "theirs", **none).trained
    np.testing.assert_allclose(ours.raw_weight, theirs.raw_weight, rtol=1e-4)
    found = [read_metrics(tmp_path / name) for name in ("ours", "theirs")]
    for one, other in zip(*(each["statistics"]["coefficients"] for each in found), strict=True):
        assert one["name"] == other["name"]
        for key in ("coefficient", "standard_error", "z"):
            assert one[key] == pytest.approx(other[key], rel=1e-5)
    both = [each["metrics"]["training"] for each in found]
    for key in ("accuracy", "auc", "log_loss"):
        assert both[0][key] == pytest.approx(both[1][key], rel=1e-5)


def test_probabilities_of_weighted_classes_may_stay(tmp_path):
    table, said = plain().drop(columns="w"), []
    weights = {"class_weight": {"ill": 20, "well": 1}}
    kept = fitted(table, tmp_path / "kept", model=weights, say=said.append).trained
    assert any("2.996, the log of their ratio, is taken from the intercept" in s for s in said)
    said.clear()
    raw = fitted(table, tmp_path / "raw", say=said.append,
                 model={**weights, "prior_correction": False}).trained  # fmt: skip
    assert any(line.endswith("probabilities are those of rows that count so") for line in said)
    assert not any("worse than always answering" in line for line in said)
    assert raw.bias - kept.bias == pytest.approx(np.log(20), rel=1e-6)
    assert raw.weight.tobytes() == kept.weight.tobytes()
    mean = [read_metrics(tmp_path / name)["metrics"]["training"] for name in ("kept", "raw")]
    assert mean[0]["log_loss"] < mean[1]["log_loss"]
    assert mean[0]["auc"] == pytest.approx(mean[1]["auc"], rel=1e-3)
    assert "train without --class-weight" in read_metrics(tmp_path / "raw")["statistics"]["none"]


def test_a_class_weight_of_no_class(tmp_path):
    with pytest.raises(ValueError, match=r"class_weight names 'maybe', and the classes are 'well'"):
        fitted(plain(), tmp_path / "run", model={"class_weight": {"maybe": 2}})


def test_only_weights_change_the_digest_of_rows(tmp_path):
    table, found = plain(), []
    table["w"] = 1.0 + (table.index % 2)
    for name, each in {
        "unweighted": table.drop(columns="w"),
        "weighted": table,
        "scaled": table.assign(w=table.w * 4),
        "other": table.assign(w=1.0 + (table.index % 3)),
    }.items():
        card = fitted(each, tmp_path / name, optimizer={"epochs": 2, "lr": 0.1}).card
        found.append(card.training["data_sha256"])
    assert found[1] == found[2]
    assert len(set(found)) == 3


@pytest.mark.parametrize("make", [plain, mixed])
def test_mini_batches_come_near_the_minimum(make, where, tmp_path):
    table = make()
    best = fitted(table, tmp_path / "best").trained
    settings = {"batch_size": 64, "epochs": 150}
    near = fitted(table, tmp_path / "near", optimizer=settings).trained
    apart = np.abs(near.theta - best.theta).max() / np.abs(best.theta).max()
    assert apart < 0.05
    plain_fit = fitted(table.drop(columns="w"), tmp_path / "plain").trained
    assert np.abs(plain_fit.theta - best.theta).max() > 2 * np.abs(near.theta - best.theta).max()


@pytest.mark.parametrize("classes", CLASSES)
def test_a_strength_is_chosen_with_the_weights(classes, where, tmp_path):
    # Noise of weight 1 drowns rows of weight 1000, unless weights count in the folds too.
    rng = np.random.default_rng(5)
    x = rng.normal(size=(900, 6))
    heavy = np.arange(900) % 3 == 0
    y = np.where(heavy, 2 * x[:, 0] + rng.logistic(size=900) > 0, rng.random(900) > 0.5)
    table = pd.DataFrame(x, columns=list("abcdgh")).assign(y=np.where(y, "ill", "well"))
    table["w"] = np.where(heavy, 1000.0, 1.0)
    asked = CLASSES[classes]
    model = {"model": {"class_weight": asked}} if asked else {}
    recipe = {"data": {"file": str(tmp_path / "t.parquet"), "target": "y", "positive": "ill",
                       "weights": "w", "holdout": 0.0, "memory": "64GB"},
              "optimizer": {"device": "cpu"}, **model}  # fmt: skip
    table.to_parquet(tmp_path / "t.parquet")
    train(Recipe.from_dict(recipe), tmp_path / "run")
    found = read_metrics(tmp_path / "run")
    figures, whole = found["selection"], found["metrics"]["training"]
    assert np.mean([fold["auc"] for fold in figures["folds"]]) > 0.85
    best = min(point["log_loss"] for point in figures["candidates"][0]["points"])
    assert best == pytest.approx(whole["log_loss"], rel=0.1)
