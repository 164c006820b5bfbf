"""The Bernoulli curve: cross-entropy finds the known curve, squared error is slower to."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from train.gradients.losses import LOSSES, logits
from train.tables.table import load_table


@pytest.fixture(scope="module")
def data(named_recipe):
    recipe = named_recipe("bernoulli-curve")
    return load_table(recipe.data, recipe.model.seed)


@pytest.fixture(scope="module")
def best(data):
    """(w, b) of the largest likelihood, by another library's solver without a penalty."""
    solver = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    solver.fit(data.features.T, data.labels)
    return np.array([solver.coef_[0, 0], solver.intercept_[0]])


@pytest.fixture(scope="module")
def bce(train_recipe, named_recipe):
    return train_recipe(named_recipe("bernoulli-curve"))


@pytest.fixture(scope="module")
def mse(train_recipe, named_recipe):
    return train_recipe(named_recipe("bernoulli-curve-mse"))


def parameters(trained) -> np.ndarray:
    return np.array([float(p) for p in trained.model.parameters()])


def cost(data, loss: str, weight: float, bias: float) -> float:
    features, labels = torch.from_numpy(data.features).double(), torch.from_numpy(data.labels)
    theta = torch.tensor([weight, bias]).double()
    return float(LOSSES[loss].cost(logits(features, theta), labels.double()))


def information(data, weight: float, bias: float) -> np.ndarray:
    """Fisher information of (w, b): Xᵀ diag(p (1 - p)) X with a column of ones."""
    x = np.stack([data.features[0], np.ones(data.rows)])
    p = 1 / (1 + np.exp(-(weight * x[0] + bias)))
    return (x * p * (1 - p)) @ x.T


def test_the_simulation_is_repeatable_and_has_its_range(data, named_recipe):
    recipe = named_recipe("bernoulli-curve")
    assert load_table(recipe.data, recipe.model.seed).digest() == data.digest()
    assert load_table(recipe.data, recipe.model.seed + 1).digest() != data.digest()
    assert data.features.shape == (1, 2000)
    assert np.array_equal(data.features[0], np.linspace(-1, 1, 2000))


def test_likelihood_of_the_simulation_fits_the_stated_curve(data, best):
    deviations = np.sqrt(np.diag(np.linalg.inv(information(data, *best))))
    assert (np.abs(best - [5, -1]) < 3 * deviations).all()


def test_cross_entropy_reaches_the_largest_likelihood(bce, best, data):
    found = parameters(bce)
    # What is left of the distance shrinks by exp(-lr·λ) an update, λ the smallest curvature.
    curvature = np.linalg.eigvalsh(information(data, *best) / data.rows).min()
    start = np.linalg.norm(best) + 1
    assert np.linalg.norm(found - best) < start * np.exp(-0.05 * curvature * 10000)
    assert 0 <= cost(data, "bce", *found) - cost(data, "bce", *best) < 1e-6


def test_squared_error_learns_more_slowly_than_cross_entropy(mse, bce, best):
    assert mse.metrics["training"]["log_loss"] > bce.history[3]["cost"]
    assert bce.history[3]["epoch"] == 3000
    assert np.linalg.norm(parameters(mse) - best) > 10 * np.linalg.norm(parameters(bce) - best)


@pytest.mark.parametrize(("loss", "convex"), [("bce", True), ("mse", False)])
def test_only_cross_entropy_is_convex_along_the_weight(loss, convex, data):
    costs = [cost(data, loss, weight, -1.0) for weight in np.linspace(-30, 30, 61)]
    assert (np.diff(costs, 2) > 0).all() == convex
