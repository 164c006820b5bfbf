"""The longest step that the curvature of the cost allows."""

import torch

from train.design import Design, squared_norms
from train.gradients import LOSSES

_MOST_PASSES, _CLOSE = 100, 1e-3


@torch.no_grad()
def step_length(design: Design, loss: str, weight_decay: float, batch_size: int) -> float:
    """The inverse of a bound on the curvature: the learning rate that "auto" stands for.

    The Hessian is at most c·XᵀX/n + weight_decay, X with a column of ones, c the loss's own
    `curvature`; its largest eigenvalue comes from power iteration. Batches of `batch_size` rows
    curve more, by the largest row's share, and their step is half of the inverse: Gower et al.
    2019, SGD: General Analysis and Improved Rates, theorem 3.1 and proposition 3.8.
    """
    rows, largest = design.count, _largest_eigenvalue(design)
    if 0 < batch_size < rows:
        share = (rows - batch_size) / (batch_size * (rows - 1))
        largest = (1 - share) * largest + share * (squared_norms(design)[1] + 1)
        largest *= 2
    return 1 / (LOSSES[loss].curvature * largest + weight_decay)


def _largest_eigenvalue(design: Design) -> float:
    """Of XᵀX/n, X with a column of ones, from below by a thousandth or so; never 0: of the column
    of ones it is 1."""
    vector = torch.ones_like(design.largest)  # not at a right angle to the column of ones
    product, found = torch.empty_like(vector), 0.0
    for _ in range(_MOST_PASSES):
        vector /= torch.linalg.vector_norm(vector)
        design.gradient("linear", vector, None, product)
        before, found = found, float(torch.linalg.vector_norm(product))
        if found - before <= _CLOSE * found:
            break
        vector.copy_(product)
    return (1 + 2 * _CLOSE) * found
