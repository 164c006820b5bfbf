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
from train.optimize.convergence import Columns, distance, verdict
from train.optimize.fit import Fit
from train.optimize.newton import find_minimum
from train.recipe.keys import Optimizer


def said_of(
    rows: Rows, theta: torch.Tensor, decay: float, updates: int, search=None, name="v{}"
) -> str:
    names = [name.format(i) for i in range(len(rows.features))]
    columns = Columns(names, ("no", "yes"), lambda feature, value: value, names)
    return verdict(gradient_source(rows), theta, decay, updates, columns, search)


@pytest.mark.parametrize("shared", [0.0, 3.0], ids=["independent", "correlated"])
def test_weights_agree_with_scikit_learns_to_four_digits(shared):
    rows = sampled(5000, 8, seed=1, shared=shared)
    fit = trained(rows, epochs=5000)
    peer = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky")
    peer.fit(rows.features.double().T.numpy(), rows.labels.numpy())
    expected = np.append(peer.coef_[0], peer.intercept_)
    assert fit.theta.numpy() == pytest.approx(expected, rel=1e-4)
    assert fit.state.updates < 50, "correlation must not slow it down"
    assert said_of(rows, fit.theta, 0, 7) == (
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
    assert said_of(twice, fit.theta, 0, 1).startswith("converged: ")


def test_a_training_that_ends_too_early_says_how_far_it_is():
    rows = sampled(2000, 5, seed=2, shared=3.0)
    said = said_of(rows, trained(rows, epochs=3).theta, 0, 3)
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
    for epochs in (5, 300):
        fit = trained(rows, epochs=epochs)
        said = said_of(rows, fit.theta, 0, epochs, fit.search)
        assert re.fullmatch(
            r"warning: the classes are separable, by 'v\d+', 'v\d+', 'v\d+' and 27 more together, "
            "so no weights are best: use --l2 auto",
            said,
        )
    assert fit.state.updates <= 100, "weights that grow for ever need no more passes"
    assert fit.theta.abs().max() < 100


def test_what_separates_is_named_and_training_ends():
    rows = sampled(3000, 4, seed=5)
    flag = (torch.arange(3000) % 100 == 0).float()
    rows = Rows(torch.cat([rows.features, flag[None]]), torch.where(flag == 1, 1, rows.labels))
    fit = trained(rows)
    assert fit.state.updates < 100
    assert said_of(rows, fit.theta, 0, 1, fit.search) == said_of(rows, fit.theta, 0, 1)
    assert said_of(rows, fit.theta, 0, 1) == (
        "warning: the classes are separable, by values of 'v4': above 0 all rows are 'yes', so no "
        "weights are best: use --l2 auto, or --drop v4"
    )
    long = said_of(rows, fit.theta, 0, 1, fit.search, "\x1b[31m{}" + "x" * 5000)
    assert long.isprintable()
    assert len(long) < 400
    leak = Rows(torch.cat([rows.features, rows.labels[None]]), rows.labels)
    assert "by 'v5' alone" in said_of(leak, trained(leak).theta, 0, 1)
    decayed = trained(rows, weight_decay=1e-3)
    assert said_of(rows, decayed.theta, 1e-3, 9, decayed.search).startswith("converged: ")


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
    said = said_of(rows, fit.theta, 0, 300)
    assert said.startswith("converged") == (apart < 1e-3), (apart, said)


def test_a_minimum_at_zero_is_one():
    rows = Rows(torch.tensor([[-1.0, 1.0, -1.0, 1.0]]), torch.tensor([0.0, 0.0, 1.0, 1.0]))
    fit = trained(rows)
    assert fit.state.updates == 0
    assert said_of(rows, fit.theta, 0, 0).startswith("converged: ")


def minimum(rows: Rows, decay: float = 0.0) -> np.ndarray:
    """The weights and the bias at the minimum, by Newton's method in numpy."""
    x = np.vstack([rows.features.double().numpy(), np.ones(len(rows.labels))])
    y, theta = rows.labels.double().numpy(), np.zeros(len(x))
    penalty = np.append(np.full(len(x) - 1, decay), 0)
    for _ in range(30):
        p = 1 / (1 + np.exp(-theta @ x))
        hessian = (x * (p * (1 - p))) @ x.T / len(y) + np.diag(penalty)
        theta -= np.linalg.solve(hessian, x @ (p - y) / len(y) + penalty * theta)
    return theta


def weak(count: int, width: int, seed: int) -> Rows:
    """Features that say next to nothing, and as many rows of each class."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(width, count))
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    return Rows(torch.tensor(x).float(), (torch.arange(count) % 2).float())


@pytest.mark.parametrize("seed", range(5))
def test_training_ends_at_the_noise_floor_of_float32(seed):
    rows = weak(1000, 10, seed)
    fit = trained(rows)
    assert fit.state.updates < 20
    assert said_of(rows, fit.theta, 0, 7, fit.search).startswith("converged: ")
    best = minimum(rows)
    assert fit.theta.numpy() == pytest.approx(best, rel=1e-4, abs=1e-7 * np.abs(best).max())


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6], ids=["0.9999", "1 - 5e-9", "1 - 5e-13"])
def test_nearly_collinear_features_reach_four_digits(apart):
    rng = np.random.default_rng(11)
    x = rng.normal(size=(5, 50_000))
    x[1] = x[0] + apart * x[1]
    x[3] = x[2] - apart * x[3]
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    y = rng.random(50_000) < 1 / (1 + np.exp(-(x[0] - x[2] + x[4])))
    rows = Rows(torch.tensor(x).float(), torch.tensor(y).float())
    fit = trained(rows)
    assert fit.state.updates <= 110
    assert said_of(rows, fit.theta, 0, 7, fit.search).startswith("converged: ")
    assert fit.theta.numpy() == pytest.approx(minimum(rows), rel=1e-4)


@pytest.mark.parametrize(("width", "count", "decay"), [(513, 2500, 0.0), (600, 2400, 1e-4)])
def test_wide_models_reach_four_digits(width, count, decay):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(30, width)).T @ rng.normal(size=(30, count)) * 0.5
    x += 0.6 * rng.normal(size=(width, count))
    y = rng.random(count) < 1 / (1 + np.exp(-0.02 * rng.normal(size=width) @ x))
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    rows = Rows(torch.tensor(x).float(), torch.tensor(y).float())
    fit = trained(rows, weight_decay=decay)
    assert said_of(rows, fit.theta, decay, 7, fit.search).startswith("converged: ")
    best = minimum(rows, decay)
    assert fit.theta.numpy() == pytest.approx(best, rel=1e-4, abs=1e-7 * np.abs(best).max())
    few = trained(rows, weight_decay=decay, epochs=10)
    assert re.search(r"still (at least )?[\d.e+]+% off", said_of(rows, few.theta, decay, 10))


def test_without_a_matrix_of_derivatives_it_is_the_same(monkeypatch):
    rows = sampled(3000, 20, seed=12, shared=1.0)
    whole = find_minimum(gradient_source(rows), torch.zeros(21), 0.0, 20)
    monkeypatch.setattr("train.optimize.newton._MOST_DENSE", 1)
    monkeypatch.setattr("train.optimize.newton.MOST_FEATURES", 1)
    found = find_minimum(gradient_source(rows), torch.zeros(21), 0.0, 20)
    assert found.converged
    torch.testing.assert_close(found.theta, whole.theta, rtol=1e-7, atol=1e-9)


def test_the_search_starts_from_weights_far_too_large():
    rows = sampled(2000, 5, seed=13)
    far = 1e4 * torch.ones(6)
    found = find_minimum(gradient_source(rows), far, 0.0, 60)
    assert found.converged
    assert found.theta.numpy() == pytest.approx(minimum(rows), rel=1e-6)
