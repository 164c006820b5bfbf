"""An approximate inverse of the second derivatives of wide designs with categories."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from train.gradients.design import add_by_code, add_products
from train.gradients.source import GradientSource, Rows
from train.optimize.second_moments import Merged, second_moments

_MOST_NUMBERS, _MOST_LEVELS = 512, 512
"""So many numbers, if there are no more, and so many of the most frequent levels are in the block
that is inverted."""
_RIDGE = 1e-6
"""Added to the correlations that are inverted, as features may be dependent."""
_CONSTANT = 1e-13
"""A column varies that does so by more than this share of its second moment: less is the rounding
of float64, as of a category with one level."""


class BlockInverse:
    """An approximate inverse of XᵀDX/n + penalties; `inverse @ gradient` multiplies by it.

    The columns are centred on their means over the rows, weighted by D, which parts them from the
    column of ones. Then the numbers and the most frequent levels are a block that is inverted, with
    the others of each category merged into one level; among themselves, the others are taken to be
    uncorrelated. It is symmetric and positive (semi)definite.
    """

    def __init__(
        self, data: GradientSource, weigh: Callable[[Rows], Tensor], penalties: Tensor
    ) -> None:
        """`weigh` maps rows in float64 to their weights (m,), the diagonal of D; `penalties`
        (d + 1,), float64, are 0 for the bias."""
        numbers = len(penalties) - 1 - data.categories.levels
        merged = Merged(data.categories, _MOST_LEVELS, numbers if numbers <= _MOST_NUMBERS else 0)
        sums, squares = torch.zeros_like(penalties), torch.zeros_like(penalties[:numbers])

        def see(rows: Rows) -> Tensor:
            weight = weigh(rows)
            add_products(rows, weight, sums)
            squares.add_(rows.features.square() @ weight)
            return weight

        moments = second_moments(data, see, torch.float64, merged)
        sums, squares = (data.group.sum(found) / data.count for found in (sums, squares))
        self._ones, self._means = sums[-1], sums[:-1] / sums[-1]
        seconds = torch.cat([squares, sums[numbers:-1]])
        variances = _varying(seconds - sums[:-1] * self._means, seconds)
        device, size = penalties.device, len(moments) - 1
        # The last column of the block is for numbers that are not in it.
        outside = torch.full((numbers,), size, device=device)
        places = torch.arange(numbers, device=device) if merged.numbers else outside
        self._places = torch.cat([places, merged.places.to(device)])
        alone = torch.cat([places == size, merged.is_merged.to(device)])
        diagonal = variances + penalties[:-1]
        self._diagonal = torch.where(alone & (diagonal > 0), 1 / diagonal, 0)
        added = penalties.new_zeros(size + 1)
        add_by_code(self._places, penalties[:-1], added)
        column = moments[:-1, -1]
        block = moments[:-1, :-1] - torch.outer(column, column) / self._ones
        block.diagonal().copy_(_varying(block.diagonal(), moments.diagonal()[:-1]))
        inverse = _inverse(block + torch.diag(added[:-1]))
        # Unlike machines may round it differently, so all processes take that of the first.
        inverse = data.group.gather(inverse.cpu())[0].to(device)
        self._inverse = functional.pad(inverse, (0, 1, 0, 1))

    def __matmul__(self, gradient: Tensor) -> Tensor:
        wide = gradient.double()
        centred = wide[:-1] - self._means * wide[-1]
        together = wide.new_zeros(len(self._inverse))
        add_by_code(self._places, centred, together)
        step = self._diagonal * centred + (self._inverse @ together)[self._places]
        bias = wide[-1] / self._ones - torch.dot(self._means, step)
        return torch.cat([step, bias[None]]).to(gradient.dtype)


def _varying(variances: Tensor, seconds: Tensor) -> Tensor:
    """The variances (m,) of columns with these second moments, 0 where they are rounding."""
    return torch.where(variances > _CONSTANT * seconds, variances, 0)


def _inverse(matrix: Tensor) -> Tensor:
    """The inverse of a covariance (m, m); 0 for what does not vary."""
    deviation = matrix.diagonal().clamp_min(0).sqrt()
    scale = torch.where(deviation > 0, 1 / deviation, 0)
    correlation = scale[:, None] * matrix * scale
    ridged = correlation + _RIDGE * torch.eye(len(matrix), device=matrix.device).double()
    inverse: Tensor = scale[:, None] * torch.linalg.inv(ridged) * scale
    return inverse
