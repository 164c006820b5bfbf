"""Against statsmodels, which has no idea of standardisation, chunks or codes."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from click.testing import CliRunner
from sklearn.datasets import load_breast_cancer, load_iris

from benchmarks.harness.random_run import random_run
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION
from train.persistence.run_folder import read_metrics
from train.recipe.recipe import Recipe
from train.run import train
from train.statistics.command import lines, main

NAMES = {"Intercept": "(Intercept)"}


def spector():
    table = sm.datasets.spector.load_pandas().data
    return table.rename(columns={"GRADE": "y"}), "GPA + TUCE + PSI"


def affairs():
    table = sm.datasets.fair.load_pandas().data
    table["y"] = (table.pop("affairs") > 0).astype(int)
    return table, " + ".join(table.columns.drop("y"))


def flowers():
    data = load_iris(as_frame=True)
    table = data.data[data.target > 0].set_axis(["sl", "sw", "pl", "pw"], axis=1)
    return table.assign(y=data.target[data.target > 0] - 1), "sl + sw + pl + pw"


def tumours():
    data = load_breast_cancer(as_frame=True)
    table = data.data[["mean radius", "mean texture", "smoothness error"]]
    return table.set_axis(["a", "b", "c"], axis=1).assign(y=data.target), "a + b + c"


def mixed(count=3000):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.normal(45, 12, count),
            "income": rng.lognormal(10, 1, count),
            "city": rng.choice(["Rome", "Oslo", "Bern"], count),
            "year": rng.integers(1990, 2020, count),
        }
    )
    logit = 0.03 * (table.age - 45) + 0.7 * (table.city == "Rome") - 0.02 * (table.year - 2000) - 1
    table["y"] = (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(int)
    return table, "age + income + year + city"


def fitted(table, folder, **optimizer):
    table.to_parquet(folder / "table.parquet")
    weights = {"weights": "times"} if "times" in table else {}
    recipe = Recipe.from_dict(
        {
            "data": {
                "file": str(folder / "table.parquet"),
                "target": "y",
                "holdout": 0.0,
                **weights,
            },
            "columns": {"bend": "none"},
            "optimizer": {"weight_decay": 0.0, "device": "cpu", **optimizer},
        }
    )
    train(recipe, folder / "run")
    return read_metrics(folder / "run")


@pytest.mark.parametrize("make", [spector, affairs, flowers, tumours, mixed])
def test_statsmodels_finds_the_same(make, tmp_path):
    table, formula = make()
    found = fitted(table, tmp_path)["statistics"]
    theirs = smf.logit(f"y ~ {formula}", table).fit(disp=0, method="newton", tol=1e-10, maxiter=99)
    ours = {each["name"]: each for each in found["coefficients"]}
    names = [NAMES.get(name, re.sub(r"\[T\.(.*)\]", r"\1", name)) for name in theirs.params.index]
    assert sorted(ours) == sorted(names)
    low, high = theirs.conf_int().to_numpy().T
    for key, expected, shown in (
        ("coefficient", theirs.params, float), ("standard_error", theirs.bse, float),
        ("z", theirs.tvalues, float), ("odds_ratio", theirs.params, math.log),
        ("odds_ratio_low", low, math.log), ("odds_ratio_high", high, math.log),
    ):  # fmt: skip
        values = [shown(ours[name][key]) for name in names]
        np.testing.assert_allclose(values, expected, rtol=1e-6, err_msg=key)
    for name, z, p in zip(names, theirs.tvalues, theirs.pvalues, strict=True):
        # A change of z by a part of itself changes p by z² such parts.
        assert math.isclose(ours[name]["p"], p, rel_tol=1e-6 * max(1, z * z), abs_tol=1e-300)
    for key, expected in {
        "log_likelihood": theirs.llf, "deviance": -2 * theirs.llf, "rows": len(table),
        "null_deviance": -2 * theirs.llnull, "aic": theirs.aic, "mcfadden_r2": theirs.prsquared,
    }.items():  # fmt: skip
        assert math.isclose(found[key], expected, rel_tol=1e-6), key
    for each in found["coefficients"]:
        if each["name"] in table:
            deviation = table[each["name"]].std(ddof=0)
            assert math.isclose(
                each["per_deviation"], each["coefficient"] * deviation, rel_tol=1e-6
            )


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("make", [spector, affairs, flowers, tumours, mixed])
def test_weights_are_frequencies_as_in_statsmodels(make, whole, tmp_path):
    table, formula = make()
    rng = np.random.default_rng(4)
    table["times"] = rng.integers(1 - whole, 5, len(table)) * (1 if whole else rng.random())
    found = fitted(table, tmp_path)["statistics"]
    seen = table[table.times > 0]
    theirs = smf.glm(
        f"y ~ {formula}", seen, family=sm.families.Binomial(), freq_weights=seen.times.to_numpy()
    ).fit(tol=1e-12, tol_criterion="params", maxiter=99)
    ours = {each["name"]: each for each in found["coefficients"]}
    names = [NAMES.get(name, re.sub(r"\[T\.(.*)\]", r"\1", name)) for name in theirs.params.index]
    assert sorted(ours) == sorted(names)
    # Standardised numbers are float32: a coefficient of next to nothing has fewer digits.
    little = 1e-7 * theirs.bse.to_numpy()
    for key, expected, least in (
        ("coefficient", theirs.params, little), ("standard_error", theirs.bse, 0),
        ("z", theirs.tvalues, 1e-7),
    ):  # fmt: skip
        apart = np.abs([ours[name][key] for name in names] - expected)
        assert (apart <= 1e-6 * np.abs(expected) + least).all(), key
    for key, expected in {
        "log_likelihood": theirs.llf, "deviance": theirs.deviance, "aic": theirs.aic,
        "null_deviance": theirs.null_deviance, "rows": len(seen),
        "mcfadden_r2": 1 - theirs.llf / theirs.llnull, "sum_of_weights": seen.times.sum(),
    }.items():  # fmt: skip
        assert math.isclose(found[key], expected, rel_tol=1e-6), key
    printed = CliRunner().invoke(main, [str(tmp_path / "run")]).output
    assert f"weights of rows are frequencies: {seen.times.sum():.10g} in all" in printed


def test_gaps_have_an_indicator_of_their_own(tmp_path):
    table, _ = mixed()
    table.loc[::7, "age"] = np.nan
    table.loc[::5, "city"] = None
    found = {each["name"]: each for each in fitted(table, tmp_path)["statistics"]["coefficients"]}
    gaps = table.age.isna()
    table = table.assign(age=table.age.fillna(table.age.median()), gap=gaps.astype(int))
    table["city"] = table.city.fillna("~")
    theirs = smf.logit("y ~ age + gap + income + year + city", table).fit(disp=0, tol=1e-10)
    for ours, name in (("age missing", "gap"), ("citymissing", "city[T.~]"), ("age", "age")):
        pair = found[ours]["coefficient"], found[ours]["standard_error"]
        np.testing.assert_allclose(pair, (theirs.params[name], theirs.bse[name]), rtol=1e-6)


@pytest.mark.parametrize("optimizer", [{"standardize": False}, {"lr": 0.5, "epochs": 4000}])
def test_however_the_minimum_was_reached(optimizer, tmp_path):
    table, formula = tumours()
    y, table = table.pop("y"), (table - table.mean()) / table.std()
    table["y"] = y
    model = {"model": {"standardize": False}} if optimizer.pop("standardize", None) is False else {}
    table.to_parquet(tmp_path / "t.parquet")
    recipe = {
        "data": {"file": str(tmp_path / "t.parquet"), "target": "y", "holdout": 0.0},
        "optimizer": {"weight_decay": 0.0, "device": "cpu", **optimizer}, **model,
    }  # fmt: skip
    train(Recipe.from_dict(recipe), tmp_path / "run")
    theirs = smf.logit(f"y ~ {formula}", table).fit(disp=0, tol=1e-10)
    found = read_metrics(tmp_path / "run")["statistics"]["coefficients"]
    errors = {each["name"]: each["standard_error"] for each in found}
    for name in ("a", "b", "c"):
        assert math.isclose(errors[name], theirs.bse[name], rel_tol=1e-6)


def separable():
    table, _ = tumours()
    return table.assign(d=table.y * 2.0 + 1)


def repeated():
    table, _ = tumours()
    return table.assign(d=2 * table.a + 3 * table.b)


def constant():
    table, _ = tumours()
    return table.assign(d=4.0)


WITHOUT = {
    "a penalty": (lambda: tumours()[0], {"weight_decay": 0.1}, "train with --unpenalised"),
    "another cost": (lambda: tumours()[0], {"loss": "mse"}, "train with --loss bce"),
    "too few updates": (lambda: tumours()[0], {"lr": 0.1, "epochs": 3}, "has not come to the min"),
    "separable classes": (separable, {}, "the classes are separable"),
    "dependent columns": (repeated, {}, "'a', 'b', 'd' cannot be told apart from other columns"),
    "a constant": (constant, {}, "'d' cannot be told apart from other columns, or never change"),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_why_there_are_none(what, tmp_path):
    make, optimizer, reason = WITHOUT[what]
    figures = fitted(make(), tmp_path, **optimizer)
    assert reason in figures["statistics"]["none"]
    result = CliRunner().invoke(main, [str(tmp_path / "run")])
    assert result.exit_code == 0
    assert figures["statistics"]["none"] in result.output
    assert "mean |contribution|" in result.output


def test_the_command_prints_each_coefficient(tmp_path):
    found = fitted(mixed()[0], tmp_path)["statistics"]
    result = CliRunner().invoke(main, [str(tmp_path / "run")])
    assert result.exit_code == 0
    assert all(len(line) <= 79 for line in result.output.splitlines())
    lines = [line.split() for line in result.output.splitlines()]
    for each in found["coefficients"]:
        assert any(line[:2] == [each["name"], f"{each['coefficient']:.6g}"] for line in lines)
    assert "AIC" in result.output


def test_what_moves_the_logit_both_ways_has_no_sign():
    figures = {
        "statistics": {"none": "why"},
        WEIGHTS_PER_DEVIATION: {"age": 0.5, "city": 2.0},
        "importance": {"age": 0.4, "city": 1.5},
    }
    *_, city, age = lines(figures, {"city"})
    assert (city.split(), age.split()) == (
        ["city", "1.5000", "2.0000"],
        ["age", "0.4000", "+0.5000"],
    )


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    assert "is not a run" in result.output


def test_a_run_without_statistics_is_an_error(tmp_path):
    random_run(tmp_path / "run", 3, seed=1)
    result = CliRunner().invoke(main, [str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "which left no statistics: train again" in result.output
