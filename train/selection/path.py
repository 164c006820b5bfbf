"""Fits without each fold in turn, from strong to weak penalties, all folds at a time.

Each fit minimises the weighted sum of the cross-entropies of its rows, plus a / 2 times the sum of
the squared weights, plus b times the sum of their magnitudes, by Newton's method in float64.
Without b that is scikit-learn's C = 1 / a. Each strength begins where the one before has ended.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serve_runtime.arrays import Float64
from train.gradients.design import in_float64, logits_of_several, products_of_several, squared
from train.gradients.source import NO_CATEGORIES, Rows
from train.optimize.curvature import MOST_FEATURES, penalty_curvature
from train.optimize.proximal import lowest
from train.optimize.second_moments import MomentSums
from train.selection.conjugate_gradients import (
    MOST_PRODUCTS,
    Precondition,
    conjugate_gradients,
)
from train.tables.columns.profile import Indices

_MOST_STEPS, _MOST_HALVINGS = 50, 30
_CLOSE = 1e-8
"""Of a squared decrement, twice what the cost of a fit, a sum over rows, may still fall by."""
_SLOW = 0.1
"""Second derivatives are computed anew where the decrement falls by less than to this share."""
_RIDGE = 1e-11
"""Of the second derivatives, added to their diagonal, as columns may be dependent."""
_FEW = 2e7
"""Multiplications for which each fit gets the matrix of its own second derivatives. Else there are
conjugate gradients, which those of the mean fit precondition."""
_MANY_PRODUCTS = 8
"""After so many the matrix is computed anew, which takes as long."""
_FEW_LEVELS = 8
"""Levels of a category, on average, that are faster as columns of 0 and 1 than as codes."""
_NARROW = 1e6
"""Magnitudes of numbers that may be squared and added in float32; standardised ones are small."""
_CLOSE_WIDE = 1e-4
"""The squared decrement of a fit that is found, with levels and more than 512 columns: then the
diagonal of the matrix alone preconditions."""
_WORSE = 1e-12
"""A cost that rises by less than this share of itself is rounding."""


Found: TypeAlias = tuple[Tensor, float]
"""Steps (folds, d + 1), to be subtracted from the weights, and the largest squared decrement."""
Solver: TypeAlias = Callable[[Tensor], Found]
"""Makes steps of the gradients (folds, d + 1)."""


class FoldPath:
    """The fits of one design along a path of strengths."""

    def __init__(
        self, rows: Rows, fold: Indices, folds: int, b: float = 0.0, close: float = _CLOSE
    ) -> None:
        """`fold` (n,) says which fold each of the rows is in; a fit is found where its squared
        decrement is no more than `close`."""
        self._order = np.argsort(fold, kind="stable")
        self._rows = in_float64(rows.at(torch.from_numpy(self._order)))
        levels, columns = rows.categories.levels, len(rows.features)
        self._wide = levels > 0 and not b and columns + levels > MOST_FEATURES
        if not b:
            self._rows = _narrowed(self._rows)
        if not self._wide and levels <= _FEW_LEVELS * len(rows.codes):
            self._rows = _with_flags(self._rows)
        self._narrow = self._rows
        """The rows as conjugate gradients take them, in float32 where that does: what a step makes
        of the costs is computed in float64."""
        if bool((self._rows.features.abs() <= _NARROW).all()):
            self._narrow = self._rows.in_type(torch.float32)
        self._rotated = not levels and len(self._rows.features) < columns
        ends = np.cumsum(np.bincount(fold, minlength=folds)).tolist()
        self._parts = [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]
        self._numbers = len(self._rows.features)
        width = self._numbers + self._rows.categories.levels + 1
        self._theta = torch.zeros(folds, width, dtype=torch.float64)
        self._start: Tensor | None = None
        self._close = _CLOSE_WIDE if self._wide else close
        self._l1 = penalty_curvature(self._theta[0], b)
        self._own = len(rows.labels) * width**2 * folds <= _FEW
        self._exact = bool(b) or (self._own and not self._wide)
        """Whether steps come of the matrix of second derivatives, not of conjugate gradients."""
        self._curvature: Tensor | None = None
        """(d + 1, d + 1) of which conjugate gradients are preconditioned."""
        self._factored: Tensor | None = None
        """Its factor, with the penalty of this strength."""

    def solve(self, a: float) -> Float64:
        """The logits (n,) of all rows, each by the fit without its fold, with the penalty `a`."""
        threads = torch.get_num_threads()
        # Products are small, so that more threads spend their time on waiting for each other, most
        # of all where other programs run; and the bits do not depend on how many there are.
        torch.set_num_threads(1)
        try:
            return self._solve(a)
        finally:
            torch.set_num_threads(threads)

    @property
    def theta(self) -> Float64 | None:
        """(folds, d + 1) the weights of the last fits, and the bias; None where they are those of
        rotated numbers."""
        return None if self._rotated else self._theta.numpy()

    def begin_at(self, theta: Float64) -> None:
        """Let the next fits begin at `theta` (folds, d + 1), those for which it costs less than
        weights of 0; unless numbers are rotated."""
        self._start = None if self._rotated else torch.from_numpy(theta)

    @torch.no_grad()
    def _solve(self, a: float) -> Float64:
        penalties = penalty_curvature(self._theta[0], a)
        logits, costs = self._begun(penalties)
        solved, last, self._factored = None, np.inf, None
        for _ in range(_MOST_STEPS):
            p = logits.sigmoid()
            residuals = self._without_own(self._rows.weighted(p - self._rows.labels))
            gradient = products_of_several(self._rows, residuals) + penalties * self._theta
            found = solved(gradient) if solved and self._exact else None
            if found is None or found[1] > _SLOW * last:
                solved = self._solver(self._rows.weighted(p * (1 - p)), penalties)
                found = solved(gradient)
            step, last = found
            moved = self._moved(step, penalties, costs)
            if moved is None:
                break
            self._theta, logits, costs = moved
            if last <= self._close:
                break
        result = np.empty(len(self._order))
        parts = zip(logits, self._parts, strict=True)
        result[self._order] = torch.cat([of[part] for of, part in parts]).numpy()
        return result

    def _begun(self, penalties: Tensor) -> tuple[Tensor, Tensor]:
        """The logits and costs where the fits begin."""
        found = self._at(self._theta, penalties)
        if self._start is None:
            return found
        start, self._start = self._start, None
        _, there = self._at(start, penalties)  # far beyond a minimum the way back is long
        self._theta = torch.where((there < found[1])[:, None], start, self._theta)
        return self._at(self._theta, penalties)

    def _without_own(self, values: Tensor) -> Tensor:
        """`values` (folds, n), 0 where a fit leaves the row out."""
        for of, part in zip(values, self._parts, strict=True):
            of[part] = 0
        return values

    def _at(self, theta: Tensor, penalties: Tensor) -> tuple[Tensor, Tensor]:
        """The logits (folds, n), and the costs (folds,)."""
        logits = logits_of_several(self._rows, theta)
        labels = self._rows.labels.expand_as(logits)
        rows = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        penalty = (penalties / 2 * theta**2 + self._l1 * theta.abs()).sum(1)
        return logits, self._without_own(self._rows.weighted(rows)).sum(1) + penalty

    def _moved(
        self, step: Tensor, penalties: Tensor, costs: Tensor
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """The weights, logits and costs after as much of `step` as lowers each cost; None where
        rounding lets none fall."""
        lengths = torch.ones_like(costs)
        for _ in range(_MOST_HALVINGS):
            theta = self._theta - lengths[:, None] * step
            logits, found = self._at(theta, penalties)
            worse = ~(found <= costs * (1 + _WORSE))
            if not worse.any():
                return theta, logits, found
            lengths = torch.where(worse, lengths / 2, lengths)
        return None

    def _solver(self, weights: Tensor, penalties: Tensor) -> Solver:
        """Newton's steps where rows have the `weights` (folds, n) p(1 - p)."""
        if not self._exact:
            return partial(self._inexact, weights, penalties)
        if self._own:
            own = self._without_own(weights)
            curvature = torch.stack([self._moments(self._rows, of) for of in own])
        else:
            mean = weights.mean(0)
            folds = [self._moments(self._rows.at(part), mean[part]) for part in self._parts]
            parts = torch.stack(folds)
            curvature = parts.sum(0) - parts
        if self._l1.any():
            return partial(self._proximal, curvature + torch.diag(penalties))
        return partial(_solved, _factor(curvature, penalties))

    def _inexact(self, weights: Tensor, penalties: Tensor, gradient: Tensor) -> Found:
        """Newton's steps by conjugate gradients, each fit's with the weights of its own rows."""
        own = self._without_own(weights.clone())
        if self._wide:
            diagonal = products_of_several(squared(self._rows), own) + penalties
            inverse = torch.where(diagonal > 0, 1 / diagonal, 0)
            precondition: Precondition = inverse.mul
        else:
            precondition = partial(_product, self._factor_of_all(weights, penalties))
        step, products = conjugate_gradients(self._narrow, own, penalties, gradient, precondition)
        if products >= _MANY_PRODUCTS:
            self._curvature = None
        if products == MOST_PRODUCTS and self._narrow is not self._rows:
            self._narrow = self._rows
            return self._inexact(weights, penalties, gradient)
        return step, _largest(step, gradient)

    def _factor_of_all(self, weights: Tensor, penalties: Tensor) -> Tensor:
        """The factor of the second derivatives of a fit, on average over the fits."""
        narrow = self._narrow.labels
        if self._curvature is None:
            mean = weights.sum(0) * ((len(weights) - 1) / len(weights) ** 2)
            self._curvature = self._moments(self._narrow, mean.to(narrow)).to(narrow)
            self._factored = None
        if self._factored is None:
            self._factored = _factor(self._curvature[None], penalties.to(narrow))[0]
        return self._factored

    def _proximal(self, hessian: Tensor, gradient: Tensor) -> Found:
        ends = [
            lowest(*each, self._l1) for each in zip(hessian, gradient, self._theta, strict=True)
        ]
        step = self._theta - torch.stack(ends)
        return step, _largest(step, torch.linalg.vecdot(hessian, step[:, None]))

    def _moments(self, rows: Rows, weights: Tensor) -> Tensor:
        sums = MomentSums(self._numbers, rows.categories, rows.labels)
        sums.add(rows, weights)
        return sums.total()


def _factor(curvature: Tensor, penalties: Tensor) -> Tensor:
    """The Cholesky factors of second derivatives (folds, d + 1, d + 1) with `penalties`; those of
    the identity where float64 holds none, as all probabilities are 0 or 1."""
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    ridge, size = _RIDGE, diagonal.mean(1, keepdim=True) + penalties.mean()
    while ridge < 1:
        whole = curvature + torch.diag_embed(penalties + ridge * (diagonal + size))
        factor: Tensor
        factor, failed = torch.linalg.cholesky_ex(whole)
        if not failed.any():
            return factor
        ridge *= 100
    return torch.eye(len(penalties)).to(curvature).expand_as(curvature)


def _product(factor: Tensor, gradient: Tensor) -> Tensor:
    """The product of each of `gradient` (folds, d + 1) with the inverse of the matrix of a factor
    (d + 1, d + 1)."""
    return torch.cholesky_solve(gradient.T.to(factor), factor).T.to(gradient)


def _solved(factor: Tensor, gradient: Tensor) -> Found:
    step = torch.cholesky_solve(gradient[:, :, None], factor)[:, :, 0]
    return step, _largest(step, gradient)


def _largest(step: Tensor, gradient: Tensor) -> float:
    """The largest squared decrement of the fits."""
    return float((step * gradient).sum(1).amax())


def _narrowed(rows: Rows) -> Rows:
    """`rows` with no more numbers than rows, where there are more and nothing else: rotated, which
    leaves logits and the sum of squared weights as they are."""
    wide = len(rows.features) > len(rows.labels) and not rows.codes
    if not wide:
        return rows
    return replace(rows, features=torch.linalg.qr(rows.features, mode="r").R)


def _with_flags(rows: Rows) -> Rows:
    """`rows` with a number of 0 and 1 for each level in place of categories."""
    pairs = zip(rows.codes, rows.categories.sizes, strict=True)
    flags = [functional.one_hot(codes.long(), size).T.to(rows.features) for codes, size in pairs]
    features = torch.cat([rows.features, *flags])
    return replace(rows, features=features, codes=(), categories=NO_CATEGORIES)
