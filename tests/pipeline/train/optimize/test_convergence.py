"""lr = "auto" reaches the minimum, stops there, and says how far it is where it does not."""

import re

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from pipeline.train.optimize.problems import sampled, trained
from train.gradients.cpu import gradient_source
from train.gradients.source import Rows
from train.model import new_model
from train.optimize.convergence import distance, verdict
from train.optimize.fit import Fit
from train.optimize.separation import separable
from train.recipe.keys import Optimizer


@pytest.mark.parametrize("shared", [0.0, 3.0], ids=["independent", "correlated"])
def test_weights_agree_with_scikit_learns_to_four_digits(shared):
    rows = sampled(5000, 8, seed=1, shared=shared)
    fit = trained(rows, epochs=5000)
    peer = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky")
    peer.fit(rows.features.double().T.numpy(), rows.labels.numpy())
    expected = np.append(peer.coef_[0], peer.intercept_)
    assert fit.theta.numpy() == pytest.approx(expected, rel=1e-4)
    assert fit.state.updates < 50, "correlation must not slow it down"
    assert verdict(gradient_source(rows), fit.theta, 0, 7) == (
        "converged: each weight is right to four digits, after 7 updates"
    )


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_distance_is_that_to_the_minimum(decay):
    rows = sampled(2000, 5, seed=2, shared=1.0)
    data, best = (
        gradient_source(rows),
        trained(rows, weight_decay=decay, tolerance=1e-7).theta.double(),
    )
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


def test_a_repeated_feature_does_not_hinder_convergence():
    rows = sampled(2000, 3, seed=3)
    twice = Rows(torch.cat([rows.features, rows.features[:1]]), rows.labels)
    fit = trained(twice)
    assert distance(gradient_source(twice), fit.theta, 0).converged
    assert verdict(gradient_source(twice), fit.theta, 0, 1).startswith("converged: ")


def test_a_training_that_ends_too_early_says_how_far_it_is():
    rows = sampled(2000, 5, seed=2, shared=3.0)
    said = verdict(gradient_source(rows), trained(rows, epochs=3).theta, 0, 3)
    assert re.fullmatch(
        r"warning: after 3 updates some weights are still [\d.e+]+% off: raise --epochs", said
    )
    off = float(re.findall(r"([\d.e+]+)%", said)[0]) / 100
    found = distance(gradient_source(rows), trained(rows, epochs=3).theta, 0)
    assert off == pytest.approx(found.change, rel=0.05)


def test_separable_classes_are_recognised_early_and_late():
    bunch = load_breast_cancer()
    x = torch.tensor(((bunch.data - bunch.data.mean(0)) / bunch.data.std(0)).T.copy()).float()
    rows = Rows(x, torch.tensor(bunch.target).float())
    assert separable(gradient_source(rows))
    for epochs in (5, 300):
        said = verdict(gradient_source(rows), trained(rows, epochs=epochs).theta, 0, epochs)
        assert said.startswith("warning: the classes are separable, ")
    assert not separable(gradient_source(sampled(500, 4, seed=5)))


def test_mini_batches_with_lr_auto_come_near_the_minimum():
    rows = sampled(5000, 8, seed=1)
    fit = trained(rows, batch_size=64, epochs=20)
    assert fit.state.updates == 20 * 79
    assert distance(gradient_source(rows), fit.theta, 0).cost < 0.02


def test_tolerance_stops_at_a_gradient_that_is_small_enough():
    rows = sampled(500, 3, seed=6)
    fit = trained(rows, lr=1.0, epochs=10_000, tolerance=1e-3)
    assert 0 < distance(gradient_source(rows), fit.theta, 0).gradient <= 1.001e-3
    assert fit.state.updates < 1000
    again = trained(rows, lr=1.0, epochs=fit.state.updates - 1)
    assert distance(gradient_source(rows), again.theta, 0).gradient > 1e-3


def test_patience_keeps_the_weights_of_the_lowest_cost():
    rows, other = sampled(12, 8, seed=7), gradient_source(sampled(200, 8, seed=8))
    spec = Optimizer(lr=2.0, epochs=1000, patience=5)
    model = new_model(8, "zeros", 0)
    fit = Fit(
        model, spec, gradient_source(rows), every=1, shuffle=torch.Generator(), validation=other
    )
    costs = [record.validation_cost for record in fit]
    best = int(np.argmin(costs))
    assert fit.state.best_epoch == best
    assert len(costs) == best + 5, "the epoch that would be the sixth is not begun"
    again = Fit(
        new_model(8, "zeros", 0),
        Optimizer(lr=2.0, epochs=best),
        gradient_source(rows),
        every=1,
        shuffle=torch.Generator(),
    )
    list(again)
    assert torch.equal(fit.theta, again.theta)
    assert torch.equal(model[0].weight.detach()[0], fit.theta[:-1])


def test_nearly_repeated_features_converge_before_it_is_said():
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
    said = verdict(gradient_source(rows), fit.theta, 0, 300)
    assert said.startswith("converged") == (apart < 1e-3), (apart, said)


def test_a_minimum_at_zero_is_one():
    rows = Rows(torch.tensor([[-1.0, 1.0, -1.0, 1.0]]), torch.tensor([0.0, 0.0, 1.0, 1.0]))
    fit = trained(rows)
    assert fit.state.updates == 0
    assert verdict(gradient_source(rows), fit.theta, 0, 0).startswith("converged: ")
