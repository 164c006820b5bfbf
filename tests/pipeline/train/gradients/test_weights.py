"""Rows of weight 2 are rows that are there twice: in gradients, costs and second derivatives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.train.encoded import coded
from train.gradients.cpu import TorchGradients, gradient_source
from train.gradients.design import in_float64, measure, squared_norms
from train.gradients.source import Rows, chunks, largest
from train.optimize.hessian_product import hessian_product
from train.optimize.newton import newton_step
from train.optimize.second_moments import second_moments

losses = pytest.mark.parametrize("loss", ["bce", "mse", "linear"])
shapes = pytest.mark.parametrize(
    "shape",
    [(1000, 5, ()), (33, 18, ()), (5003, 3, (9, 2)), (3000, 0, (700, 4))],
    ids=["numbers", "few rows", "mixed", "levels"],
)


def weighted(shape, seed: int = 1) -> tuple[Rows, torch.Tensor]:
    """Rows with weights of mean 1, and how often each is there where its weight is that."""
    rows = coded(*shape, seed=seed)
    times = torch.from_numpy(np.random.default_rng(seed).integers(1, 6, shape[0]))
    return replace(rows, weights=times.float() / times.float().mean()), times


def repeated(rows: Rows, times: torch.Tensor) -> Rows:
    places = torch.arange(len(times)).repeat_interleave(times)
    return in_float64(replace(rows.at(places), weights=None))


def drawn(rows: Rows) -> torch.Tensor:
    return torch.randn(len(largest(rows)), generator=torch.Generator().manual_seed(0)) / 2


@losses
@shapes
@pytest.mark.parametrize("batches", [False, True])
def test_gradients_are_those_of_repeated_rows(loss, shape, batches):
    rows, times = weighted(shape)
    theta = drawn(rows)
    found, expected = torch.empty_like(theta), torch.empty_like(theta).double()
    gradient_source(rows, batches=batches).gradient(loss, theta, None, found)
    TorchGradients(repeated(rows, times)).gradient(loss, theta.double(), None, expected)
    torch.testing.assert_close(found.double(), expected, rtol=2e-5, atol=2e-6)


@losses
@shapes
def test_a_batch_is_divided_by_its_rows(loss, shape):
    # So batches are right on average: where heavy rows come together, the step is longer.
    rows, _ = weighted(shape)
    theta, index = drawn(rows), torch.arange(0, shape[0], 3)
    found, expected = torch.empty_like(theta), torch.empty_like(theta).double()
    gradient_source(rows, batches=True).gradient(loss, theta, index, found)
    exact = TorchGradients(in_float64(rows))
    exact.gradient(loss, theta.double(), index, expected)
    torch.testing.assert_close(found.double(), expected, rtol=2e-5, atol=2e-6)
    parts = [torch.empty_like(expected) for _ in range(3)]
    for first, part in enumerate(parts):
        exact.gradient(loss, theta.double(), torch.arange(first, shape[0], 3), part)
    whole = torch.empty_like(expected)
    exact.gradient(loss, theta.double(), None, whole)
    shares = [len(range(first, shape[0], 3)) / shape[0] for first in range(3)]
    torch.testing.assert_close(sum(s * p for s, p in zip(shares, parts, strict=True)), whole)


@pytest.mark.parametrize("batches", [False, True])
@shapes
def test_weights_of_one_change_no_bit(shape, batches):
    rows = coded(*shape, seed=3)
    theta = drawn(rows)
    found = []
    for weights in (None, torch.ones(shape[0])):
        out = torch.empty_like(theta)
        source = gradient_source(replace(rows, weights=weights), batches=batches)
        source.gradient("bce", theta, None, out)
        found.append(out.numpy().tobytes())
    assert found[0] == found[1]


@losses
@shapes
def test_measures_are_those_of_repeated_rows(loss, shape):
    rows, times = weighted(shape)
    theta, every = drawn(rows), repeated(rows, times)
    found = measure(gradient_source(rows), loss, theta)
    assert found == pytest.approx(measure(TorchGradients(every), loss, theta.double()), rel=1e-5)
    squares = every.features.square().sum(0) + len(rows.codes) + 1
    heaviest = (in_float64(rows).features.square().sum(0) + len(rows.codes) + 1) * rows.weights
    expected = float(squares.mean()), float(heaviest.max())
    assert squared_norms(gradient_source(rows)) == pytest.approx(expected, rel=1e-6)


@shapes
def test_newtons_step_is_that_of_repeated_rows(shape):
    rows, times = weighted(shape)
    ours, theirs = gradient_source(rows), TorchGradients(repeated(rows, times))
    theta = drawn(rows).double() / 10
    found, expected = newton_step(ours, theta, 0.01), newton_step(theirs, theta, 0.01)
    torch.testing.assert_close(found.gradient, expected.gradient, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.step, expected.step, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second_moments(ours), second_moments(theirs), rtol=1e-5, atol=1e-6)
    zeros = torch.zeros_like(theta)
    product = hessian_product(ours, theta, zeros, theta)
    torch.testing.assert_close(
        product, hessian_product(theirs, theta, zeros, theta), rtol=1e-6, atol=1e-9
    )


def test_chunks_and_picked_rows_keep_their_weights():
    rows, _ = weighted((20_000, 3, (4,)))
    joined = torch.cat([chunk.weights for chunk in chunks(rows)])
    assert torch.equal(joined, rows.weights)
    index = torch.tensor([5, 3, 11])
    assert torch.equal(rows.at(index).weights, rows.weights[index])
    assert in_float64(rows).weights.dtype == torch.float64
