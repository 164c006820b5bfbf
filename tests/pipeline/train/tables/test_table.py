"""Tables without a file: points in the recipe, a simulation, scikit-learn's built-in sets."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from train.errors import DataError
from train.recipe.keys import Data
from train.tables.table import load_table

LINE = {"n": 500, "low": -2.0, "high": 3.0, "w0": 0.5, "w1": 2.0}


def test_points():
    found = load_table(Data(points={"x": [[1, 2.5], [3, 4], [5, 6]], "y": ["no", "yes", "no"]}), 0)
    assert found.features.tolist() == [[1, 3, 5], [2.5, 4, 6]]
    assert found.features.flags.c_contiguous
    assert found.labels.tolist() == [0, 1, 0]
    assert found.feature_names == ("x1", "x2")
    assert found.classes.labels == ("no", "yes")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[1, 2], [3]], [0, 1], "must be rows of numbers and labels: "),
        ([["a"], ["b"]], [0, 1], "must be rows of numbers and labels: .*'a'"),
        ([[1], [2]], 1, "must be rows of numbers and labels: "),
        ([1, 2], [0, 1], r"got x with shape \(2,\) and 2 labels"),
        ([[1], [2], [3]], [0, 1], r"got x with shape \(3, 1\) and 2 labels"),
        ([], [], r"got x with shape \(0,\) and 0 labels"),
        ([[1, 2], [3, 1e39]], [0, 1], "data row 2, column 'x2' is inf as float32"),
        ([[1], [2]], [1, 1], r"must hold two classes; found 1 \(2 rows\)"),
    ],
)
def test_points_that_are_no_table(x, y, message):
    with pytest.raises(DataError, match=rf"^data\.points.*{message}"):
        load_table(Data(points={"x": x, "y": y}), 0)


def test_simulation_follows_its_curve():
    found = load_table(Data(simulate=LINE), 7)
    x = found.features[0]
    assert np.array_equal(x, np.linspace(-2, 3, 500))
    assert found.feature_names == ("x",)
    chance = 1 / (1 + np.exp(-(0.5 + 2 * x.astype(np.float64))))
    for part in (x < -0.5, (x >= -0.5) & (x < 0.5), x >= 0.5):
        deviation = np.sqrt((chance * (1 - chance))[part].sum())
        assert abs((found.labels - chance)[part].sum()) < 3 * deviation


def test_simulation_is_decided_by_the_seed():
    assert (
        load_table(Data(simulate=LINE), 7).digest() == load_table(Data(simulate=LINE), 7).digest()
    )
    assert (
        load_table(Data(simulate=LINE), 7).digest() != load_table(Data(simulate=LINE), 8).digest()
    )


def test_steep_simulation_is_a_step_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_table(Data(simulate=LINE | {"w0": 0, "w1": 1e6}), 1)
    assert np.array_equal(found.labels, found.features[0] > 0)


def test_builtin_set_is_scikit_learns():
    found, original = (
        load_table(Data(builtin="breast_cancer", positive="malignant"), 0),
        load_breast_cancer(),
    )
    assert np.array_equal(found.features.T, original.data)
    assert np.array_equal(found.labels, original.target == 0)
    assert found.feature_names == tuple(original.feature_names)
    assert found.classes.labels == ("benign", "malignant")


def test_builtin_set_needs_its_positive_class():
    with pytest.raises(DataError, match="which label is the positive one, 'benign' or 'malignant'"):
        load_table(Data(builtin="breast_cancer"), 0)


@pytest.mark.parametrize(("name", "classes"), [("iris", "'setosa' "), ("wine", "'class_1' ")])
def test_builtin_set_of_three_classes_is_refused(name, classes):
    with pytest.raises(DataError, match=f"^{name}: the target must hold two classes; .*{classes}"):
        load_table(Data(builtin=name), 0)


def test_unknown_builtin_set_lists_those_that_are_there():
    with pytest.raises(DataError, match="no built-in data set 'titanic'; there are 'breast_cancer"):
        load_table(Data(builtin="titanic"), 0)


def test_no_source_is_an_error():
    with pytest.raises(DataError, match=r"no data: give a file, or a recipe with data\.file"):
        load_table(Data(), 0)


@pytest.mark.parametrize(
    "options", [{"target": "y"}, {"drop": ["x1"]}, {"features": ["x1"]}], ids=str
)
@pytest.mark.parametrize(
    "source", [{"points": {"x": [[1, 2], [3, 4]], "y": [0, 1]}}, {"simulate": LINE}], ids=str
)
def test_a_choice_of_columns_is_never_ignored(options, source):
    everything = load_table(Data(**source), 0).feature_names
    try:
        chosen = load_table(Data(**source, **options), 0).feature_names
    except DataError:
        return
    assert chosen != everything
