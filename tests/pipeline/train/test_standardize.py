"""Standardisation is exact where data are hard, and folds into the weights without a trace."""

import operator
from functools import reduce

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serve_runtime.errors import ServeError
from train.errors import TrainError
from train.recipe.recipe import Recipe
from train.standardize import Moments, Scaling
from train.trained import Trained


def hard(rows: int = 5000) -> np.ndarray:
    """Features (d, n) float32 with means up to a million deviations away from 0."""
    rng = np.random.default_rng(11)
    means, scales = [1e6, -1e6, 0.0, 3.0, 1e-6, 1e20], [1.0, 1.0, 1e-20, 1e3, 1e-9, 1e17]
    columns = [m + s * rng.normal(size=rows) for m, s in zip(means, scales, strict=True)]
    return np.array(columns, np.float32)


def fitted(features: np.ndarray, blocks: int = 1) -> Scaling:
    parts = [Moments.of(block) for block in np.array_split(features, blocks, axis=1)]
    return Scaling.of(reduce(operator.add, parts))


@pytest.mark.parametrize("blocks", [2, 7, 5000])
def test_moments_of_blocks_are_as_exact_as_those_of_the_whole(blocks):
    features = hard()
    scaling, wide = fitted(features, blocks), features.astype(np.float64)
    # A mean of a million deviations has six digits fewer for them.
    np.testing.assert_allclose(scaling.mean, wide.mean(1), rtol=1e-13)
    np.testing.assert_allclose(scaling.scale, wide.std(1), rtol=1e-10)


def test_mean_and_deviation_are_those_of_float64():
    features = hard()
    scaling = fitted(features)
    wide = features.astype(np.float64)
    np.testing.assert_allclose(scaling.mean, wide.mean(1), rtol=1e-14)
    np.testing.assert_allclose(scaling.scale, wide.std(1), rtol=1e-12)


def test_standardised_features_have_mean_0_and_deviation_1():
    features = hard()
    result = fitted(features).apply(features)
    assert result.dtype == np.float32
    wide = features.astype(np.float64)
    expected = (wide - wide.mean(1, keepdims=True)) / wide.std(1, keepdims=True)
    # Rounded to float32 once: half a unit in the last place of values up to about 4.
    np.testing.assert_allclose(result, expected, rtol=2**-24, atol=1e-8)
    np.testing.assert_allclose(result.mean(1, dtype=np.float64), 0, atol=1e-7)
    np.testing.assert_allclose(result.std(1, dtype=np.float64), 1, rtol=1e-7)


def test_apply_leaves_its_input_alone():
    features = hard(10)
    before = features.copy()
    fitted(features).apply(features)
    assert np.array_equal(features, before)


@given(seed=st.integers(0, 2**31), width=st.integers(1, 20))
def test_folded_model_gives_the_logits_of_the_standardised_one(seed, width):
    rng = np.random.default_rng(seed)
    scaling = Scaling(rng.normal(size=width) * 100, np.exp(rng.normal(size=width) * 3))
    weight, bias = rng.normal(size=width).astype(np.float32), float(np.float32(rng.normal()))
    x = scaling.mean[:, None] + scaling.scale[:, None] * rng.normal(size=(width, 30))
    trained = Trained(weight, bias, scaling)
    folded, shifted = trained.raw_weight, trained.bias_at(np.zeros(width))
    before = weight @ ((x - scaling.mean[:, None]) / scaling.scale[:, None]) + bias
    after = folded @ x + shifted
    # Folding cancels w·mean/scale against itself: a few float64 roundings of what is cancelled.
    size = np.abs(folded) @ (np.abs(x) + np.abs(scaling.mean)[:, None]) + abs(bias)
    assert (np.abs(before - after) <= 4 * (width + 2) * 2.0**-53 * size).all()


def test_no_scaling_changes_nothing():
    scaling, features = Scaling.none(6), hard(20)
    weight = np.arange(6, dtype=np.float32)
    assert np.array_equal(scaling.apply(features), features)
    affine = Trained(weight, 0.5, scaling).affine()
    assert np.array_equal(affine.values, [*weight, 0.5])


@pytest.mark.parametrize("value", [0.0, -3.5, 1e30, 16777217.0])
def test_a_constant_feature_is_0_and_folds_to_weight_0(value):
    features = np.array([[value] * 7, [1, 2, 3, 4, 5, 6, 7]], np.float32)
    scaling = fitted(features)
    assert (scaling.apply(features)[0] == 0).all()
    affine = Trained(np.array([5, 2], np.float32), 1.0, scaling).affine()
    assert affine.weight[0] == 0
    assert affine.bias == np.float32(1.0 - 4.0 * 2.0 / 2.0)  # the deviation of 1 … 7 is 2


def points(x, y, standardize=True, epochs=30) -> Recipe:
    return Recipe.from_dict(
        {
            "data": {"points": {"x": x, "y": y}, "holdout": 0},
            "model": {"standardize": standardize, "seed": 3},
            "optimizer": {"lr": 0.5, "epochs": epochs, "device": "cpu"},
        }
    )


def test_trained_model_takes_raw_features(train_recipe, run_fit):
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.normal(50, 9, 80), rng.normal(-2, 0.1, 80)]).astype(np.float32)
    y = (x[:, 0] + 60 * x[:, 1] > -70).astype(int)
    trained = train_recipe(points(x.tolist(), y.tolist()))
    saved = torch.load(trained.folder / "checkpoint.pt", weights_only=True)["standardized"]
    z = (torch.from_numpy(x).double() - saved["mean"]) / saved["scale"]
    inner = z @ saved["0.weight"][0].double() + saved["0.bias"].double()
    weight, bias = (p[0].double() for p in trained.model.parameters())
    outer = torch.from_numpy(x).double() @ weight + bias
    # The folded weights are rounded to float32 once: half a unit of each product.
    bound = 2**-24 * (torch.from_numpy(x).double().abs() @ weight.abs() + bias.abs()) * 1.01
    assert ((inner - outer).abs() <= bound).all()
    assert float(((torch.sigmoid(outer) >= 0.5).numpy() == y).mean()) > 0.9


def test_constant_feature_is_warned_of_and_gets_weight_0(train_recipe):
    x = [[7.25, 1.0], [7.25, 2.0], [7.25, 3.0], [7.25, 4.0]]
    trained = train_recipe(points(x, [0, 0, 1, 1]))
    assert "warning: constant in the training rows: 'x1'; its weight becomes 0" in trained.said
    weight = trained.model[0].weight[0]
    assert weight[0] == 0
    assert weight[1] > 0


def test_a_constant_feature_left_as_it_is_acts_as_a_bias(train_recipe):
    x = [[1.0, 1.0], [1.0, 2.0]]
    trained = train_recipe(points(x, [0, 1], standardize=False))
    assert trained.said[0].endswith("'x1'; it acts as a second bias")


def test_no_warning_without_a_constant_feature(train_recipe):
    trained = train_recipe(points([[1.0], [2.0]], [0, 1]))
    assert trained.said == ["2 rows, 1 features, positive class 1, on cpu", "features: 'x1'"]


def test_validation_is_standardised_with_the_training_rows(train_recipe, tmp_path):
    (tmp_path / "train.csv").write_text("a,y\n1,0\n2,0\n3,1\n4,1\n")
    (tmp_path / "hold.csv").write_text("a,y\n101,1\n102,1\n103,0\n104,1\n")
    recipe = Recipe.from_dict(
        {
            "data": {"file": str(tmp_path / "train.csv"), "holdout": str(tmp_path / "hold.csv")},
            "optimizer": {"epochs": 200},
        }
    )
    trained = train_recipe(recipe)
    assert trained.metrics["holdout"]["accuracy"] == 0.75
    assert trained.history[-1]["validation_accuracy"] == 0.75


def test_weights_that_leave_float32_when_folded_are_an_error(train_recipe):
    steep = points([[0.0, 1], [2e-38, 0], [4e-38, 1]], [0, 1, 1], epochs=3000)
    with pytest.raises(TrainError, match="raw features leave float32, of 'x1': rescale"):
        train_recipe(steep)


@pytest.mark.parametrize(
    ("standardize", "value"), [(True, 1e38), (False, 3e38)], ids=["standardised", "raw"]
)
def test_holdout_rows_whose_scores_overflow_are_an_error(
    standardize, value, train_recipe, tmp_path
):
    (tmp_path / "train.csv").write_text("a,y\n0,0\n1e-3,1\n2e-3,0\n3e-3,1\n")
    (tmp_path / "hold.csv").write_text(f"a,y\n{value},0\n-{value},1\n")
    data = {"file": str(tmp_path / "train.csv"), "holdout": str(tmp_path / "hold.csv")}
    optimizer = {"lr": 1e3 if not standardize else 1.0, "epochs": 300}
    recipe = {"data": data, "model": {"standardize": standardize}, "optimizer": optimizer}
    with pytest.raises(ServeError, match=r"hold\.csv|hold-out"):
        train_recipe(Recipe.from_dict(recipe))


def test_undoing_gives_the_raw_features_to_rounding():
    rng = np.random.default_rng(0)
    raw = (rng.normal(size=(3, 500)) * [[1], [1e3], [0]] + [[0], [5e4], [7]]).astype(np.float32)
    scaling = Scaling.of(Moments.of(raw))
    standardised = scaling.apply(raw)
    back = scaling.undo(standardised)
    scale = np.where(np.isinf(scaling.scale), 0, scaling.scale)[:, None]
    lost = (np.abs(standardised) * scale + np.abs(raw)) * 2.0**-24
    assert (np.abs(back.astype(np.float64) - raw) <= lost).all()
    assert (back[2] == 7).all(), "a constant feature is its mean"
    none = Scaling.none(3)
    assert np.array_equal(none.undo(none.apply(raw)), raw)


def test_a_deviation_too_small_for_float64_is_no_numpy_warning():
    features = np.array([[1e-300, 2e-300, 4e-300]])
    assert not np.isfinite(fitted(features).apply(features)).any()


@pytest.mark.parametrize("blocks", [1, 4, 50])
def test_moments_are_of_the_values_that_are_there(blocks):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3, 200)) + 5
    features[1, :60] = np.nan  # a whole block of the smaller ones, too
    parts = [Moments.of(block) for block in np.array_split(features, blocks, axis=1)]
    found = reduce(operator.add, parts)
    assert found.count.tolist() == [200, 140, 200]
    np.testing.assert_allclose(found.mean, np.nanmean(features, axis=1), rtol=1e-14)
    np.testing.assert_allclose(found.deviation, np.nanstd(features, axis=1), rtol=1e-13)
    np.testing.assert_array_equal(found.low, np.nanmin(features, axis=1))


def test_moments_of_filled_values_need_no_second_pass():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(2, 100))
    features[0, ::3] = np.nan
    value = np.array([7.0, np.nan])
    filled = np.where(np.isnan(features), value[:, None], features)
    raw = Moments.of(features)
    found, expected = raw.repeated(value, 100 - raw.count), Moments.of(filled)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-14)
    np.testing.assert_allclose(found.deviation, expected.deviation, rtol=1e-14)
    np.testing.assert_array_equal([found.low, found.high], [expected.low, expected.high])
