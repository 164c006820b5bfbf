"""The step that lr = "auto" stands for: the longest that the curvature of the cost allows.

The Hessian of a mean cost is XᵀDX/n, X with a column of ones, D the second derivative of each row's
cost in its logit; so it is at most c·XᵀX/n, c the loss's own `curvature`.
"""

import math

import numpy as np
import torch
from torch import Tensor

from train.gradients.design import squared_norms
from train.gradients.losses import LOSSES
from train.gradients.source import GradientSource
from train.optimize.block_inverse import BlockInverse
from train.optimize.second_moments import second_moments
from train.recipe.keys import Optimizer

MOST_FEATURES = 512
"""With more features, to compute a matrix of second moments takes longer than it saves."""
_MOST_PASSES, _CLOSE = 100, 1e-3
_LANCZOS_PASSES, _LANCZOS_CLOSE = 15, 0.02
_NOISE = 1e-6
"""Curvature below this share of the largest one is rounding noise of float32 moments."""


@torch.no_grad()
def resolve_learning_rate(
    data: GradientSource, spec: Optimizer
) -> tuple[Optimizer, Tensor | BlockInverse | None]:
    """`spec` with a learning rate in numbers, and a preconditioner for gradients, or None.

    With full batches and up to 512 features the preconditioner (d + 1, d + 1) is the inverse of the
    bound on the Hessian (Böhning and Lindsay 1988, Monotonicity of quadratic-approximation
    algorithms), and the learning rate is 1: correlated features do not slow training down then.
    With more features, some of them levels of categories, it is a BlockInverse of that bound, and
    the learning rate is the inverse of the largest curvature that it leaves.
    Otherwise the learning rate is `step_length`. So it is where `spec.patience` may end training
    early: plain steps first follow what most rows agree on, and reach lower hold-out costs.
    """
    if not isinstance(spec.lr, str):
        return spec.resolved(spec.lr), None
    width = len(data.largest)
    plain = spec.patience or not spec.accelerated or spec.in_batches(data.count)
    if plain or (width > MOST_FEATURES + 1 and not data.categories.shares):
        lr = step_length(data, spec.loss, spec.penalty, spec.batch_size)
        return spec.resolved(lr), None
    if width > MOST_FEATURES + 1:
        inverse = _block_inverse(data, spec)
        return spec.resolved(1 / _curvature_left(data, spec, inverse)), inverse
    bound = LOSSES[spec.loss].curvature * second_moments(data)
    bound += torch.diag(penalty_curvature(data.largest, spec.penalty).double())
    curvature, directions = torch.linalg.eigh(bound)
    inverse = (directions / curvature.clamp_min(_NOISE * curvature[-1])) @ directions.T
    # Unlike machines may round it differently, so all processes take that of the first.
    inverse = data.group.gather(inverse.to(data.largest.dtype).cpu())[0]
    return spec.resolved(1.0), inverse.to(data.largest.device)


def _block_inverse(data: GradientSource, spec: Optimizer) -> BlockInverse:
    curvature = LOSSES[spec.loss].curvature
    return BlockInverse(
        data,
        lambda rows: rows.weighted(torch.full_like(rows.labels, curvature)),
        penalty_curvature(data.largest.double(), spec.penalty),
    )


def _curvature_left(data: GradientSource, spec: Optimizer, inverse: BlockInverse) -> float:
    """The largest eigenvalue of `inverse` times the bound on the Hessian, to some percent.

    By Lanczos' method, as the conjugate gradients compute it (Golub and Van Loan, Matrix
    Computations, section 11.3.1 of the fourth edition). They begin with what the bound makes of a
    random vector: without a penalty it makes 0 of some, such as all levels of a category at once,
    for which the inverse is so large that float32 would hold nothing else.
    """
    penalties = penalty_curvature(data.largest, spec.penalty)

    def bound(vector: Tensor) -> Tensor:
        image = torch.empty_like(vector)
        data.gradient("linear", vector, None, image)
        return image.mul_(LOSSES[spec.loss].curvature).add_(penalties * vector)

    drawn = torch.randn(len(penalties), generator=torch.Generator().manual_seed(0))
    residual = bound(drawn.to(penalties))
    direction = inverse @ residual
    slope = float(torch.dot(residual, direction))
    diagonal, beside = list[float](), list[float]()
    carried = found = 0.0
    for _ in range(_LANCZOS_PASSES):
        image = bound(direction)
        length = slope / float(torch.dot(direction, image))
        residual -= length * image
        preconditioned = inverse @ residual
        before, slope = slope, float(torch.dot(residual, preconditioned))
        diagonal.append(1 / length + carried)
        tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        last, found = found, float(np.linalg.eigvalsh(tridiagonal)[-1])
        if found - last <= _LANCZOS_CLOSE * found or not slope > 0:
            break
        share = slope / before
        carried = share / length
        beside.append(math.sqrt(share) / length)
        direction = preconditioned + share * direction
    return data.group.gather((1 + _LANCZOS_CLOSE) * found)[0]


def penalty_curvature(like: Tensor, weight_decay: float) -> Tensor:
    """The second derivatives (d + 1,) of the L2 penalty, shaped as `like`: 0 for the bias."""
    result = torch.full_like(like, weight_decay)
    result[-1] = 0
    return result


def step_length(data: GradientSource, loss: str, weight_decay: float, batch_size: int) -> float:
    """A learning rate: the inverse of the largest curvature, found by power iteration.

    The cost of a mini-batch of `batch_size` rows may curve more, the more the largest row weighs
    in it, and the step for it is half of the inverse: Gower et al. 2019, SGD: General Analysis and
    Improved Rates, theorem 3.1 and proposition 3.8.
    """
    rows, largest = data.count, _largest_eigenvalue(data)
    if 0 < batch_size < rows:
        share = (rows - batch_size) / (batch_size * (rows - 1))
        largest = (1 - share) * largest + share * squared_norms(data)[1]
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
