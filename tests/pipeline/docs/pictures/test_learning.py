"""The animation ends where training does, and moves on the scale of its axes."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from docs.pictures.learning import FRAMES
from pipeline.docs.pictures.shown import SVG, sigmoid


def test_the_animation_ends_with_the_trained_curves(picture):
    root = ElementTree.fromstring(picture("learning").svg("learning"))
    (style,) = root.iter(f"{SVG}style")
    assert "prefers-reduced-motion:reduce){.moving{display:none}" in style.text
    still = [part for part in root if part.get("class") == "still"]
    moving = [part for part in root if part.get("class") == "moving"]
    tags = ("text", "path", "circle", "path", "circle")
    assert [part.tag for part in still] == [f"{SVG}{tag}" for tag in tags]
    assert still[0].text == "10,000 updates"
    for part, resting in zip(moving[1:], still[1:], strict=True):
        for animation in part:
            values = animation.get("values").split(";")
            assert len(values) == len(FRAMES) + 1 == len(animation.get("keyTimes").split(";"))
            assert values[-1] == values[-2] == resting.get(animation.get("attributeName"))


def test_the_animation_is_drawn_on_the_scale_of_its_axes(experiments, picture):
    root = ElementTree.fromstring(picture("learning").svg("learning"))
    true = next(path for path in root.iter(f"{SVG}path") if path.get("stroke-dasharray"))
    x, y = np.array(re.findall(r"-?[\d.]+", true.get("d")), float).reshape(-1, 2).T
    ends = [part for part in root if part.tag == f"{SVG}path" and part.get("class") == "still"]
    bce, mse = (np.array(re.findall(r"-?[\d.]+", part.get("d")), float).reshape(-1, 2)
                for part in ends)  # fmt: skip
    height = -np.ptp(y) / np.ptp(sigmoid(5 * np.array([-1, 1]) - 1))
    for places, recipe in ((bce, "bernoulli-curve"), (mse, "bernoulli-curve-mse")):
        weight, bias = experiments.training(recipe).end
        curve = sigmoid(weight * np.linspace(-1, 1, len(places)) + bias)
        assert places[:, 0] == pytest.approx(np.linspace(x[0], x[-1], len(places)), abs=0.06)
        below = y[0] + height * (curve - sigmoid(-6.0))
        assert places[:, 1] == pytest.approx(below, abs=0.1)
