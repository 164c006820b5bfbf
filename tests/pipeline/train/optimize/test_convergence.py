"""lr = "auto" reaches the minimum, stops there, and says how far it is where it does not."""

import re
from itertools import islice

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from train.errors import RecipeError
from train.gradients.cpu import design
from train.gradients.source import Rows
from train.model import build
from train.optimize.convergence import distance, verdict
from train.optimize.curvature import automatic, step_length
from train.optimize.fit import Fit
from train.optimize.separation import separable, separates
from train.optimize.updates import Updates, learning_rates
from train.recipe.sections import Optimizer


def sampled(count: int, width: int, seed: int, *, shared: float = 0.0) -> Rows:
    """Standardised features that share a factor, and labels drawn from a logistic model."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(width, count)) + shared * rng.normal(size=count)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    labels = rng.random(count) < 1 / (1 + np.exp(-(rng.normal(size=width) @ x) / 2 - 0.7))
    return Rows(torch.tensor(x, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32))


def trained(rows: Rows, **settings) -> Fit:
    spec = Optimizer(**settings)
    data = design(rows, batches=spec.in_batches(len(rows.labels)))
    spec, metric = automatic(data, spec)
    fit = Fit(
        build(len(rows.features), "zeros", 0),
        spec,
        data,
        every=10**9,
        shuffle=torch.Generator().manual_seed(0),
        metric=metric,
    )
    list(fit)
    return fit


@pytest.mark.parametrize("shared", [0.0, 3.0], ids=["independent", "correlated"])
def test_weights_agree_with_scikit_learns_to_four_digits(shared):
    rows = sampled(5000, 8, seed=1, shared=shared)
    fit = trained(rows, epochs=5000)
    peer = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky")
    peer.fit(rows.features.double().T.numpy(), rows.labels.numpy())
    expected = np.append(peer.coef_[0], peer.intercept_)
    assert fit.theta.numpy() == pytest.approx(expected, rel=1e-4)
    assert fit.progress.updates < 50, "correlation must not slow it down"
    assert verdict(design(rows), fit.theta, 0, 7) == (
        "converged: each weight is right to four digits, after 7 updates"
    )


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_distance_is_that_to_the_minimum(decay):
    rows = sampled(2000, 5, seed=2, shared=1.0)
    data, best = design(rows), trained(rows, weight_decay=decay, tolerance=1e-7).theta.double()
    near = best + 0.01 * torch.tensor([1.0, -1.0, 0.5, 0.0, 0.0, 0.5])
    found = distance(data, near, decay)
    moves = (near - best).abs() / near.abs().clamp_min(1e-3 * float(near.abs().max()))
    assert found.change == pytest.approx(float(moves.max()), rel=0.05)
    assert found.cost == pytest.approx(cost(rows, near, decay) - cost(rows, best, decay), rel=0.05)
    assert not found.converged
    assert distance(data, best, decay).converged


def cost(rows: Rows, theta: torch.Tensor, decay: float) -> float:
    logit = rows.features.double().T @ theta[:-1] + theta[-1]
    mean = torch.nn.functional.binary_cross_entropy_with_logits(logit, rows.labels.double())
    return float(mean + decay / 2 * theta[:-1].square().sum())


def test_a_feature_that_repeats_another_does_not_keep_it_from_converging():
    rows = sampled(2000, 3, seed=3)
    twice = Rows(torch.cat([rows.features, rows.features[:1]]), rows.labels)
    fit = trained(twice)
    assert distance(design(twice), fit.theta, 0).converged
    assert verdict(design(twice), fit.theta, 0, 1).startswith("converged: ")


def test_a_training_that_ends_too_early_says_how_far_it_is():
    rows = sampled(2000, 5, seed=2, shared=3.0)
    said = verdict(design(rows), trained(rows, epochs=3).theta, 0, 3)
    assert re.fullmatch(
        r"warning: after 3 updates some weights are still [\d.e+]+% off: raise --epochs", said
    )
    off = float(re.findall(r"([\d.e+]+)%", said)[0]) / 100
    found = distance(design(rows), trained(rows, epochs=3).theta, 0)
    assert off == pytest.approx(found.change, rel=0.05)


def test_separable_classes_are_recognised_before_and_after_they_are_separated():
    bunch = load_breast_cancer()
    x = torch.tensor(((bunch.data - bunch.data.mean(0)) / bunch.data.std(0)).T.copy()).float()
    rows = Rows(x, torch.tensor(bunch.target).float())
    assert separable(design(rows))
    for epochs in (5, 300):
        said = verdict(design(rows), trained(rows, epochs=epochs).theta, 0, epochs)
        assert said.startswith("warning: the classes are separable, ")
    assert not separable(design(sampled(500, 4, seed=5)))


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
    data = design(Rows(torch.tensor([x]), torch.tensor(y).float()))
    assert separable(data) is expected


def test_many_rows_are_not_searched_for_separation():
    rows = Rows(torch.zeros(1, 2**20), torch.zeros(2**20))
    assert separable(design(rows)) is None


def test_only_errorless_weights_separate():
    data = design(Rows(torch.tensor([[-1.0, 1.0]]), torch.tensor([0.0, 1.0])))
    assert separates(data, torch.tensor([1.0, 0.0]))
    assert not separates(data, torch.tensor([-1.0, 0.0]))
    assert not separates(data, torch.tensor([0.0, 0.0])), "undecided is not right"


@pytest.mark.parametrize(("loss", "curvature"), [("bce", 0.25), ("mse", 0.15412)])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_gradients_are_multiplied_by_the_inverse_of_the_bound(loss, curvature, decay):
    rows = sampled(400, 6, seed=4, shared=2.0)
    x = torch.cat([rows.features, torch.ones(1, 400)]).double()
    bound = curvature * x @ x.T / 400 + decay * torch.diag(torch.tensor([1.0] * 6 + [0.0]))
    spec, metric = automatic(design(rows), Optimizer(loss=loss, weight_decay=decay))
    assert (spec.lr, spec.momentum) == (1.0, "auto")
    torch.testing.assert_close(metric.double(), torch.linalg.inv(bound), rtol=1e-3, atol=1e-3)


def test_wide_models_take_a_step_length_and_come_to_the_same():
    rows = sampled(2000, 600, seed=6)
    spec, metric = automatic(design(rows), Optimizer(weight_decay=0.1))
    assert metric is None
    assert spec.lr == pytest.approx(step_length(design(rows), "bce", 0.1, 0))
    fit = trained(rows, weight_decay=0.1)
    assert fit.progress.updates < 1001, "a gradient of 1e-6 is the end"
    peer = LogisticRegression(C=1 / (0.1 * 2000), tol=1e-10, max_iter=1000)
    peer.fit(rows.features.double().T.numpy(), rows.labels.numpy())
    assert fit.theta[:-1].numpy() == pytest.approx(peer.coef_[0], abs=1e-5)


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_step_is_the_inverse_of_the_bound(loss, decay):
    rows = sampled(400, 6, seed=4, shared=2.0)
    x = torch.cat([rows.features, torch.ones(1, 400)]).double()
    largest = float(torch.linalg.eigvalsh(x @ x.T / 400)[-1])
    curvature = {"bce": 0.25, "mse": 0.15412}[loss]
    found = step_length(design(rows), loss, decay, 0)
    bound = 1 / (curvature * largest + decay)
    assert bound * 0.99 < found <= bound * (1 + 1e-3)


def test_the_step_for_small_batches_is_shorter_and_that_of_one_row_heeds_the_largest():
    rows = sampled(400, 6, seed=4)
    steps = [step_length(design(rows), "bce", 0, size) for size in (1, 20, 399, 0)]
    assert steps == sorted(steps)
    largest = float(rows.features.square().sum(0).max()) + 1
    assert steps[0] == pytest.approx(2 / largest, rel=1e-5)


def test_mini_batches_with_an_automatic_step_come_near_the_minimum():
    rows = sampled(5000, 8, seed=1)
    fit = trained(rows, batch_size=64, epochs=20)
    assert fit.progress.updates == 20 * 79
    assert distance(design(rows), fit.theta, 0).cost < 0.02


def test_the_momentum_grows_and_is_dropped_when_it_points_uphill():
    rows = sampled(2000, 5, seed=2, shared=3.0)
    data = design(rows)
    spec = Optimizer(tolerance=1e-6).resolved(step_length(data, "bce", 0, 0))
    fit = Fit(build(5, "zeros", 0), spec, data, every=1, shuffle=torch.Generator())
    momenta = [fit.updates.momentum for _ in fit][1:]
    assert momenta[:3] == [1 / 4, 2 / 5, 3 / 6]
    drops = [i for i in range(1, len(momenta)) if momenta[i] < momenta[i - 1]]
    assert drops
    assert all(momenta[i] == 1 / 4 for i in drops)


def test_tolerance_stops_at_a_gradient_that_is_small_enough():
    rows = sampled(500, 3, seed=6)
    fit = trained(rows, lr=1.0, epochs=10_000, tolerance=1e-3)
    assert 0 < distance(design(rows), fit.theta, 0).gradient <= 1.001e-3
    assert fit.progress.updates < 1000
    again = trained(rows, lr=1.0, epochs=fit.progress.updates - 1)
    assert distance(design(rows), again.theta, 0).gradient > 1e-3


def test_patience_keeps_the_weights_with_the_lowest_validation_cost():
    rows, other = sampled(12, 8, seed=7), design(sampled(200, 8, seed=8))
    spec = Optimizer(lr=2.0, epochs=1000, patience=5)
    model = build(8, "zeros", 0)
    fit = Fit(model, spec, design(rows), every=1, shuffle=torch.Generator(), validation=other)
    costs = [record.validation_cost for record in fit]
    best = int(np.argmin(costs))
    assert fit.progress.best_epoch == best
    assert len(costs) == best + 5, "the epoch that would be the sixth is not begun"
    again = Fit(
        build(8, "zeros", 0),
        Optimizer(lr=2.0, epochs=best),
        design(rows),
        every=1,
        shuffle=torch.Generator(),
    )
    list(again)
    assert torch.equal(fit.theta, again.theta)
    assert torch.equal(model[0].weight.detach()[0], fit.theta[:-1])


def test_a_schedule_of_torch_sets_the_step_of_each_epoch():
    rows = sampled(20, 2, seed=9)
    spec = Optimizer(lr=0.8, epochs=5, schedule={"name": "StepLR", "step_size": 2, "gamma": 0.5})
    fit = Fit(build(2, "zeros", 0), spec, design(rows), every=1, shuffle=torch.Generator())
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


def test_nearly_repeated_features_are_not_said_to_have_converged_before_they_have():
    rng = np.random.default_rng(0)
    x, e = rng.normal(size=(2, 20_000))
    raw = np.stack([x, x + 5e-4 * e])
    features = ((raw - raw.mean(1, keepdims=True)) / raw.std(1, keepdims=True)).astype(np.float32)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-e))
    rows = Rows(torch.from_numpy(features), torch.from_numpy(labels.astype(np.float32)))
    fit = trained(rows, epochs=300)
    wide = features.T.astype(np.float64)
    peer = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky").fit(wide, labels)
    apart = np.abs(fit.theta[:2].numpy() / peer.coef_[0] - 1).max()
    said = verdict(design(rows), fit.theta, 0, 300)
    assert said.startswith("converged") == (apart < 1e-3), (apart, said)


def test_a_minimum_at_zero_is_one():
    rows = Rows(torch.tensor([[-1.0, 1.0, -1.0, 1.0]]), torch.tensor([0.0, 0.0, 1.0, 1.0]))
    fit = trained(rows)
    assert fit.progress.updates == 0
    assert verdict(design(rows), fit.theta, 0, 0).startswith("converged: ")
