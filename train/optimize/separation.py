"""Whether the classes are separable: then the cross-entropy has no minimum."""

import numpy as np
import torch
from torch import Tensor

from train.gradients.losses import logits
from train.gradients.source import GradientSource

_MOST_VALUES = 1 << 20
"""Features times rows up to which the linear programme is solved, in some seconds."""


@torch.no_grad()
def separates(data: GradientSource, theta: Tensor) -> bool:
    """Whether `theta` (d + 1,) classifies every row correctly: then the classes are separable."""
    wrong = sum(
        int(((2 * rows.labels - 1) * logits(rows.features, theta) <= 0).sum())
        for rows in data.blocks()
    )
    return not int(data.group.sum(torch.tensor(wrong)))


def separable(data: GradientSource) -> bool | None:
    """Whether there are weights that classify no row wrongly and some rows correctly.

    Then the cost falls for ever as these weights grow. None where there are too many rows to find
    out, and where several processes share them.

    The linear programme of Konis 2007, Linear programming algorithms for detecting separated data
    in binary logistic regression models: maximise Σ sᵢxᵢ·v with all sᵢxᵢ·v >= 0 and |vⱼ| <= 1.
    """
    if data.count * len(data.largest) > _MOST_VALUES or data.group.size > 1:
        return None
    from scipy.optimize import linprog

    parts = [
        (torch.cat([rows.features, rows.labels.new_ones(1, len(rows.labels))]) * sign).double()
        for rows in data.blocks()
        for sign in [2 * rows.labels - 1]
    ]
    signed = torch.cat(parts, 1).T.cpu().numpy()
    found = linprog(
        -signed.sum(0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs"
    )
    if found.x is None:
        return None
    margins = signed @ found.x
    tolerance = 1e-6 * np.abs(signed).sum(1)  # HiGHS' tolerance is 1e-7
    return bool((margins >= -tolerance).all() and (margins > 1e3 * tolerance).any())
