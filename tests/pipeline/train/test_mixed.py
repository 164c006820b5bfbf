"""Tables of numbers with gaps, texts and precise numbers are trained on as scikit-learn does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from serve_runtime.features.raw_rows import RawRows
from train.dataset import choose, on_disk
from train.dataset.layer import Layer
from train.errors import DataError
from train.persistence import checkpoints, run_folder
from train.recipe.recipe import Recipe
from train.run import train

DATA = Path(__file__).parents[4] / "shared" / "data"


def recipe(file: Path, holdout=0, **sections) -> Recipe:
    data = {"file": str(file), "holdout": holdout, "memory": "64GB", **sections.pop("data", {})}
    return Recipe.from_dict({"data": data, **sections})


def mixed(name: str) -> pd.DataFrame:
    """A set of scikit-learn's in which one column is cut into texts, and two have gaps."""
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    x, rng = bunch.data.iloc[:, :8].copy(), np.random.default_rng(0)
    x.columns = [f"c{i}" for i in range(x.shape[1])]
    cut = pd.qcut(x["c1"].rank(method="first"), 5, labels=list("vwxyz")).astype(object)
    cut[rng.random(len(x)) < 0.1] = None
    x["c1"] = cut
    x["shape"] = rng.choice(["round", "flat", "tall"], len(x))
    x.loc[rng.random(len(x)) < 0.2, "c2"] = np.nan
    x["y"] = np.where(bunch.target > np.median(bunch.target) - (name == "breast_cancer"), "yes",
                      "no")  # fmt: skip
    return x


def weights_of_scikit_learn(x: pd.DataFrame, y, numbers: list[str]) -> np.ndarray:
    """Those of standardised numbers, of indicators, and of levels: a missing one behind the others;
    C = 1."""
    texts = [name for name in x.columns if name not in numbers]
    x = x.assign(**{name: x[name].where(x[name].notna(), "\uffff") for name in texts})
    number = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    table = ColumnTransformer([("n", number, numbers), ("c", OneHotEncoder(), texts)])
    model = LogisticRegression(C=1, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(table.fit_transform(x), y)
    return np.append(model.coef_[0], model.intercept_)


def assert_four_digits(run: run_folder.Run, expected: np.ndarray) -> None:
    ours = run.trained.theta.astype(np.float64)
    np.testing.assert_allclose(ours, expected, rtol=5e-4, atol=5e-5 * np.abs(expected).max())


def said_of(
    frame: pd.DataFrame, folder: Path, on_disk_by: pytest.MonkeyPatch | None, c: float = 1.0
) -> list[str]:
    """What is said of a training on `frame` into folder / "run", on disk where that is given, with
    scikit-learn's penalty `c`."""
    frame.to_csv(folder / "rows.csv", index=False)
    if on_disk_by:
        on_disk_by.setattr(choose, "_needed", lambda files: 1 << 60)
        on_disk_by.setattr(on_disk, "_READING", 0)
    said: list[str] = []
    l2 = 1 / (c * len(frame))
    asked = recipe(folder / "rows.csv", penalty={"l2": l2}, columns={"bend": "none"})
    train(asked, folder / "run", say=said.append)
    return said


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
@pytest.mark.parametrize("disk", [False, True])
def test_weights_are_those_of_scikit_learn(name, disk, tmp_path, monkeypatch):
    frame = mixed(name)
    said = said_of(frame, tmp_path, monkeypatch if disk else None)
    run = run_folder.read(tmp_path / "run")
    assert any(line.startswith("converged") for line in said)
    x, numbers = frame.drop(columns="y"), [c.name for c in run.trained.design.numbers]
    assert_four_digits(run, weights_of_scikit_learn(x, frame["y"] == "yes", numbers))


def test_adult_as_it_is_has_the_weights_of_scikit_learn(tmp_path):
    file = DATA / "adult-train.csv"
    if not file.exists():
        pytest.skip(f"{file} is not there: it holds the Adult table")
    data = {"target": -1, "header": False, "positive": ">50K"}
    columns, penalty = {"bend": "none"}, {"l2": 1 / 32_561}
    train(recipe(file, data=data, columns=columns, penalty=penalty), tmp_path / "run")
    run = run_folder.read(tmp_path / "run")
    frame = pd.read_csv(file, header=None, skipinitialspace=True, na_values="?")
    frame.columns = [f"f{i}" for i in frame.columns]
    x, y = frame.iloc[:, :-1], frame.iloc[:, -1] == ">50K"
    numbers = [column.name for column in run.trained.design.numbers]
    assert len(run.trained.weight) == 108
    assert_four_digits(run, weights_of_scikit_learn(x, y, numbers))


@pytest.mark.parametrize("optimizer", [{}, {"batch_size": 64, "epochs": 3}])
def test_rows_on_disk_train_to_the_weights_of_memory(optimizer, tmp_path, monkeypatch):
    mixed("digits").to_csv(tmp_path / "rows.csv", index=False)
    asked = recipe(tmp_path / "rows.csv", 0.2, optimizer=optimizer)
    memory = train(asked, tmp_path / "memory")
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    monkeypatch.setattr(on_disk, "_READING", 0)
    disk = train(asked, tmp_path / "disk")
    for key in ("data_sha256", "rows", "holdout_rows"):
        assert disk.card.training[key] == memory.card.training[key]
    assert disk.card.columns == memory.card.columns
    ours, theirs = (run_folder.read(tmp_path / name) for name in ("disk", "memory"))
    assert isinstance(ours.sample, RawRows)
    np.testing.assert_array_equal(ours.sample.numbers, theirs.sample.numbers)
    assert ours.sample.texts == theirs.sample.texts
    if not optimizer:
        assert disk.card.weights_sha256 == memory.card.weights_sha256
    for part, metrics in memory.metrics.items():
        rel = 1e-5 if not optimizer else 0.2
        assert disk.metrics[part] == pytest.approx(metrics, rel=rel)


def test_levels_are_agreed_between_processes(tmp_path):
    # Rows are sorted, so that each process sees other levels than the other one.
    frame = pd.concat([mixed("digits").sort_values(["c1", "shape"])] * 4)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    command = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m",
               "train", "rows.csv", "--out", "two", "--device", "cpu"]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.fspath(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    train(recipe(tmp_path / "rows.csv", 0.2, optimizer={"device": "cpu"}), tmp_path / "one")
    one, two = (run_folder.read(tmp_path / name) for name in ("one", "two"))
    assert one.card.columns == two.card.columns
    np.testing.assert_allclose(one.trained.theta, two.trained.theta, rtol=1e-4, atol=1e-5)


class Killed(BaseException):
    """Ends a training where it stands, as a power cut would."""


@pytest.mark.parametrize("optimizer", [{}, {"batch_size": 64, "epochs": 3}])
def test_a_resumed_training_on_disk_leaves_the_same_bytes(optimizer, tmp_path, monkeypatch):
    mixed("digits").to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
    monkeypatch.setattr(on_disk, "_READING", 0)
    train(recipe(tmp_path / "rows.csv", 0.2, optimizer=optimizer), tmp_path / "whole")
    write = checkpoints.Checkpoints._write

    def die(self, fit) -> None:
        write(self, fit)
        raise Killed

    every = recipe(tmp_path / "rows.csv", 0.2, optimizer=optimizer, log={"checkpoint_every": 5})
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "_write", die)
        with pytest.raises(Killed):
            train(every, tmp_path / "run")
    said: list[str] = []
    asked = recipe(tmp_path / "rows.csv", 0.2, optimizer=optimizer)
    train(asked, tmp_path / "run", resume=True, say=said.append)
    assert "going on after update 5" in said
    files = [{p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("whole", "run")]
    assert files[0] == files[1]


@pytest.mark.parametrize("disk", [False, True])
def test_codes_out_of_range_are_refused_before_training(disk, tmp_path, monkeypatch):
    mixed("wine").to_csv(tmp_path / "rows.csv", index=False)
    if disk:
        monkeypatch.setattr(choose, "_needed", lambda files: 1 << 60)
        monkeypatch.setattr(on_disk, "_READING", 0)
    codes_of = Layer.codes

    def unknown(self, places, vocabularies):
        found = codes_of(self, places, vocabularies)
        found[-1][-1] = self.categories.sizes[-1]
        return found

    monkeypatch.setattr(Layer, "codes", unknown)
    with pytest.raises(DataError, match="levels that were not there when the columns were decided"):
        train(recipe(tmp_path / "rows.csv"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [(), ("--batch-size", "50"), ("--memory", "64GB")])
def test_a_level_of_one_class_is_told_by_the_command(options, command, table):
    lines = [f"{i % 7},{'abc'[i % 3]},{int(i % 3 == 2 or i * i % 5 > 1)}" for i in range(300)]
    file = table("\n".join(["size,town,y", *lines]) + "\n")
    result = command(file, "--holdout", "0", "--out", "run", "--l2", "0.00333", *options)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "note: all rows with 'town = c' are 1: without a penalty there would be no best" in said
    assert "with --l2 0.00333 it is" in said
    result = command(file, "--holdout", "0", "--out", "none", "--l2", "0", *options)
    said = " ".join(result.output.split())
    assert "the classes are separable, as all rows with 'town = c' are 1" in said
    assert "without a penalty" not in said


@pytest.mark.parametrize("unknown", ["average", "rare"])
def test_costs_of_rows_held_out_are_those_of_rows_served(unknown, tmp_path):
    frame = mixed("breast_cancer")
    frame["shape"] = [f"{t}{i}" if i % 4 == 0 else t for i, t in enumerate(frame["shape"])]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns, log = {"unknown": unknown, "min_rows": 5}, {"every": 1}
    result = train(recipe(tmp_path / "rows.csv", 0.3, columns=columns, log=log), tmp_path / "run")
    last = pd.read_csv(tmp_path / "run" / run_folder.HISTORY).iloc[-1]
    assert last["cost"] == pytest.approx(result.metrics["training"]["cost"], rel=1e-2)
    assert last["validation_cost"] == pytest.approx(result.metrics["holdout"]["cost"], rel=1e-2)


@pytest.mark.parametrize("disk", [False, True])
def test_a_gap_that_tells_the_class_is_named_with_its_column(disk, tmp_path, monkeypatch):
    frame = mixed("wine")[["c0", "c3", "y"]]
    frame["c0"] = frame["c0"].where(frame["y"] == "no")
    said = said_of(frame, tmp_path, monkeypatch if disk else None, np.inf)
    (line,) = [line for line in said if "separable" in line]
    assert "by 'c0 missing' alone" in line
    assert line.endswith("use --l2 auto, or --drop c0")


def test_no_penalty_is_one_that_is_said(tmp_path):
    mixed("wine").to_csv(tmp_path / "rows.csv", index=False)
    said: list[str] = []
    result = train(
        recipe(tmp_path / "rows.csv", optimizer={"weight_decay": 0.0, "loss": "mse", "epochs": 5}),
        tmp_path / "run",
        say=said.append,
    )
    assert not [line for line in said if "L2 penalty" in line]
    assert result.card.training["recipe"]["optimizer"]["weight_decay"] == 0


def test_the_layer_is_served_by_its_state_dict(tmp_path):
    mixed("breast_cancer").to_csv(tmp_path / "rows.csv", index=False)
    asked = recipe(tmp_path / "rows.csv", 0.2, columns={"bend": "none"})
    train(asked, tmp_path / "run")
    run = run_folder.read(tmp_path / "run")
    trained, sample = run.trained, run.sample
    assert isinstance(sample, RawRows)
    design, encoding, affine = trained.design, trained.encoding(), trained.affine()
    k = len(design.numbers)
    missing = np.isnan(sample.numbers)
    raw = np.where(missing, design.imputed[:, None], sample.numbers)
    raw[k - len(design.center) :] -= design.center[:, None]
    served = sample.numbers.copy()
    served[k - len(design.center) :] -= design.center[:, None]
    parts, codes = [raw, missing[list(design.indicators)]], []
    for column, ours, texts in zip(
        design.categories, design.trained_codes, sample.texts, strict=True
    ):
        by_text = column.code_by_text()
        found = np.array([column.missing_code if t is None else by_text.get(t, 0) for t in texts])
        codes.append(found)
        parts.append(found == ours[:, None])
    layer = torch.nn.Sequential(torch.nn.Linear(design.width, 1), torch.nn.Sigmoid())
    layer.load_state_dict(run.state_dict)
    features = np.concatenate(parts).T.astype(np.float32)
    logits = layer[0](torch.from_numpy(features)).detach().numpy()[:, 0]
    numbers = served.astype(np.float32)
    offset = encoding.offset(affine.bias, codes, numbers)
    expected = affine.weight @ encoding.filled(numbers) + offset
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)
