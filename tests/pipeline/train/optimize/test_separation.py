"""Separable classes are recognised among any number of rows, and what separates them is named."""

import numpy as np
import pytest
import torch

from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.optimize.newton import find_minimum
from train.optimize.separation import Alone, each_alone, separates, taking_part


def rows(features, labels) -> Rows:
    x = np.ascontiguousarray(features, np.float32)
    return Rows(torch.from_numpy(x), torch.from_numpy(np.asarray(labels).astype(np.float32)))


def direction(data: Rows) -> torch.Tensor | None:
    source = gradient_source(data)
    return find_minimum(source, torch.zeros(len(data.features) + 1), 0.0, 60).direction


def drawn(rng, logit):
    return rng.random(len(logit)) < 1 / (1 + np.exp(-logit))


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
    assert (direction(rows([x], y)) is not None) is expected
    assert bool(each_alone(gradient_source(rows([x], y)))) is expected


def test_only_errorless_weights_separate():
    data = gradient_source(rows([[-1.0, 1.0]], [0, 1]))
    assert separates(data, torch.tensor([1.0, 0.0]).double())
    assert not separates(data, torch.tensor([-1.0, 0.0]).double())
    assert not separates(data, torch.tensor([0.0, 0.0]).double()), "undecided is not right"


def test_ranges_of_the_classes_are_told():
    data = gradient_source(rows([[0.0, 0.0, 0.0, 2.0], [1.0, 2.0, 1.0, 2.0]], [0, 1, 0, 1]))
    first, second = each_alone(data)
    assert first == Alone(0, (0.0, 0.0), (0.0, 2.0), positive_above=True)
    assert not first.whole
    assert second == Alone(1, (1.0, 1.0), (2.0, 2.0), positive_above=True)
    assert second.whole


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("count", [2_000, 120_000], ids=["few", "more than 2^20 values"])
def test_a_rare_flag_among_many_rows(count, sign):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(15, count))
    flag = rng.random(count) < 0.002
    y = np.where(flag, sign > 0, drawn(rng, x[0]))
    data = rows([*x, sign * flag], y)
    found = direction(data)
    assert taking_part(gradient_source(data), found) == [15]
    assert [each.feature for each in each_alone(gradient_source(data))] == [15]
    y[np.flatnonzero(flag)[0]] = sign < 0  # one row of the other class: a minimum
    assert direction(rows([*x, sign * flag], y)) is None


@pytest.mark.parametrize("scale", [1, 1e-3, 1e3])
def test_features_that_separate_only_together(scale):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(6, 200_000))
    a, b = rng.integers(0, 3, size=(2, 200_000))
    y = np.where(a > b, 1, np.where(a < b, 0, drawn(rng, x[0])))
    data = rows([*x, scale * a, scale * b], y)
    found = direction(data)
    assert sorted(taking_part(gradient_source(data), found)) == [6, 7]
    assert not each_alone(gradient_source(data))


@pytest.mark.parametrize("seed", range(12))
def test_separated_subspaces_in_any_position(seed):
    """Some rows are separated along directions in which all others are 0, then all are turned."""
    rng = np.random.default_rng(seed)
    count, width, inner = 1000, 10, 1 + seed % 3
    x = rng.normal(size=(count, width))
    y = drawn(rng, x @ rng.normal(size=width))
    some = rng.random(count) < (0.02, 0.1, 0.5)[seed % 3]
    x[:, -inner:] = np.where(some[:, None], x[:, -inner:], 0)
    toward = rng.normal(size=inner)
    y[some] = x[some, -inner:] @ toward > 0
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    assert direction(rows((x @ turn).T, y)) is not None
    overlap = np.flatnonzero(some)[np.abs(x[some, -inner:] @ toward).argsort()[-inner - 2 :]]
    y[overlap] = ~y[overlap]  # those farthest from where the classes meet
    assert direction(rows((x @ turn).T, y)) is None
