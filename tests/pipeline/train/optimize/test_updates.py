"""Updates are those of torch.optim.SGD, and the learning rate follows its schedules."""

from itertools import islice

import pytest
import torch

from pipeline.train.optimize.problems import sampled
from train.errors import RecipeError
from train.gradients.cpu import gradient_source
from train.model import new_model
from train.optimize.curvature import step_length
from train.optimize.fit import Fit
from train.optimize.updates import Updates, learning_rates
from train.recipe.keys import Optimizer


def test_momentum_grows_and_is_dropped_when_uphill():
    rows = sampled(2000, 5, seed=2, shared=3.0)
    data = gradient_source(rows)
    spec = Optimizer(tolerance=1e-6).resolved(step_length(data, "bce", 0, 0))
    fit = Fit(new_model(5, "zeros", 0), spec, data, every=1, shuffle=torch.Generator())
    momenta = [fit.updates.momentum for _ in fit][1:]
    assert momenta[:3] == [1 / 4, 2 / 5, 3 / 6]
    drops = [i for i in range(1, len(momenta)) if momenta[i] < momenta[i - 1]]
    assert drops
    assert all(momenta[i] == 1 / 4 for i in drops)


def test_a_schedule_of_torch_sets_the_step_of_each_epoch():
    rows = sampled(20, 2, seed=9)
    spec = Optimizer(lr=0.8, epochs=5, schedule={"name": "StepLR", "step_size": 2, "gamma": 0.5})
    fit = Fit(
        new_model(2, "zeros", 0), spec, gradient_source(rows), every=1, shuffle=torch.Generator()
    )
    assert [fit.updates.lr for _ in fit] == [0.8, 0.8, 0.4, 0.4, 0.2]


@pytest.mark.parametrize("arguments", [{}, {"step_size": 2, "size": 3}, {"step_size": "2"}])
def test_arguments_that_a_schedule_does_not_take(arguments):
    with pytest.raises(RecipeError, match=r"^optimizer.schedule: "):
        list(islice(learning_rates(0.8, {"name": "StepLR", **arguments}), 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "nesterov": True, "weight_decay": 0.03},
        {"weight_decay": 0.03},
    ],
)
def test_updates_are_those_of_torch_bit_by_bit(settings, dtype):
    generator = torch.Generator().manual_seed(1)
    theta, gradient = torch.randn(31, generator=generator).to(dtype), torch.empty(31, dtype=dtype)
    weight, bias = theta[:-1].clone().requires_grad_(), theta[-1:].clone().requires_grad_()
    ours = Updates(theta, gradient, Optimizer(lr=0.3, **settings))
    decay = settings.pop("weight_decay", 0)
    groups = [{"params": [weight], "weight_decay": decay}, {"params": [bias]}]
    peer = torch.optim.SGD(groups, lr=0.3, **settings)
    ours.lr = 0.3
    for _ in range(20):
        gradient.copy_(torch.randn(31, generator=generator))
        weight.grad, bias.grad = gradient[:-1].clone(), gradient[-1:].clone()
        ours.step()
        peer.step()
        assert torch.equal(theta, torch.cat([weight, bias]).detach())
