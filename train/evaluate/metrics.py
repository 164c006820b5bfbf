"""What a finished model is worth on rows: cost, accuracy, AUC and log loss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from serve_runtime.arrays import Array, Float32, Floats
from serve_runtime.bundle.affine import Affine
from serve_runtime.evaluation.auc import auc, auc_of_counts
from serve_runtime.evaluation.metrics import log_losses
from serve_runtime.features.encoding import Encoding
from train.errors import DataError
from train.gradients.losses import LOSSES, logits
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup

Metrics = Mapping[str, float | None]
Scored: TypeAlias = Iterable[tuple[Tensor, Float32, Float32 | None]]
"""All rows, some at a time: float32 logits (m,), labels (m,), 0 or 1, and weights (m,) or None."""
Blocks: TypeAlias = Callable[[], Scored]
"""Scores all rows once."""
See: TypeAlias = Callable[[Tensor, Float32, Float32 | None], None]
"""Is given scored rows, as `Scored` has them."""


@torch.no_grad()
def served_logits(
    served: Affine,
    encoding: Encoding | None,
    numbers: Float32,
    codes: Sequence[Array] = (),
) -> Tensor:
    """The logits (m,) of rows as they are served: `numbers` (k, m), NaN where missing, precise ones
    around their centres, and the codes (m,) of each category."""
    if encoding is None:
        return logits(torch.from_numpy(numbers), torch.from_numpy(served.values))
    offset = torch.from_numpy(encoding.offset(served.bias, codes, numbers))
    filled = torch.from_numpy(encoding.filled(numbers))
    return torch.addmv(offset, filled.t(), torch.from_numpy(served.weight))


def evaluate(
    blocks: Blocks,
    count: int,
    features: int,
    loss: str,
    *,
    part: str = "training",
    most_logits: int | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
    see: See | None = None,
) -> Metrics:
    """Rows, features, cost, accuracy, AUC and log loss of a model of so many `features`.

    `blocks` scores the rows of this process, `count` is the number of rows of all processes of
    `group`. Logits are float32, as served; costs are means over rows in float64. AUC is None
    where all rows have one class. It is exact, unless there are more than `most_logits` rows, in
    which case no more logits are kept in memory than that: rows whose logits lie between the same
    two of those kept count as ties, and the rows are read twice. Raises DataError where a logit
    leaves float32; `part` names the rows in its message. Where rows have weights, all are those of
    rows that are there as often. `see` is given all rows of this process once.
    """
    step = -(-count // most_logits) if most_logits else 1
    sums, kept, first = torch.zeros(4, dtype=torch.float64), list[Array](), 0
    for logit, labels, weights in blocks():
        _check(logit, part, first)
        if see:
            see(logit, labels, weights)
        share = len(labels) / count
        cost, entropy, right, total = _means(loss, logit, labels, weights)
        sums += torch.tensor(
            [cost * share, entropy * share, right, total * share], dtype=torch.float64
        )
        some = [logit.numpy(), labels] if weights is None else [logit.numpy(), labels, weights]
        kept.append(np.stack([values[::step] for values in some]))
        first += len(labels)
    cost, entropy, right, total = group.sum(sums).tolist()
    logit, label, *weight = np.concatenate(
        [some for each in group.gather(kept) for some in each], axis=1
    )
    if step > 1:
        area = _auc_of_bins(blocks, torch.from_numpy(np.unique(logit)), group)
    elif weight:
        area = weighted_auc(logit, label, *weight)
    else:
        area = auc(logit, label)
    if weight:  # whose mean is 1 but for rounding
        cost, entropy, right = cost / total, entropy / total, right / total
    return {
        "rows": float(count),
        "features": float(features),
        "cost": cost,
        "accuracy": right / count,
        "auc": area,
        "log_loss": entropy,
    }


def _means(
    loss: str, logit: Tensor, labels: Float32, weights: Float32 | None
) -> tuple[float, float, float, float]:
    """Mean cost and mean log loss of rows, how many get their own label, and their mean weight."""
    right = (logit.sigmoid() >= 0.5).numpy() == labels
    wide, label = logit.double(), torch.from_numpy(labels).double()
    entropies = log_losses(logit.numpy(), labels)
    if weights is None:
        cost = LOSSES[loss].cost(wide, label)
        return float(cost), float(entropies.mean()), float(right.sum()), 1.0
    own = weights.astype(np.float64)
    cost = LOSSES[loss].cost(wide, label, torch.from_numpy(own))
    return float(cost), float((own * entropies).mean()), float((own * right).sum()), own.mean()


def weighted_auc(score: Floats, label: Float32, weight: Float32) -> float | None:
    """The area under the curve where each row, with a label of 0 or 1, is there `weight` times;
    None where only one class is there."""
    levels, place = np.unique(score, return_inverse=True)
    wide = weight.astype(np.float64)
    by_class = (np.where(label == one, wide, 0) for one in (0, 1))
    area, _ = auc_of_counts(*(np.bincount(place, w, len(levels)) for w in by_class))
    return area


def _check(logit: Tensor, part: str, first: int) -> None:
    """Raise DataError unless the logits of a block are finite; `first` is its first row in
    `part`."""
    if not logit.isfinite().all():
        row = first + int((~logit.isfinite()).int().argmax())
        raise DataError(f"{part} row {row + 1}: its logit leaves float32: check its units")


def _auc_of_bins(blocks: Blocks, edges: Tensor, group: ProcessGroup) -> float | None:
    """The area under the curve where logits between the same two `edges` count as ties."""
    counts = torch.zeros(2, len(edges) + 1, dtype=torch.float64)
    for logit, labels, weights in blocks():
        bins = torch.bucketize(logit, edges)
        wide = None if weights is None else torch.from_numpy(weights).double()
        for label, count in enumerate(counts):
            here = torch.from_numpy(labels == label)
            own = None if wide is None else wide[here]
            count += torch.bincount(bins[here], own, minlength=len(count))
    area, _ = auc_of_counts(*group.sum(counts).numpy())
    return area
