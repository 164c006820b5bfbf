"""Fits without each fold in turn, from strong to weak penalties, all folds at a time.

Each fit minimises the sum of the cross-entropies of its rows plus a / 2 times the sum of the
squared weights, a = 1 / C, by Newton's method in float64. Each strength begins where the one before
has ended.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from serve_runtime.arrays import Float64
from train.gradients.design import in_float64, logits_of_several, products_of_several
from train.gradients.source import Rows
from train.optimize.second_moments import MomentSums
from train.tables.columns.profile import Indices

_MOST_STEPS, _MOST_HALVINGS = 50, 30
_CLOSE = 1e-8
"""A fit is found where its squared decrement is no more: twice what its cost, a sum over rows, may
still fall by."""
_SLOW = 0.1
"""Second derivatives are computed anew where the decrement falls by less than to this share."""
_RIDGE = 1e-11
"""Of the second derivatives, added to their diagonal, as columns may be dependent."""
_FEW = 1e8
"""Multiplications for which each fit gets second derivatives with weights of its own; else all have
those of the mean fit."""
_SMALL = 1 << 20
"""Products of fewer values than that are not worth more than one thread."""
_WORSE = 1e-12
"""A cost that rises by less than this share of itself is rounding."""


class FoldPath:
    """The fits of one design along a path of strengths."""

    def __init__(self, rows: Rows, fold: Indices, folds: int) -> None:
        """`fold` (n,) says which fold each of the rows is in."""
        self._order = np.argsort(fold, kind="stable")
        self._rows = in_float64(rows.at(torch.from_numpy(self._order)))
        ends = np.cumsum(np.bincount(fold, minlength=folds)).tolist()
        self._parts = [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]
        self._numbers = len(rows.features)
        width = self._numbers + rows.categories.levels + 1
        self._theta = torch.zeros(folds, width, dtype=torch.float64)
        self._own = len(rows.labels) * width**2 * folds <= _FEW

    def solve(self, a: float) -> Float64:
        """The logits (n,) of all rows, each by the fit without its fold, with the penalty `a`."""
        threads = torch.get_num_threads()
        small = self._rows.features.numel() * len(self._theta) < _SMALL
        torch.set_num_threads(1 if small else threads)
        try:
            return self._solve(a)
        finally:
            torch.set_num_threads(threads)

    @torch.no_grad()
    def _solve(self, a: float) -> Float64:
        penalties = torch.full_like(self._theta[0], a)
        penalties[-1] = 0
        logits, costs = self._at(self._theta, penalties)
        factor, last = None, np.inf
        for _ in range(_MOST_STEPS):
            p = logits.sigmoid()
            residuals = self._without_own(p - self._rows.labels)
            gradient = products_of_several(self._rows, residuals) + penalties * self._theta
            step = None if factor is None else _solved(factor, gradient)
            if step is None or _decrement(step, gradient) > _SLOW * last:
                factor = _factor(self._curvature(p * (1 - p)), penalties)
                step = _solved(factor, gradient)
            last = _decrement(step, gradient)
            if last <= _CLOSE:
                break
            moved = self._moved(step, penalties, costs)
            if moved is None:
                break
            self._theta, logits, costs = moved
        result = np.empty(len(self._order))
        parts = zip(logits, self._parts, strict=True)
        result[self._order] = torch.cat([of[part] for of, part in parts]).numpy()
        return result

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
        return logits, self._without_own(rows).sum(1) + (penalties * theta**2).sum(1) / 2

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

    def _curvature(self, weights: Tensor) -> Tensor:
        """The second derivatives (folds, d + 1, d + 1) of the costs without penalties, from the
        `weights` (folds, n) p(1 - p)."""
        if self._own:
            return torch.stack(
                [self._moments(slice(None), of) for of in self._without_own(weights)]
            )
        mean = weights.mean(0)
        parts = torch.stack([self._moments(part, mean[part]) for part in self._parts])
        return parts.sum(0) - parts

    def _moments(self, part: slice, weights: Tensor) -> Tensor:
        sums = MomentSums(self._numbers, self._rows.categories, self._rows.labels)
        sums.add(self._rows.at(part), weights)
        return sums.total()


def _factor(curvature: Tensor, penalties: Tensor) -> Tensor:
    """The Cholesky factors of second derivatives (folds, d + 1, d + 1) with `penalties`."""
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    ridge, size = _RIDGE, diagonal.mean(1, keepdim=True)
    while True:
        whole = curvature + torch.diag_embed(penalties + ridge * (diagonal + size))
        found, failed = torch.linalg.cholesky_ex(whole)
        if not failed.any():
            factor: Tensor = found
            return factor
        ridge *= 100


def _solved(factor: Tensor, gradient: Tensor) -> Tensor:
    return torch.cholesky_solve(gradient[:, :, None], factor)[:, :, 0]


def _decrement(step: Tensor, gradient: Tensor) -> float:
    """The largest squared decrement of the fits."""
    return float((step * gradient).sum(1).amax())
