"""Bends that bring nothing on rows that were left out."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64
from train.design import Design
from train.selection.judge import Judge


def useless_bends(
    design: Design,
    features: Float32,
    fold: npt.NDArray[np.intp],
    theta: Float64,
    logits: Float64,
    judge: Judge,
    counts: Float64 | None = None,
) -> Iterator[int]:
    """The bent numbers of `design`, by position, without whose bends the mean log loss out of fold
    is no higher.

    A curve is replaced by the straight line that is next to it over the rows; so no fit is made
    anew. `features` (design.dense, n) are as the fits took them, `fold` (n,) says which of the fits
    `theta` (folds, d + 1) was made without a row, and `logits` (n,) are the rows' by that fit. A
    row stands for as many as `counts` (n,) say, None for one.
    """
    lowest = judge.log_loss(logits)
    for number, place in design.further.items():
        columns = features[place]  # around their means, as each fit has a bias of its own
        columns = columns - np.average(columns, axis=1, weights=counts)[:, None]
        curve = np.einsum("hn,nh->n", columns, theta[fold, place])
        line = features[number].astype(np.float64)
        line -= np.average(line, weights=counts)  # it may not be standardised
        curve -= np.average(curve, weights=counts)
        along = line if counts is None else counts * line
        curve -= (along @ curve) / max(along @ line, 1e-300) * line
        if judge.log_loss(logits - curve) <= lowest:
            yield number
