"""Stochastic gradient descent with torch.optim.SGD and the closed-form gradient."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from train.errors import TrainError
from train.gradients import LOSSES, Loss, logits, write_gradient
from train.model import parameters
from train.recipe import Optimizer

_FLOAT32_MAX = float(torch.finfo(torch.float32).max)


@dataclass(frozen=True)
class Rows:
    """Features (d, n), feature-major, and labels (n,), float32 on the model's device."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Record:
    """Cost and accuracy at the weights that enter an epoch; validation where there is any."""

    epoch: int
    cost: float
    accuracy: float
    validation_cost: float | None = None
    validation_accuracy: float | None = None


def pick_device(name: str) -> torch.device:
    """cpu, cuda, or auto. Raises TrainError when cuda is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("device cuda was asked for and torch finds none: use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def make_optimizer(model: nn.Sequential, spec: Optimizer) -> torch.optim.SGD:
    """torch.optim.SGD as the recipe says; weight decay acts on the weight alone."""
    weight, bias = parameters(model)
    groups: list[dict[str, Any]] = [
        {"params": [weight], "weight_decay": spec.weight_decay},
        {"params": [bias]},
    ]
    return torch.optim.SGD(
        groups,
        lr=spec.lr,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
    )


@torch.no_grad()
def fit(
    model: nn.Sequential,
    optimizer: torch.optim.SGD,
    spec: Optimizer,
    rows: Rows,
    *,
    every: int,
    shuffle: torch.Generator,
    validation: Rows | None = None,
) -> Iterator[Record | None]:
    """Train `model` in place for `spec.epochs` epochs, one item before each.

    Every `every` epochs the item is a Record of the weights that enter the epoch, which `model`
    holds while the item is looked at; else None. The last epoch is done when the iterator is
    exhausted. `shuffle` (on the CPU) orders the rows of mini-batches. Raises TrainError as soon as
    an update makes cost or weights non-finite.
    """
    loss = LOSSES[spec.loss]
    weight, bias = parameters(model)
    count = rows.features.shape[1]
    size = spec.batch_size if 0 < spec.batch_size < count else count
    buffer = rows.labels.new_empty(count)
    largest = rows.features.abs().amax(1)
    updates = 0
    for epoch in range(spec.epochs):
        record = None
        if epoch % every == 0:
            record = _measure(epoch, loss, weight, bias, rows, validation)
            if not math.isfinite(record.cost):
                raise _diverged(updates, epoch, spec, rows)
        yield record
        order = None if size == count else torch.randperm(count, generator=shuffle)
        for start in range(0, count, size):
            if order is None:
                features, labels, residual = rows.features, rows.labels, buffer
            else:
                index = order[start : start + size].to(rows.labels.device)
                features, labels = rows.features.index_select(1, index), rows.labels[index]
                residual = buffer[: len(index)]
            logits(features, weight, bias, out=residual)
            loss.residual_(residual, labels)
            write_gradient(features, residual, weight, bias)
            optimizer.step()
            updates += 1
            # The logits are finite, and so is their cost, while Σ|wᵢ|·max|xᵢ| + |b| is.
            reach = float(torch.dot(weight[0].abs(), largest) + bias.abs())
            if not reach * count < _FLOAT32_MAX:
                cost = loss.cost(logits(rows.features, weight, bias), rows.labels)
                if not all(bool(t.isfinite().all()) for t in (cost, weight, bias)):
                    raise _diverged(updates, epoch, spec, rows)


def _measure(
    epoch: int, loss: Loss, weight: Tensor, bias: Tensor, rows: Rows, validation: Rows | None
) -> Record:
    figures: list[float] = []
    for part in (rows, validation):
        if part is not None:
            logit = logits(part.features, weight, bias)
            predicted = (logit.sigmoid() >= 0.5) == (part.labels == 1)
            figures += [float(loss.cost(logit, part.labels)), float(predicted.float().mean())]
    return Record(epoch, *figures)


def _diverged(updates: int, epoch: int, spec: Optimizer, rows: Rows) -> TrainError:
    # The Hessian of the mean cross-entropy is at most XᵀX / 4n, whose largest eigenvalue is at
    # most (mean |x|² + 1) / 4; gradient descent is stable for steps below twice the inverse.
    squared_norm = float(rows.features.double().square().sum(0).mean())
    stable = 1 / ((squared_norm + 1) / 4 + spec.weight_decay)
    return TrainError(
        f"the cost is not finite at update {updates} (epoch {epoch}) with lr {spec.lr:g}: the "
        f"steps are too long; try --lr {min(stable, spec.lr / 10):.1g}"
    )
