"""The step that lr = "auto" stands for: the longest that the curvature of the cost allows.

The Hessian of a mean cost is XᵀDX/n, X with a column of ones, D the second derivative of each row's
cost in its logit; so it is at most c·XᵀX/n, c the loss's own `curvature`.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from train.gradients.design import squared_norms
from train.gradients.losses import LOSSES
from train.gradients.source import GradientSource, Rows
from train.optimize.level_moments import LevelMoments
from train.recipe.keys import Optimizer

MOST_FEATURES = 512
"""With more features, to compute a matrix of second moments takes longer than it saves."""
_MOST_PASSES, _CLOSE = 100, 1e-3
_NOISE = 1e-6
"""Curvature below this share of the largest one is rounding noise of float32 moments."""


@torch.no_grad()
def resolve_learning_rate(data: GradientSource, spec: Optimizer) -> tuple[Optimizer, Tensor | None]:
    """`spec` with a learning rate in numbers, and a preconditioner for gradients, or None.

    With full batches and up to 512 features the preconditioner (d + 1, d + 1) is the inverse of the
    bound on the Hessian (Böhning and Lindsay 1988, Monotonicity of quadratic-approximation
    algorithms), and the learning rate is 1: correlated features do not slow training down then.
    Otherwise the learning rate is `step_length`. So it is where `spec.patience` may end training
    early: plain steps first follow what most rows agree on, and reach lower hold-out costs.
    """
    if not isinstance(spec.lr, str):
        return spec.resolved(spec.lr), None
    width = len(data.largest)
    plain = spec.patience or not spec.accelerated or spec.in_batches(data.count)
    if plain or width > MOST_FEATURES + 1:
        lr = step_length(data, spec.loss, spec.weight_decay, spec.batch_size)
        return spec.resolved(lr), None
    bound = LOSSES[spec.loss].curvature * second_moments(data)
    bound += torch.diag(penalty_curvature(data.largest, spec.weight_decay).double())
    curvature, directions = torch.linalg.eigh(bound)
    inverse = (directions / curvature.clamp_min(_NOISE * curvature[-1])) @ directions.T
    # Unlike machines may round it differently, so all processes take that of the first.
    inverse = data.group.gather(inverse.to(data.largest.dtype).cpu())[0]
    return spec.resolved(1.0), inverse.to(data.largest.device)


def penalty_curvature(like: Tensor, weight_decay: float) -> Tensor:
    """The second derivatives (d + 1,) of the L2 penalty, shaped as `like`: 0 for the bias."""
    result = torch.full_like(like, weight_decay)
    result[-1] = 0
    return result


def second_moments(
    data: GradientSource,
    weigh: Callable[[Rows], Tensor] = lambda rows: torch.ones_like(rows.labels),
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """XᵀDX/n (d + 1, d + 1) in float64, X with a column of ones, D the weights of rows.

    `weigh` maps rows, in `dtype`, to their weights (m,). Products are computed in `dtype`, and
    chunks of rows added in float64.
    """
    size, numbers = len(data.largest), len(data.largest) - 1 - data.categories.levels
    sums = data.largest.new_zeros(size, size, dtype=torch.float64)
    moments = LevelMoments(numbers, data.categories)
    for some in data.blocks():
        rows = replace(some, features=some.features.to(dtype), labels=some.labels.to(dtype))
        weight = weigh(rows)
        weighted = rows.features * weight
        sums[:numbers, :numbers] += weighted @ rows.features.t()
        sums[:numbers, -1] += weighted.sum(1)
        sums[-1, -1] += weight.sum()
        if rows.codes:
            moments.add(rows, weighted.double(), weight.double(), sums)
    sums[-1, :numbers] = sums[:numbers, -1]
    if data.categories.shares:
        sums = torch.triu(sums) + torch.triu(sums, 1).T
    return data.group.sum(sums) / data.count


def step_length(data: GradientSource, loss: str, weight_decay: float, batch_size: int) -> float:
    """A learning rate: the inverse of the largest curvature, found by power iteration.

    The cost of a mini-batch of `batch_size` rows may curve more, the more the largest row weighs
    in it, and the step for it is half of the inverse: Gower et al. 2019, SGD: General Analysis and
    Improved Rates, theorem 3.1 and proposition 3.8.
    """
    rows, largest = data.count, _largest_eigenvalue(data)
    if 0 < batch_size < rows:
        share = (rows - batch_size) / (batch_size * (rows - 1))
        largest = (1 - share) * largest + share * (squared_norms(data)[1] + 1)
        largest *= 2
    return 1 / (LOSSES[loss].curvature * largest + weight_decay)


def _largest_eigenvalue(data: GradientSource) -> float:
    """The largest eigenvalue of XᵀX/n, at most 0.2% too large; the column of ones makes it 1."""
    vector = torch.ones_like(data.largest)  # not orthogonal to the column of ones
    product, found = torch.empty_like(vector), 0.0
    for _ in range(_MOST_PASSES):
        vector /= torch.linalg.vector_norm(vector)
        data.gradient("linear", vector, None, product)
        before, found = found, float(torch.linalg.vector_norm(product))
        if found - before <= _CLOSE * found:
            break
        vector.copy_(product)
    return (1 + 2 * _CLOSE) * found
