"""The points, the true curve and the trained ones."""

import numpy as np
import pytest

from docs.pictures.bernoulli_curve import SIDES
from pipeline.docs.pictures.shown import axes_of, drawn, of_run, sigmoid


@pytest.mark.parametrize(("side", "recipe"), [*enumerate(SIDES)])
def test_the_last_curve_is_the_trained_model(side, recipe, picture, train_recipe, named_recipe):
    weight, bias = of_run(train_recipe(named_recipe(recipe)))
    axes = axes_of(picture("bernoulli-curve"))[side]
    x, y = drawn(axes, "curve-10000").T
    assert y == pytest.approx(sigmoid(weight * x + bias), abs=1e-6)
    x, y = drawn(axes, "true").T
    assert y == pytest.approx(sigmoid(5 * x - 1), abs=1e-12)


def test_cross_entropy_is_nearer_to_the_true_curve(picture):
    distance = []
    for axes in axes_of(picture("bernoulli-curve")):
        gap = drawn(axes, "curve-10000")[:, 1] - drawn(axes, "true")[:, 1]
        distance.append(abs(gap).max())
    assert distance[0] < distance[1] / 2


def test_all_points_are_drawn_at_their_places(experiments, picture):
    (features,), labels = experiments.training("bernoulli-curve").data
    for axes in axes_of(picture("bernoulli-curve")):
        for label in (0, 1):
            (dots,) = (patch for patch in axes.patches if patch.get_label() == f"points-{label}")
            x, y = dots.get_path().vertices[::2].T
            assert np.array_equal(x, features[labels == label])
            assert abs(y - label).max() <= 0.04
