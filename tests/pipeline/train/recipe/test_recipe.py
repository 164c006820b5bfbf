"""The recipe file: defaults, checks of every key, overrides, and its way back to TOML."""

import dataclasses
import tomllib

import pytest

from train.errors import RecipeError
from train.recipe.column_keys import ColumnKeys, Columns
from train.recipe.key_declaration import keys_of
from train.recipe.keys import Data, Log, Optimizer
from train.recipe.model_keys import Model, class_weights
from train.recipe.penalty_keys import Penalty
from train.recipe.recipe import SECTIONS, Recipe
from train.recipe.toml_file import read_toml

FULL = """
[data]
file = "rows/table.csv"
target = -1
positive = "yes"
header = false
names = ["f0", "f1", "f2"]
weights = "f1"
features = ["f0", "f2"]
drop = ["f2"]
memory = "1.5GiB"
holdout = "more/hold.csv"
separator = ";"
decimal = ","
thousands = "."
quote = "'"
trim = true
encoding = "cp1252"
missing = ["?", "none"]
[columns]
category = ["f0"]
number = ["f2"]
max_levels = 9
min_rows = 2
missing = "mean"
unknown = "rare"
bend = "none"
[columns.f0]
missing = "level"
unknown = "error"
max_levels = 7
min_rows = 3
[model]
init = {weight = [[0.1, -2.5e-30]], bias = [3]}
standardize = false
class_weight = {yes = 2.5, no = 1}
prior_correction = false
calibrate = "none"
seed = 4294967295
[penalty]
l2 = 1e-4
l1 = 0
[optimizer]
loss = "mse"
lr = 0.1
epochs = 7
batch_size = 3
momentum = 0.9
nesterov = true
tolerance = 1e-5
patience = 4
schedule = {name = "StepLR", step_size = 2}
device = "cpu"
[log]
every = 2
checkpoint_every = 50
"""


def recipe(text: str) -> Recipe:
    return Recipe.from_dict(tomllib.loads(text))


def test_an_empty_recipe_has_the_documented_defaults():
    assert Recipe.from_dict({}) == Recipe(
        Data(header=True, holdout=0.2, drop=[]),
        Columns(category=[], number=[], max_levels=32_000, min_rows=1, unknown="average"),
        Model(init="default", standardize=True, seed=1),
        Penalty(l2=None, l1=None, folds=None),
        Optimizer(
            loss="bce",
            lr="auto",
            schedule=None,
            epochs=1001,
            batch_size=0,
            momentum=None,
            nesterov=False,
            tolerance=None,
            patience=0,
            weight_decay=None,
            device="auto",
        ),
        Log(every=100),
    )


def test_every_key_is_read():
    found = recipe(FULL)
    assert found.to_dict() == tomllib.loads(FULL)
    given = {(s, key) for s, values in tomllib.loads(FULL).items() for key in values}
    keys = {(name, f.name) for name, kind in SECTIONS.items() for f in dataclasses.fields(kind)}
    others = {("data", "points"), ("data", "simulate"), ("data", "builtin"), ("columns", "own")}
    others |= {("optimizer", "weight_decay"), ("penalty", "folds")}  # exclude l2, and mse
    assert keys - given == others


@pytest.mark.parametrize(
    "text",
    [
        "",
        FULL,
        '[data]\nbuiltin = "iris"\npositive = true',
        "[data]\npoints = {x = [[1, 2.5], [3, 4]], y = [-1, 1]}",
        "[data]\nsimulate = {n = 10, low = -1.0, high = 1, w0 = 0, w1 = 1e-7}\nholdout = 0.25",
        "[data]\ntarget = 'it\"s \\ é'\npositive = 0.1",
    ],
    ids=["empty", "full", "builtin", "points", "simulate", "odd text"],
)
def test_a_recipe_survives_its_way_through_a_file(text, tmp_path):
    path, written = tmp_path / "recipe.toml", recipe(text)
    path.write_text(written.to_toml(), encoding="utf-8")
    assert Recipe.from_dict(read_toml(path)) == written


def test_every_recipe_of_the_project_is_valid(repository):
    paths = sorted((repository / "recipes").glob("*.toml"))
    assert len(paths) == 10
    for path in paths:
        assert Recipe.from_dict(read_toml(path)).log.every <= 1000, path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[dat]\nfile = 'a'",
            r"^no section \[dat\] in a recipe; there are data, columns, model, pen",
        ),
        (
            "lr = 1.0",
            r"^no section \[lr\] in a recipe; there are data, columns, model, penalty, opt",
        ),
        ("data = 5", r"\[data\]"),
        ("[model]\ninitial = 'zeros'", r"^no key 'initial' in \[model\]; there are init, standard"),
        ("[data]\npath = 'a'", r"^no key 'path' in \[data\]; there are file, points, simulate, bu"),
        (
            "[data]\nfile = 'a.csv'\nbuiltin = 'iris'",
            r"^\[data\] needs one source; got file, builtin$",
        ),
        ("[optimizer]\nmomentum = 'auto'\nbatch_size = 5", "needs full batches: batch_size = 0$"),
        (
            "[optimizer]\ntolerance = 'auto'\nloss = 'mse'",
            '^optimizer.tolerance = "auto" needs optimizer.loss = "bce"$',
        ),
        (
            "threshold = 'f1'\n[optimizer]\nloss = 'mse'",
            '^a threshold that is chosen needs optimizer.loss = "bce"',
        ),
        (
            "[model]\ncalibrate = 'platt'\n[optimizer]\nloss = 'mse'",
            '^model.calibrate = "platt" needs optimizer.loss = "bce"',
        ),
        ("[data]\nholdout = 0\n[optimizer]\npatience = 5", "^optimizer.patience needs data.hold"),
        (
            "[optimizer]\nlr = 1\nnesterov = true",
            "^optimizer.nesterov needs optimizer.momentum above 0$",
        ),
    ],
)
def test_sections_and_keys_that_do_not_exist_or_agree(text, message):
    with pytest.raises(RecipeError, match=message):
        recipe(text)


@pytest.mark.parametrize(
    ("key", "values", "wanted"),
    [
        ("data.file", ["''", "1"], "a path"),
        ("data.points", ["[[1]]", "{x = [[1]]}", "{x = [], y = [], z = []}"], r"\{x = "),
        (
            "data.simulate",
            [
                "{n = 10}",
                "{n = 1, low = 0, high = 1, w0 = 0, w1 = 1}",
                "{n = 10, low = 1, high = 1, w0 = 0, w1 = 1}",
                "{n = 10, low = 0, high = 1, w0 = '0', w1 = 1}",
                "{n = 10.5, low = 0, high = 1, w0 = 0, w1 = 1}",
                "{n = 10, low = -inf, high = 1, w0 = 0, w1 = 1}",
                "{n = 10, low = 0, high = 1, w0 = nan, w1 = 1}",
            ],
            r"\{n, low, high, w0, w1\}, .*n >= 2, low < high",
        ),
        ("data.builtin", ["''", "3"], "the name of a scikit-learn data set"),
        ("data.target", ["1.5", "true", "['y']"], "a column's name or position"),
        ("data.positive", ["[1]", "{}"], "a label"),
        ("data.header", ["1", "'yes'"], "true or false"),
        ("data.weights", ["''", "1", "['w']"], "a column's name"),
        ("data.features", ["[]", "[1]", "'a'"], "column names"),
        ("data.drop", ["[1]", "'a'"], "column names"),
        ("data.memory", ["1", "'x'", "'0'", "'8XB'", "'-1GB'"], "a size such as"),
        ("data.holdout", ["1", "-0.1", "nan", "''", "true"], "a fraction from 0 to less than 1, o"),
        (
            "model.init",
            ["'ones'", "0", "{weight = [[1]]}", "{weight = [[1]], bias = [0], c = 1}"],
            "default, zeros, or ",
        ),
        ("model.standardize", ["0", "'no'"], "true or false"),
        (
            "model.class_weight",
            [
                "'auto'",
                "3",
                "{}",
                "{yes = 0}",
                "{yes = -1}",
                "{yes = 'x'}",
                "{yes = true}",
                "{yes = nan}",
                "{yes = 1, no = 1e10}",
            ],
            '"balanced", or {label = number, …} with numbers from 10⁻⁹ to 10⁹',
        ),
        ("model.prior_correction", ["0", "'no'"], "true or false"),
        ("model.seed", ["-1", "4294967296", "1.0", "true"], "a whole number from 0 to 2³² - 1"),
        ("optimizer.loss", ["'hinge'", "1"], "bce or mse"),
        (
            "optimizer.lr",
            ["0", "-1", "nan", "inf", "1e39", "true", "'fast'"],
            "auto, or a number above 0",
        ),
        ("optimizer.epochs", ["0", "1.5", "true"], "a whole number from 1 to 10⁹"),
        ("optimizer.batch_size", ["-1", "2.0"], "a whole number, 0 for all rows"),
        (
            "optimizer.momentum",
            ["-0.1", "1", "nan", "'fast'"],
            "auto, or a number from 0 to less than 1",
        ),
        ("optimizer.nesterov", ["1"], "true or false"),
        ("optimizer.tolerance", ["-1", "nan", "'x'"], "auto, or a number, 0 or more"),
        ("optimizer.patience", ["-1", "1.5"], "a whole number, 0 for never"),
        (
            "optimizer.schedule",
            ["1", "{}", "{name = 'OneCycleLR'}"],
            "{name = …, …} with one of the names",
        ),
        ("optimizer.weight_decay", ["-1e-9", "inf", "nan", "1e39"], "a number, 0 or more"),
        ("optimizer.device", ["'gpu'", "0"], "auto, cpu or cuda"),
        ("log.checkpoint_every", ["-1", "2.5"], "a whole number, 0 for never"),
        ("log.every", ["0", "-5", "0.5"], "a whole number, 1 or more"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(key, values, wanted):
    section, _, name = key.partition(".")
    for value in values:
        with pytest.raises(RecipeError, match=f"^{key} must be {wanted}.*; got "):
            recipe(f"[{section}]\n{name} = {value}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("balanced", "balanced"),
        ("yes=20,no=0.5", {"yes": 20.0, "no": 0.5}),
        ("a=b=3", {"a=b": 3.0}),
        ("1=2", {"1": 2.0}),
        ("yes", "yes"),
        ("yes=much", "yes=much"),
    ],
)
def test_class_weights_of_an_option(text, value):
    assert class_weights(text) == value


def test_without_paths_files_are_named_but_not_located():
    found = recipe(FULL).without_paths()
    assert (found.data.file, found.data.holdout) == ("table.csv", "hold.csv")
    named = dataclasses.replace(found.data, file="rows/table.csv", holdout="more/hold.csv")
    assert dataclasses.replace(found, data=named) == recipe(FULL)


def test_without_paths_leaves_a_fraction_alone():
    assert recipe("[data]\nholdout = 0.25").without_paths() == recipe("[data]\nholdout = 0.25")


@pytest.mark.parametrize("name", list(keys_of(Columns)))
def test_columns_may_be_called_like_keys(name):
    own = {"missing": "error", "min_rows": 2}
    recipe = Recipe.from_dict({"columns": {name: own}})
    assert recipe.columns == Columns(own={name: ColumnKeys(missing="error", min_rows=2)})
    assert Recipe.from_dict(tomllib.loads(recipe.to_toml())) == recipe
    with pytest.raises(RecipeError, match=rf"no key 'levels' in \[columns\.{name}\]"):
        Recipe.from_dict({"columns": {name: {"levels": 2}}})
