"""The end of a training: steps of Newton's method to the minimum of the mean cross-entropy.

Gradient descent in float32 comes near the minimum and then loses its way: of a gradient of nearly
0 the rounding of float32 is what is left, and along nearly collinear features it hardly moves.
Here everything is added in float64, so neither limits how near the weights come. The rows are read
chunk by chunk, from wherever they are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from train.gradients.design import add_products, in_float64, logits, reach, several_logits, squared
from train.gradients.source import Categories, GradientSource, Rows
from train.optimize.block_inverse import BlockInverse
from train.optimize.conjugate_gradient import inverse_of, solve
from train.optimize.curvature import MOST_FEATURES, penalty_curvature
from train.optimize.hessian_product import hessian_product
from train.optimize.second_moments import second_moments
from train.optimize.separation import one_class_levels, separating

CONVERGED = 5e-5
"""The largest relative change of a weight that leaves four significant digits."""
_SMALL = 1e-3
"""Changes are measured as a share of the weight, but of no less than this share of the largest, so
that weights near 0 do not have to converge to four digits of their own."""
_FLAT = 1e-13
"""Curvature below this share of the largest one is rounding noise of float64."""
_DEPENDENT = 1e-9
"""Features are linearly dependent where their combination varies by less than this share of the
largest variance: what the rounding of standardised features to float32 leaves is 1e-14."""
_MOST_DENSE = 2049
"""Up to so many weights the matrix of second derivatives is computed, which takes 34 MB."""
_LINEAR = math.exp(-2)
"""Near a minimum the squared decrement falls faster than by this factor from step to step; along a
direction in which the cost falls for ever, by 1/e."""
_NOISE = 1e-18
"""A squared decrement that is the rounding of float64."""
_LENGTHS = (4.0, 2.0, 1.0, 0.5, 0.1, 0.01, 1e-3)
"""Of Newton's step, those that are tried where the whole step does not do."""


@dataclass(frozen=True)
class Step:
    """Newton's step at some weights, in float64."""

    gradient: Tensor
    """(d + 1,)"""
    step: Tensor
    """(d + 1,), to be subtracted from the weights."""
    right: bool
    """Whether the weights classify every row correctly."""
    exact: bool
    """Whether the step is what the second derivatives say; else it is shorter."""
    curved: bool = True
    """False where the second derivatives underflow, because the logits are far too large."""

    @property
    def decrement(self) -> float:
        """The squared Newton decrement: twice the cost that the step is expected to save."""
        return float(torch.dot(self.gradient, self.step))


@dataclass(frozen=True)
class Search:
    """How far `find_minimum` has come."""

    theta: Tensor
    """(d + 1,), float64: the minimum, or where the search ended."""
    steps: int
    left: float
    """The largest relative change of a weight that would still follow."""
    exact: bool = True
    """Whether `left` is known; else it is at least that."""
    direction: Tensor | None = None
    """Where there is no minimum: weights (d + 1,), along which the cost falls for ever."""
    at_limit: bool = False
    """Whether the search ended because float64 leads no nearer."""

    @property
    def converged(self) -> bool:
        """Whether four significant digits of each weight are right."""
        return self.direction is None and self.exact and self.left < CONVERGED


def relative_change(
    step: Tensor, theta: Tensor, categories: Categories, weight_decay: float
) -> float:
    """The largest change of a weight by `step`, as a share of the weight; for weights below a
    thousandth of the largest one, of that thousandth.

    Without a penalty the weights of a category may rise together where the bias falls. So they are
    compared as they are served, around their mean; with one, no weights are as good as others.
    """
    if not weight_decay:
        step, theta = categories.centred(step), categories.centred(theta)
    smallest = max(_SMALL * float(theta.abs().amax()), torch.finfo(torch.float64).tiny)
    return float((step.abs() / theta.abs().clamp_min(smallest)).amax())


class Residuals:
    """Weighs rows in float64 by the second derivatives p(1 - p) of their costs at `theta`, and adds
    up what the first ones are made of. Every row is to come once."""

    def __init__(self, data: GradientSource, theta: Tensor) -> None:
        self._data, self._theta, self._sums = data, theta, torch.zeros_like(theta)
        self._wrong = torch.zeros((), dtype=torch.int64, device=theta.device)

    def __call__(self, rows: Rows) -> Tensor:
        """The weights (m,) of `rows`."""
        p = logits(rows, self._theta).sigmoid()
        residual = p - rows.labels
        add_products(rows, rows.weighted(residual), self._sums)
        self._wrong += (residual.abs() >= 0.5).sum()
        return rows.weighted(p * (1 - p))

    def gradient(self) -> Tensor:
        """The gradient (d + 1,) of the mean cost over the rows of all processes."""
        return self._data.group.sum(self._sums) / self._data.count

    def right(self) -> bool:
        """Whether every row was classified correctly."""
        return not int(self._data.group.sum(self._wrong))


@torch.no_grad()
def newton_step(data: GradientSource, theta: Tensor, weight_decay: float) -> Step:
    """Newton's step at `theta` (d + 1,), by one pass over the rows; by many with more than 2,048
    features, where the matrix of second derivatives would take too much memory.

    Directions without curvature do not count: along them, such as that of a feature that repeats
    others, the cost is the same.
    """
    theta = theta.double()
    penalties = penalty_curvature(theta, weight_decay)
    weigh = Residuals(data, theta)
    if len(theta) > _MOST_DENSE:
        product = partial(hessian_product, data, theta, penalties)
        if data.categories.shares:
            precondition = BlockInverse(data, weigh, penalties).__matmul__
        else:
            precondition = inverse_of(_diagonal(data, weigh) + penalties)
    else:
        hessian = second_moments(data, weigh, torch.float64) + torch.diag(penalties)
        product, precondition = partial(torch.mv, hessian), inverse_of(hessian.diagonal())
    gradient = weigh.gradient() + penalties * theta
    right = weigh.right()
    if len(theta) > MOST_FEATURES + 1:
        step, exact = solve(product, precondition, gradient)
        step, exact = data.group.gather((step.cpu(), exact))[0]
        return Step(gradient, step.to(theta.device), right, exact)
    curvature, directions = torch.linalg.eigh(hessian)
    flat = curvature <= _FLAT * curvature[-1]
    inverse = torch.where(flat, 0, 1 / curvature)
    step = directions @ (inverse * (directions.T @ gradient))
    # Unlike machines may round it differently, so all processes take that of the first.
    step, flat, directions = data.group.gather((step.cpu(), flat.cpu(), directions.cpu()))[0]
    curved = not flat.any() or _dependent(data, directions[:, flat].to(theta.device))
    return Step(gradient, step.to(theta.device), right, True, curved)


def find_minimum(
    data: GradientSource,
    theta: Tensor,
    weight_decay: float,
    most_steps: int,
    each: Callable[[], object] = lambda: None,
) -> Search:
    """Go from `theta` (d + 1,), which stays as it is, to the minimum by Newton's method.

    At most `most_steps` steps are taken, and `each` is called after each. It ends early where the
    minimum is reached, where there is none, and where float64 leads no nearer.
    """
    start = theta = theta.double()
    if not weight_decay and (parting := one_class_levels(data)).any():
        return Search(theta, 0, math.inf, False, parting)
    before, length = math.inf, 1.0
    left, exact = math.inf, True
    for steps in range(most_steps):
        found = newton_step(data, theta, weight_decay)
        if not found.curved and steps == 0 and theta.any():  # from 0 on, curvature does not vanish
            start = theta = torch.zeros_like(theta)
            found = newton_step(data, theta, weight_decay)
        left = relative_change(found.step, theta, data.categories, weight_decay)
        exact = found.exact
        if not weight_decay and found.right:
            return Search(theta, steps, left, exact, theta)
        if found.curved and found.exact and left < CONVERGED:
            return Search(theta - found.step, steps, left)
        slow = found.decrement > before * _LINEAR ** max(1, length)
        if (slow or steps > 1) and not weight_decay:
            direction = separating(data, -found.step if found.curved else theta - start)
            if direction is not None:
                return Search(theta, steps, left, exact, direction)
        if not found.curved or (slow and found.decrement < _NOISE):
            return Search(theta, steps, left, exact, at_limit=True)
        length = _length(data, theta, found.step, weight_decay, slow)
        if not length:
            return Search(theta, steps, left, exact, at_limit=True)
        theta, before = theta - length * found.step, found.decrement
        each()
    return Search(theta, most_steps, left, exact)


def _length(
    data: GradientSource, theta: Tensor, step: Tensor, weight_decay: float, slow: bool
) -> float:
    """How much of Newton's `step` lowers the cost most; 0 where none lowers it.

    The whole step is taken where it lowers the cost, unless progress is `slow`. It does where it
    moves no logit by more than 1: curvatures p(1 - p) grow at most e-fold on the way.
    """
    if not slow and reach(data, step) <= 1:
        return 1.0
    whole = costs(data, theta, step, weight_decay, (0.0, 1.0))
    if whole[1] < whole[0] and not slow:
        return 1.0
    found = costs(data, theta, step, weight_decay, _LENGTHS)
    best = int(found.argmin())
    return _LENGTHS[best] if found[best] < whole[0] else 0.0


def costs(
    data: GradientSource,
    theta: Tensor,
    step: Tensor,
    weight_decay: float,
    lengths: tuple[float, ...],
    l1: float = 0.0,
) -> Tensor:
    """The costs at `theta` minus each of `lengths` times `step`, by one pass; on the CPU."""
    result = theta.new_zeros(len(lengths))
    for rows in map(in_float64, data.blocks()):
        at, by = logits(rows, theta), logits(rows, step)
        for i, length in enumerate(lengths):
            result[i] += functional.binary_cross_entropy_with_logits(
                at - length * by, rows.labels, rows.weights, reduction="sum"
            )
    result = data.group.sum(result) / data.count
    ends = theta - theta.new_tensor(lengths)[:, None] * step
    weights = ends[:, :-1]
    return (result + weight_decay / 2 * weights.square().sum(1) + l1 * weights.abs().sum(1)).cpu()


def _diagonal(data: GradientSource, weigh: Callable[[Rows], Tensor]) -> Tensor:
    """The diagonal (d + 1,) of what `second_moments` computes."""
    result = data.largest.new_zeros(len(data.largest), dtype=torch.float64)
    for rows in map(in_float64, data.blocks()):
        add_products(squared(rows), weigh(rows), result)
    return data.group.sum(result) / data.count


def _dependent(data: GradientSource, directions: Tensor) -> bool:
    """Whether the features are linearly dependent along all `directions` (d + 1, k)."""
    squares = directions.new_zeros(directions.shape[1])
    every = torch.zeros((), dtype=torch.float64, device=directions.device)
    for rows in map(in_float64, data.blocks()):
        squares += several_logits(rows, directions).square().sum(0)
        every = torch.maximum(every, rows.features.square().sum(1).amax())
    return bool((data.group.sum(squares) <= _DEPENDENT * data.group.sum(every)).all())
