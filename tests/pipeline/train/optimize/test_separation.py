"""Separable classes are recognised, by the weights of a training and without them."""

import pytest
import torch

from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.optimize.separation import separable, separates


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([-1.0, -0.5, 0.5, 1.0], [0, 0, 1, 1], True),
        ([0.0, 0.0, 0.0, 1.0], [0, 1, 0, 1], True),  # whoever has it is positive: quasi-separated
        ([0.0, 0.0, 1.0, 1.0], [0, 1, 0, 1], False),
        ([-1.0, 0.5, -0.5, 1.0], [0, 0, 1, 1], False),
    ],
)
def test_separation_of_a_single_feature(x, y, expected):
    data = gradient_source(Rows(torch.tensor([x]), torch.tensor(y).float()))
    assert separable(data) is expected


def test_many_rows_are_not_searched_for_separation():
    rows = Rows(torch.zeros(1, 2**20), torch.zeros(2**20))
    assert separable(gradient_source(rows)) is None


def test_only_errorless_weights_separate():
    data = gradient_source(Rows(torch.tensor([[-1.0, 1.0]]), torch.tensor([0.0, 1.0])))
    assert separates(data, torch.tensor([1.0, 0.0]))
    assert not separates(data, torch.tensor([-1.0, 0.0]))
    assert not separates(data, torch.tensor([0.0, 0.0])), "undecided is not right"
