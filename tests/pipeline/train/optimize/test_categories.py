"""Training on codes ends where training on the one-hot matrix does."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from pipeline.train.encoded import coded, one_hot, rows_of
from pipeline.train.optimize.problems import trained
from train.gradients.cpu import gradient_source
from train.gradients.design import in_float64
from train.optimize.block_inverse import BlockInverse
from train.optimize.convergence import Columns, penalised_levels, verdict
from train.optimize.curvature import penalty_curvature, resolve_learning_rate
from train.optimize.hessian_product import hessian_product
from train.optimize.second_moments import second_moments
from train.optimize.separation import Alone, each_alone, one_class_levels
from train.recipe.keys import Optimizer


def peer(rows, decay: float) -> np.ndarray:
    """scikit-learn's weights and bias on the one-hot matrix, with the same penalty."""
    model = LogisticRegression(
        C=1 / (decay * len(rows.labels)), solver="newton-cholesky", tol=1e-10, max_iter=1000
    )
    model.fit(one_hot(rows).features.double().T.numpy(), rows.labels.numpy())
    return np.append(model.coef_[0], model.intercept_)


def fitted(rows, **settings):
    return trained(rows, epochs=100_000, **settings)


@pytest.mark.parametrize(
    "shape",
    [(3000, 4, (9, 16, 2)), (4000, 0, (5, 40)), (4000, 3, (300, 300, 7)), (2200, 2, (2040, 20))],
    ids=["few levels", "no numbers", "more than 512 columns", "more than 2048 columns"],
)
def test_weights_are_scikit_learns_to_four_digits(shape):
    rows = coded(*shape, seed=1)
    decay = 1 / len(rows.labels)
    fit = fitted(rows, weight_decay=decay)
    assert fit.search.converged
    expected = peer(rows, decay)
    least = 1e-3 * np.abs(expected).max()
    apart = np.abs(fit.theta.numpy() - expected) / np.maximum(np.abs(expected), least)
    assert apart.max() < 1e-4


def even(count: int, sizes: tuple[int, ...]):
    """Rows in which all levels are as frequent, so that each has rows of both classes."""
    rng = np.random.default_rng(1)
    x, codes = rng.normal(size=(3, count)), [rng.integers(0, size, count) for size in sizes]
    logit = 0.5 * rng.normal(size=3) @ x
    for column, size in zip(codes, sizes, strict=True):
        logit += 0.5 * rng.normal(size=size)[column]
    return rows_of(x, codes, sizes, rng.random(count) < 1 / (1 + np.exp(-logit)))


@pytest.mark.parametrize(
    "sizes", [(40, 30), (300, 300), (560, 20)], ids=["few", "more than 512", "one of more than 512"]
)
def test_without_a_penalty_levels_converge_as_they_are_served(sizes):
    rows = even(20_000, sizes)
    fit, data = fitted(rows, weight_decay=0.0), gradient_source(rows)
    names = [f"f{i}" for i in range(len(fit.theta))]
    columns = Columns(names, (0, 1), lambda feature, value: value, names)
    said = verdict(data, fit.theta, 0.0, fit.state.updates, columns, fit.search)
    assert said.startswith("converged: each weight is right to four digits")
    one = LogisticRegression(C=np.inf, tol=1e-9, max_iter=5000)
    one.fit(one_hot(rows).features.double().T.numpy(), rows.labels.numpy())
    theirs = torch.from_numpy(np.append(one.coef_[0], one.intercept_))
    ours, theirs = map(rows.categories.centred, (fit.theta.double(), theirs))
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
    moved = fit.theta.double().clone()
    moved[3 : 3 + sizes[0]] += 50
    moved[-1] -= 50
    torch.testing.assert_close(rows.categories.centred(moved), ours)
    assert verdict(data, moved, 0.0, 9, columns, fit.search).startswith("converged")
    moved[3] += 0.01
    assert verdict(data, moved, 0.0, 9, columns, fit.search).startswith("warning")


def test_moments_of_codes_are_those_of_one_hot():
    rows = coded(20_000, 3, (4, 600, 2), seed=2)
    found = second_moments(gradient_source(rows), lambda rows: rows.labels + 1, torch.float64)
    expected = second_moments(
        gradient_source(one_hot(rows)), lambda rows: rows.labels + 1, torch.float64
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def test_hessian_products_are_those_of_one_hot():
    rows = coded(20_000, 3, (4, 600, 2), seed=3)
    generator = torch.Generator().manual_seed(0)
    theta, vector = torch.randn(2, 610, generator=generator).double()
    penalties = penalty_curvature(theta, 0.1)
    found = hessian_product(gradient_source(rows), theta, penalties, vector)
    expected = hessian_product(gradient_source(one_hot(rows)), theta, penalties, vector)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


def test_the_block_inverse_is_exact_where_all_levels_are_in_it():
    rows = coded(5000, 3, (9, 16), seed=4)
    penalties = penalty_curvature(torch.zeros(29).double(), 0.01)
    inverse = BlockInverse(gradient_source(rows), lambda rows: 1 + rows.labels, penalties)
    moments = second_moments(
        gradient_source(in_float64(one_hot(rows))), lambda rows: 1 + rows.labels, torch.float64
    )
    bound = moments + torch.diag(penalties)
    vector = torch.randn(29, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(inverse @ (bound @ vector), vector, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "decay"),
    [
        ((5000, 2, (530, 3)), 0.0),
        ((5000, 2, (530, 3, 1)), 2e-4),
        ((5000, 0, (530,)), 0.0),
        ((5000, 0, (530,)), 2e-4),
    ],
)
def test_the_step_is_the_longest_that_the_curvature_allows(shape, decay):
    rows = coded(*shape, seed=11)
    data = gradient_source(rows)
    spec, inverse = resolve_learning_rate(data, Optimizer(weight_decay=decay))
    assert isinstance(inverse, BlockInverse)
    penalties = penalty_curvature(data.largest.double(), decay)
    bound = second_moments(gradient_source(in_float64(one_hot(rows))), dtype=torch.float64) / 4
    image = torch.stack([inverse @ column for column in (bound + torch.diag(penalties)).T])
    largest = float(torch.linalg.eigvals(image).real.max())
    assert 0.93 < spec.lr * largest < 1.01


def flagged(positive: bool):
    """Rows of which those with the last of three levels are all of one class."""
    rows = coded(3000, 2, (3,), seed=5)
    level = rows.codes[0].numpy().astype(int)
    labels = np.where(level == 2, positive, rows.labels.numpy() == 1)
    return rows_of(rows.features.numpy(), [level], (3,), labels)


COLUMNS = Columns(
    ["age", "pay", "city = Bonn", "city = Köln", "city = Ulm"],
    ("no", "yes"),
    lambda _, value: value,
    ["age", "pay", "city", "city", "city"],
)


@pytest.mark.parametrize("positive", [True, False])
def test_a_level_of_one_class_is_named(positive):
    rows = flagged(positive)
    data, label = gradient_source(rows), "yes" if positive else "no"
    assert each_alone(data) == [Alone(4, (0.0, 0.0), (0.0, 1.0), positive)]
    assert one_class_levels(data).tolist() == [0, 0, 0, 0, 1 if positive else -1, 0]
    fit = fitted(rows)
    assert fit.search.direction is not None
    assert verdict(data, fit.theta, 0, 1, COLUMNS, fit.search) == (
        f"warning: the classes are separable, as all rows with 'city = Ulm' are '{label}', so no "
        "weights are best: use --l2 auto"
    )
    assert penalised_levels(data, fit.theta, 0, COLUMNS) == ""
    fit = fitted(rows, weight_decay=1e-3)
    assert verdict(data, fit.theta, 1e-3, 1, COLUMNS, fit.search).startswith("converged: ")
    said = penalised_levels(data, fit.theta, 1e-3, COLUMNS)
    centred = float(fit.theta[4] - fit.theta[2:5].double() @ rows.categories.shares[0])
    assert said == (
        f"note: all rows with 'city = Ulm' are '{label}': without a penalty there would be no best "
        f"weight; with --l2 0.001 it is {centred:.3g}, beside an average of 0 in the "
        "column"
    )


def test_levels_of_both_classes_are_not_named():
    data = gradient_source(coded(3000, 2, (3, 1), seed=6))
    assert not each_alone(data)
    assert not one_class_levels(data).any()
