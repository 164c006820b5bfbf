"""Whether the classes can be told apart without error: then the cost has no minimum."""

import numpy as np
import torch
from torch import Tensor

from train.gradients.losses import logits
from train.gradients.source import Design

_MOST_VALUES = 1 << 20
"""Features times rows, for a linear programme."""


@torch.no_grad()
def separates(data: Design, theta: Tensor) -> bool:
    """Whether `theta` tells the classes apart without an error: so the cost has no minimum."""
    wrong = sum(
        int(((2 * rows.labels - 1) * logits(rows.features, theta) <= 0).sum())
        for rows in data.blocks()
    )
    return not int(data.group.sum(torch.tensor(wrong)))


def separable(data: Design) -> bool | None:
    """Whether some weights are right, or undecided, for all rows, and right for some: then the
    cost falls for ever as they grow. None where there are too many rows to tell, and where
    processes share them.

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
    tolerance = 1e-6 * np.abs(signed).sum(1)  # that of HiGHS, with room
    return bool((margins >= -tolerance).all() and (margins > 1e3 * tolerance).any())
