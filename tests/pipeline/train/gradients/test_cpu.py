"""The closed-form gradient is autograd's, for each loss, as far as the number format allows."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from serve_runtime.error_budgets import gamma
from train.gradients.cpu import NumbaGradients, TorchGradients
from train.gradients.losses import LOSSES, logits
from train.gradients.numba_kernels import block_rows
from train.gradients.source import Rows

BY_DEFINITION = {
    "bce": functional.binary_cross_entropy_with_logits,
    "mse": lambda logit, label: ((torch.sigmoid(logit) - label) ** 2).mean(),
}

losses = pytest.mark.parametrize("loss", BY_DEFINITION)
kinds = pytest.mark.parametrize(
    "kind",
    [TorchGradients, partial(NumbaGradients, batches=False), partial(NumbaGradients, batches=True)],
    ids=["eager", "compiled", "compiled, gathered"],
)


@st.composite
def problems(draw):
    """Features (d, n), labels (n,), weight (1, d), bias (1,), float64 holding float32 values."""
    width, count = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    seed, scale = draw(st.integers(0, 2**31)), draw(st.sampled_from([0.01, 1.0, 30.0]))
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(width, count, generator=generator) * scale
    labels = torch.randint(2, (count,), generator=generator).float()
    weight = torch.randn(1, width, generator=generator)
    bias = torch.randn(1, generator=generator) * scale
    return tuple(t.double() for t in (features, labels, weight, bias))


def closed_form(kind, loss, features, labels, weight, bias):
    theta = torch.cat([weight[0], bias])
    residual, gradient = logits(features, theta), torch.empty_like(theta)
    LOSSES[loss].residual_(residual, labels)
    kind(Rows(features, labels)).gradient(loss, theta, None, gradient)
    return gradient[None, :-1], gradient[-1:], residual


def by_autograd(loss, features, labels, weight, bias):
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    BY_DEFINITION[loss](features.t() @ weight[0] + bias, labels).backward()
    return weight.grad, bias.grad


@losses
@given(problem=problems())
def test_float64_gradient_equals_autograd(loss, problem):
    found, expected = closed_form(TorchGradients, loss, *problem), by_autograd(loss, *problem)
    features = problem[0]
    size = features.abs().mean(1, keepdim=True).t() + 1e-12
    # A residual is at most 1 in size, so |x| averaged bounds a gradient and its rounding.
    assert ((found[0] - expected[0]).abs() <= 1e-12 * size * (1 + features.abs().max())).all()
    assert (found[1] - expected[1]).abs() <= 1e-12 * (1 + features.abs().max())


@losses
@kinds
@given(problem=problems())
def test_float32_gradient_is_exact_to_rounding(kind, loss, problem):
    features, _, weight, bias = problem
    exact = by_autograd(loss, *problem)
    found = closed_form(kind, loss, *(t.float() for t in problem))
    width, count = features.shape
    magnitude = weight.abs()[0] @ features.abs() + bias.abs()
    # A residual moves by no more than its logit does, plus a few roundings of its own.
    residual_error = gamma(width + 2) * magnitude + 8 * 2**-24
    sum_error = gamma(count + 2) * (found[2].double().abs() + residual_error)
    weight_bound = (features.abs() * (residual_error + sum_error)).mean(1)
    assert ((found[0].double() - exact[0])[0].abs() <= weight_bound).all()
    assert (found[1].double() - exact[1]).abs() <= (residual_error + sum_error).mean()


@losses
def test_gradient_agrees_with_finite_differences(loss):
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(4, 9, generator=generator).double()
    labels = torch.randint(2, (9,), generator=generator).double()
    weight, bias = torch.randn(1, 4, generator=generator).double(), torch.zeros(1).double()
    found = closed_form(TorchGradients, loss, features, labels, weight, bias)
    step = 1e-5
    for i in range(4):
        move = torch.zeros(1, 4).double()
        move[0, i] = step
        up, down = (
            LOSSES[loss].cost(
                logits(features, torch.cat([(weight + sign * move)[0], bias])), labels
            )
            for sign in (1, -1)
        )
        assert float(found[0][0, i]) == pytest.approx(float(up - down) / (2 * step), abs=1e-9)


@losses
def test_cost_is_the_definition(loss):
    generator = torch.Generator().manual_seed(5)
    logit = torch.randn(50, generator=generator).double()
    label = torch.randint(2, (50,), generator=generator).double()
    p = 1 / (1 + torch.exp(-logit))
    expected = {
        "bce": -(label * torch.log(p) + (1 - label) * torch.log(1 - p)).mean(),
        "mse": ((p - label) ** 2).mean(),
    }[loss]
    torch.testing.assert_close(LOSSES[loss].cost(logit, label), expected)


@pytest.mark.parametrize(
    ("loss", "logit", "label", "cost"),
    [
        ("bce", 1e4, 1, 0),
        ("bce", 1e4, 0, 1e4),
        ("bce", -1e4, 1, 1e4),
        ("bce", -1e4, 0, 0),
        ("mse", 1e4, 0, 1),
        ("mse", -1e4, 0, 0),
    ],
)
def test_cost_of_a_huge_logit_is_finite_and_right(loss, logit, label, cost):
    found = LOSSES[loss].cost(torch.tensor([float(logit)]), torch.tensor([float(label)]))
    assert float(found) == cost


@losses
@kinds
@pytest.mark.parametrize("logit", [-1e4, -104.0, 104.0, 1e4])
def test_gradient_at_a_huge_logit_is_finite(kind, loss, logit):
    features, labels = torch.tensor([[1.0, 1.0]]), torch.tensor([0.0, 1.0])
    weight, bias, _ = closed_form(
        kind, loss, features, labels, torch.tensor([[logit]]), torch.zeros(1)
    )
    assert torch.isfinite(weight).all()
    assert torch.isfinite(bias).all()


@given(problem=problems())
def test_logits_are_xw_plus_b_and_can_be_written_in_place(problem):
    features, _, weight, bias = problem
    expected, theta = features.t() @ weight[0] + bias, torch.cat([weight[0], bias])
    room = torch.full_like(expected, torch.nan)
    torch.testing.assert_close(logits(features, theta), expected)
    assert logits(features, theta, out=room) is room
    torch.testing.assert_close(room, expected)


@pytest.mark.parametrize("loss", [*BY_DEFINITION, "linear"])
@pytest.mark.parametrize("width", [1, 3, 30, 400, 3000])
def test_bits_do_not_depend_on_the_number_of_threads(loss, width, threads):
    generator = torch.Generator().manual_seed(width)
    count = 10 * block_rows(width) + 17
    rows = Rows(
        torch.randn(width, count, generator=generator),
        torch.randint(2, (count,), generator=generator).float(),
    )
    theta = torch.randn(width + 1, generator=generator) / width**0.5
    order = torch.randperm(count, generator=generator)
    found, exact = [], torch.empty(width + 1).double()
    TorchGradients(Rows(rows.features.double(), rows.labels.double())).gradient(
        loss, theta.double(), None, exact
    )
    for number in (1, 2, 3):
        threads(number)
        for batches, index in ((False, None), (True, None), (True, order)):
            out = torch.empty(width + 1)
            NumbaGradients(rows, batches=batches).gradient(loss, theta, index, out)
            torch.testing.assert_close(out.double(), exact, rtol=1e-5, atol=1e-6)
            found.append(out)
    assert all(torch.equal(found[i], found[i % 3]) for i in range(9))


def test_a_batch_is_the_gradient_of_its_rows_alone():
    generator = torch.Generator().manual_seed(1)
    rows = Rows(torch.randn(5, 300, generator=generator), torch.arange(300) % 2 * 1.0)
    index = torch.randperm(300, generator=generator)[:70]
    theta, found, expected = torch.ones(6), torch.empty(6), torch.empty(6)
    NumbaGradients(rows, batches=True).gradient("bce", theta, index, found)
    some = Rows(rows.features[:, index], rows.labels[index])
    NumbaGradients(some, batches=False).gradient("bce", theta, None, expected)
    torch.testing.assert_close(found, expected)
    TorchGradients(rows).gradient("bce", theta, index, found)
    torch.testing.assert_close(found, expected)


@pytest.fixture
def threads():
    """Set how many threads torch uses, for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@losses
def test_curvature_is_the_largest_second_derivative(loss):
    logit = torch.linspace(-8, 8, 200_001, dtype=torch.float64, requires_grad=True)
    worst = 0.0
    for label in (0.0, 1.0):
        costs = LOSSES[loss].cost(logit, torch.full_like(logit, label)) * len(logit)
        (first,) = torch.autograd.grad(costs, logit, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), logit)
        worst = max(worst, float(second.max()))
    assert worst <= LOSSES[loss].curvature * (1 + 1e-12)
    assert worst == pytest.approx(LOSSES[loss].curvature, rel=1e-6)
