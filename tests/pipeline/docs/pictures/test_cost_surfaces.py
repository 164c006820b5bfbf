"""The landscapes are the costs, and the paths are those of trainings."""

import numpy as np
import pytest
from matplotlib.contour import QuadContourSet
from sklearn.metrics import brier_score_loss, log_loss

from docs.pictures.bernoulli_curve import SIDES
from docs.pictures.cost_surfaces import STARTS, TRUE
from pipeline.docs.pictures.shown import axes_of, drawn, sigmoid


@pytest.mark.parametrize(
    ("recipe", "judge"), [("bernoulli-curve", log_loss), ("bernoulli-curve-mse", brier_score_loss)]
)
def test_a_landscape_is_the_cost_that_others_compute(recipe, judge, experiments):
    training = experiments.training(recipe)
    (x,), labels = training.data
    for theta in (TRUE, *map(np.array, STARTS.values())):
        other = judge(labels, sigmoid(theta[0] * x.astype(float) + theta[1]))
        assert training.costs(theta[None])[0] == pytest.approx(other, rel=1e-9)


@pytest.fixture(scope="module")
def drawings(picture):
    """The axes: both landscapes, and then both sections."""
    return axes_of(picture("cost-surfaces"))


@pytest.mark.parametrize(("side", "recipe"), [*enumerate(SIDES)])
def test_contours_are_where_the_cost_is_their_level(side, recipe, experiments, drawings):
    lines = [drawn for drawn in drawings[side].collections if isinstance(drawn, QuadContourSet)][1]
    paths = [(level, path) for level, path in zip(lines.levels, lines.get_paths(), strict=True)
             if len(path.vertices)]  # fmt: skip
    assert len(paths) >= 10
    for level, path in paths:
        costs = experiments.training(recipe).costs(path.vertices)
        assert costs == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize(("side", "recipe"), [*enumerate(SIDES)])
def test_paths_run_from_their_starts_to_their_ends(side, recipe, experiments, drawings):
    axes = drawings[side]
    for name, start in STARTS.items():
        path = drawn(axes, f"path-{name}")
        end = experiments.from_start(recipe, *start).end
        assert path[0] == pytest.approx(start)
        assert path[-1] == pytest.approx(end)
        assert drawn(axes, f"end-{name}")[0] == pytest.approx(end)


def test_the_surfaces_are_as_the_page_says(experiments, drawings):
    ends = {recipe: {name: experiments.from_start(recipe, *start).end
                     for name, start in STARTS.items()} for recipe in SIDES}  # fmt: skip
    best = experiments.training("bernoulli-curve").end
    for end in ends["bernoulli-curve"].values():
        assert abs(end - best).max() < 0.2
    held = ends["bernoulli-curve-mse"]
    assert abs(held["A"] - STARTS["A"]).max() <= 0.0105
    x = np.linspace(-1, 1)
    assert sigmoid(held["B"][0] * x + held["B"][1]).min() > 0.8
    assert sigmoid(held["C"][0] * x + held["C"][1]).max() < 0.2
    sections = drawings[2:]
    bends = [np.diff(drawn(axes, "cost")[:, 1], 2) for axes in sections]
    assert (bends[0] > 0).all()
    assert (bends[1] < 0).any()
