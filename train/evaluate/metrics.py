"""What a finished model is worth on rows: cost, accuracy, AUC and log loss."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from serve_runtime.arrays import Array, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.evaluation.auc import auc, auc_of_counts
from serve_runtime.evaluation.metrics import log_losses
from serve_runtime.features.encoding import Encoding
from train.errors import DataError
from train.gradients.losses import LOSSES, logits
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup

Metrics = Mapping[str, float | None]
Blocks = Callable[[], Iterable[tuple[Tensor, Float32]]]
"""Scores all rows once, some at a time: float32 logits (m,) and labels (m,), 0 or 1."""


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
) -> Metrics:
    """Rows, features, cost, accuracy, AUC and log loss of a model of so many `features`.

    `blocks` scores the rows of this process, `count` is the number of rows of all processes of
    `group`. Logits are float32, as served; costs are means over rows in float64. AUC is None
    where all rows have one class. It is exact, unless there are more than `most_logits` rows, in
    which case no more logits are kept in memory than that: rows whose logits lie between the same
    two of those kept count as ties, and the rows are read twice. Raises DataError where a logit
    leaves float32; `part` names the rows in its message.
    """
    step = -(-count // most_logits) if most_logits else 1
    sums, kept, first = torch.zeros(3, dtype=torch.float64), [np.empty((2, 0), np.float32)], 0
    for logit, labels in blocks():
        _check(logit, part, first)
        share, right = len(labels) / count, (logit.sigmoid() >= 0.5).numpy() == labels
        wide = logit.double()
        cost = LOSSES[loss].cost(wide, torch.from_numpy(labels).double())
        sums[0] += float(cost) * share
        sums[1] += float(log_losses(logit.numpy(), labels).mean()) * share
        sums[2] += int(right.sum())
        kept.append(np.stack([logit[::step].numpy(), labels[::step]]))
        first += len(labels)
    cost, entropy, right = group.sum(sums).tolist()
    logit, label = np.concatenate([some for each in group.gather(kept) for some in each], axis=1)
    if step == 1:
        area = auc(logit, label)
    else:
        area = _auc_of_bins(blocks, torch.from_numpy(np.unique(logit)), group)
    return {
        "rows": float(count),
        "features": float(features),
        "cost": cost,
        "accuracy": right / count,
        "auc": area,
        "log_loss": entropy,
    }


def _check(logit: Tensor, part: str, first: int) -> None:
    """Raise DataError unless the logits of a block are finite; `first` is its first row in
    `part`."""
    if not logit.isfinite().all():
        row = first + int((~logit.isfinite()).int().argmax())
        raise DataError(f"{part} row {row + 1}: its logit leaves float32: check its units")


def _auc_of_bins(blocks: Blocks, edges: Tensor, group: ProcessGroup) -> float | None:
    """The area under the curve where logits between the same two `edges` count as ties."""
    counts = torch.zeros(2, len(edges) + 1, dtype=torch.int64)
    for logit, labels in blocks():
        bins = torch.bucketize(logit, edges)
        for label, count in enumerate(counts):
            count += torch.bincount(bins[torch.from_numpy(labels == label)], minlength=len(count))
    area, _ = auc_of_counts(*group.sum(counts).numpy())
    return area
