"""The answers at 1 and at 7 hours."""

import pytest

from docs.pictures.hours import ASKED
from pipeline import published
from pipeline.docs.pictures.shown import axes_of, drawn, of_run, sigmoid


def test_hours_answers_are_those_of_the_run(picture, train_recipe, named_recipe):
    figures = published.load("hours")
    assert [[hour] for hour in ASKED] == figures["ask"]
    weight, bias = of_run(train_recipe(named_recipe("hours")))
    (axes,) = axes_of(picture("hours"))
    for hour, above in zip(ASKED, figures["above_one_half"], strict=True):
        ((x, answer),) = drawn(axes, f"answer-{hour:g}")
        assert x == hour
        assert answer == pytest.approx(sigmoid(weight * hour + bias), abs=1e-6)
        assert (answer > 0.5) == above
    ((half, _), _) = drawn(axes, "half")
    assert weight * half + bias == pytest.approx(0, abs=1e-5)
