"""The longest steps that the curvature of the cost allows: what lr = "auto" stands for.

The Hessian of a mean cost is XᵀDX/n, X with a column of ones, D the second derivative of each row's
cost in its logit; so it is at most c·XᵀX/n, c the loss's own `curvature`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from train.gradients.losses import LOSSES
from train.gradients.source import Design, Rows, squared_norms
from train.recipe.sections import Optimizer

MOST_FEATURES = 512
"""With more, a matrix of second moments would take longer than what it saves."""
_MOST_PASSES, _CLOSE = 100, 1e-3
_NOISE = 1e-6
"""Curvature that float32 moments cannot tell from none, as a share of the largest."""


@torch.no_grad()
def automatic(data: Design, spec: Optimizer) -> tuple[Optimizer, Tensor | None]:
    """`spec` with its learning rate, and the matrix by which gradients are multiplied, if any.

    With full batches and up to 512 features that is the inverse of the bound on the Hessian
    (Böhning and Lindsay 1988, Monotonicity of quadratic-approximation algorithms), and the
    learning rate is 1: however strongly features are correlated, they do not slow it down.
    Otherwise the learning rate is `step_length`; also where `spec.patience` ends training early,
    since plain steps follow first what most rows agree on, and hold-out costs are lower.
    """
    if not isinstance(spec.lr, str):
        return spec.resolved(spec.lr), None
    width = len(data.largest)
    plain = spec.patience or not spec.accelerated or spec.in_batches(data.count)
    if plain or width > MOST_FEATURES + 1:
        lr = step_length(data, spec.loss, spec.weight_decay, spec.batch_size)
        return spec.resolved(lr), None
    bound = LOSSES[spec.loss].curvature * second_moments(data)
    bound += torch.diag(penalty(data.largest, spec.weight_decay).double())
    curvature, directions = torch.linalg.eigh(bound)
    inverse = (directions / curvature.clamp_min(_NOISE * curvature[-1])) @ directions.T
    # Processes on unlike machines may round it differently; that of the first counts.
    inverse = data.group.gather(inverse.to(data.largest.dtype).cpu())[0]
    return spec.resolved(1.0), inverse.to(data.largest.device)


def penalty(like: Tensor, weight_decay: float) -> Tensor:
    """The penalty's second derivatives (d + 1,): none on the bias."""
    result = torch.full_like(like, weight_decay)
    result[-1] = 0
    return result


def second_moments(
    data: Design,
    weigh: Callable[[Rows], Tensor] = lambda rows: torch.ones_like(rows.labels),
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """XᵀDX/n (d + 1, d + 1), float64, X with a column of ones, D what `weigh` gives each row.

    Products in `dtype`, in which `weigh` gets the rows, and sums of blocks in float64.
    """
    width = len(data.largest) - 1
    sums = data.largest.new_zeros(width + 1, width + 1, dtype=torch.float64)
    for some in data.blocks():
        rows = Rows(some.features.to(dtype), some.labels.to(dtype))
        weight = weigh(rows)
        weighted = rows.features * weight
        sums[:width, :width] += weighted @ rows.features.t()
        sums[:width, width] += weighted.sum(1)
        sums[width, width] += weight.sum()
    sums[width, :width] = sums[:width, width]
    return data.group.sum(sums) / data.count


def step_length(data: Design, loss: str, weight_decay: float, batch_size: int) -> float:
    """The inverse of the largest curvature, as one number.

    It comes from power iteration. Batches of `batch_size` rows curve more, by the largest row's
    share, and their step is half of the inverse: Gower et al. 2019, SGD: General Analysis and
    Improved Rates, theorem 3.1 and proposition 3.8.
    """
    rows, largest = data.count, _largest_eigenvalue(data)
    if 0 < batch_size < rows:
        share = (rows - batch_size) / (batch_size * (rows - 1))
        largest = (1 - share) * largest + share * (squared_norms(data)[1] + 1)
        largest *= 2
    return 1 / (LOSSES[loss].curvature * largest + weight_decay)


def _largest_eigenvalue(data: Design) -> float:
    """Of XᵀX/n, from below by a thousandth or so; never 0: of the column of ones it is 1."""
    vector = torch.ones_like(data.largest)  # not at a right angle to the column of ones
    product, found = torch.empty_like(vector), 0.0
    for _ in range(_MOST_PASSES):
        vector /= torch.linalg.vector_norm(vector)
        data.gradient("linear", vector, None, product)
        before, found = found, float(torch.linalg.vector_norm(product))
        if found - before <= _CLOSE * found:
            break
        vector.copy_(product)
    return (1 + 2 * _CLOSE) * found
