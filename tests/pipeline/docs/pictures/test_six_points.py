"""The boundary, the shades and the probabilities of six points."""

import pytest
from matplotlib.contour import QuadContourSet

from pipeline import published
from pipeline.docs.pictures.shown import axes_of, drawn, of_run, sigmoid, texts


def test_six_points_boundary_is_where_the_logit_is_0(picture, train_recipe, named_recipe):
    figures = published.load("six-points-sequential")
    theta = of_run(train_recipe(named_recipe("six-points-sequential")))
    drawing = picture("six-points")
    (axes,) = axes_of(drawing)
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        places = drawn(axes, f"line-{share}")
        assert sigmoid(places @ theta[:2] + theta[2]) == pytest.approx(share, abs=1e-5)
    start = [*figures["init"]["weight"][0], *figures["init"]["bias"]]
    assert drawn(axes, "line-start") @ start[:2] + start[2] == pytest.approx(0, abs=1e-6)
    said = {f"{p:.2%}" for p in figures["published_trained_probabilities"]}
    assert said <= set(texts(drawing.svg("p")))


def test_shades_change_where_the_probability_does(experiments, picture):
    (axes,) = axes_of(picture("six-points"))
    (shades,) = (c for c in axes.collections if isinstance(c, QuadContourSet))
    theta = experiments.training("six-points-sequential").end
    edges = shades.get_paths()[0].vertices  # of the lowest shade
    logit = edges @ theta[:2] + theta[2]
    assert logit.max() == pytest.approx(shades.levels[0], abs=1e-9)
    assert sigmoid(shades.levels[0]) == pytest.approx(0.001)
