"""Fits without each fold: those of scikit-learn without the same rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from train.gradients.source import Categories, Rows
from train.optimize import curvature
from train.selection import path
from train.selection.folds import fold_of_rows
from train.selection.path import FoldPath


def drawn(count: int, width: int, sizes: tuple[int, ...] = (), seed: int = 0) -> Rows:
    """Rows of correlated numbers and of categories with so many levels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(width, count)) + 0.5 * rng.normal(size=count)
    codes = [rng.integers(0, size, count).astype(np.int16) for size in sizes]
    logit = 0.5 * rng.normal(size=width) @ x
    logit += sum((rng.normal(size=size)[c] for size, c in zip(sizes, codes, strict=True)), 0)
    labels = rng.random(count) < 1 / (1 + np.exp(-logit))
    shares = [np.bincount(c, minlength=size) / count for size, c in zip(sizes, codes, strict=True)]
    return Rows(
        torch.tensor(x, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.float32),
        tuple(map(torch.from_numpy, codes)),
        Categories(tuple(map(torch.from_numpy, shares))),
    )


def matrix(rows: Rows) -> np.ndarray:
    """The design, with a column for each level."""
    parts = [rows.features.numpy().T.astype(float)]
    parts += [np.eye(size)[codes.numpy()] for size, codes in zip(
        rows.categories.sizes, rows.codes, strict=True)]  # fmt: skip
    return np.concatenate(parts, axis=1)


def held_out(rows: Rows, fold: np.ndarray, **settings) -> np.ndarray:
    """The logits of scikit-learn's fits, each without the fold of the row."""
    x, y, result = matrix(rows), rows.labels.numpy(), np.empty(len(fold))
    for i in np.unique(fold):
        model = LogisticRegression(tol=1e-9, max_iter=20_000, **settings)
        weights = None if rows.weights is None else rows.weights.numpy()[fold != i]
        model.fit(x[fold != i], y[fold != i], weights)
        result[fold == i] = model.decision_function(x[fold == i])
    return result


@pytest.mark.parametrize(
    ("count", "width", "sizes"),
    [(60, 3, ()), (500, 12, ()), (800, 2, (3, 9)), (40, 90, ()), (300, 0, (4, 20))],
)
def test_fits_are_those_of_scikit_learn(count, width, sizes):
    rows = drawn(count, width, sizes)
    fold = fold_of_rows(rows.labels.numpy(), 3, 1)
    fits = FoldPath(rows, fold, 3)
    for a in (1e3, 10.0, 0.1):
        expected = held_out(rows, fold, C=1 / a, solver="newton-cholesky")
        assert np.abs(fits.solve(a) - expected).max() < 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize("few", [1e8, 0])
@pytest.mark.parametrize(
    ("count", "width", "sizes"), [(500, 12, ()), (800, 2, (3, 9)), (40, 90, ())]
)
def test_weighted_fits_are_those_of_scikit_learn(count, width, sizes, few, monkeypatch):
    monkeypatch.setattr(path, "_FEW", few)
    weights = torch.rand(count, generator=torch.Generator().manual_seed(0)) * 4
    rows = replace(drawn(count, width, sizes), weights=weights)
    fold = fold_of_rows(rows.labels.numpy(), 3, 1)
    fits = FoldPath(rows, fold, 3)
    for a in (100.0, 1.0):
        expected = held_out(rows, fold, C=1 / a, solver="newton-cholesky")
        assert np.abs(fits.solve(a) - expected).max() < 2e-4 * np.abs(expected).max()


def test_many_rows_share_the_weights_of_second_derivatives(monkeypatch):
    rows = drawn(600, 4, (5,))
    fold = fold_of_rows(rows.labels.numpy(), 4, 1)
    own = [FoldPath(rows, fold, 4).solve(a) for a in (1.0,)]
    monkeypatch.setattr(path, "_FEW", 0)
    shared = [FoldPath(rows, fold, 4).solve(a) for a in (1.0,)]
    assert not np.array_equal(own, shared)
    assert np.allclose(own, shared, atol=1e-4)


def test_wide_tables_with_levels_take_conjugate_gradients(monkeypatch):
    rows = drawn(900, 3, (4, 30))
    fold = fold_of_rows(rows.labels.numpy(), 3, 1)
    exact = [FoldPath(rows, fold, 3).solve(a) for a in (10.0, 1.0)]
    monkeypatch.setattr(path, "MOST_FEATURES", 20)
    fits = FoldPath(rows, fold, 3)
    assert np.allclose([fits.solve(a) for a in (10.0, 1.0)], exact, atol=5e-3)
    assert curvature.MOST_FEATURES == 512


@pytest.mark.parametrize("sizes", [(), (3, 6)])
def test_an_l1_penalty_in_each_fold(sizes):
    rows = drawn(300, 5, sizes)
    fold = fold_of_rows(rows.labels.numpy(), 3, 1)
    a, b = 2.0, 6.0
    expected = held_out(rows, fold, C=1 / (a + b), l1_ratio=b / (a + b), solver="saga")
    assert np.abs(FoldPath(rows, fold, 3, b).solve(a) - expected).max() < 1e-3


def test_no_penalty_on_separable_rows_ends():
    x = torch.linspace(-1, 1, 40)[None].contiguous()
    rows = Rows(x, (x[0] > 0).float())
    fold = fold_of_rows(rows.labels.numpy(), 4, 1)
    assert np.isfinite(FoldPath(rows, fold, 4).solve(0.0)).all()


def test_folds_have_their_share_of_both_classes_and_are_the_same_again():
    labels = (np.arange(103) % 5 == 0).astype(np.float32)
    fold = fold_of_rows(labels, 4, 7)
    for label in (0, 1):
        counts = np.bincount(fold[labels == label], minlength=4)
        assert np.ptp(counts) <= 1
    assert np.ptp(np.bincount(fold)) <= 1
    assert np.array_equal(fold, fold_of_rows(labels, 4, 7))
    assert not np.array_equal(fold, fold_of_rows(labels, 4, 8))
