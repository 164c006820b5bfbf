"""The shift of the intercept that weights of classes make, taken back or left."""

import numpy as np
import pytest

from train.evaluate.prior_correction import prior_shift, with_prior
from train.recipe.model_keys import Model
from train.tables.labels import Classes

CLASSES = Classes(("no", "yes"))


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.5, 8.0), (1e-9, 1e9)])
def test_the_shift_turns_weighted_odds_into_those_of_the_data(weights):
    share = 0.1  # weighted rows have the odds share·w₊ / (1 - share)·w₋
    weighted = np.log(share * weights[1] / ((1 - share) * weights[0]))
    assert weighted - prior_shift(weights) == pytest.approx(np.log(share / (1 - share)))


@pytest.mark.parametrize("asked", [None, True, False])
def test_what_is_served_and_said(asked):
    theta, said = np.array([0.25, 2.0], np.float32), []
    found = with_prior(theta, (1.0, 4.0), CLASSES, Model(prior_correction=asked), said.append)
    expected = 2.0 if asked is False else 2 - np.log(4)
    assert found.tolist() == pytest.approx([0.25, expected])
    assert found.dtype == np.float32
    (line,) = said
    assert line.startswith("class weights: 'yes' counts 4, 'no' 1; ")
    assert ("--no-prior-correction" in line) == (asked is not False)


def test_without_weights_nothing_changes():
    theta, said = np.array([0.25, 2.0], np.float32), []
    assert with_prior(theta, None, CLASSES, Model(), said.append) is theta
    assert said == []
