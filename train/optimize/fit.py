"""Stochastic gradient descent with the closed-form gradient."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from train.errors import TrainError
from train.gradients.losses import LOSSES
from train.gradients.source import Design, measure, squared_norms
from train.model import joined
from train.optimize.convergence import Distance, distance
from train.optimize.curvature import penalty
from train.optimize.updates import Updates, learning_rates
from train.recipe.sections import Optimizer

_FLAT_WIDE = 1e-6
"""A gradient at which models too wide for Newton's step are taken to have converged."""
_UNCHECKED_ON_GPU = 64
"""Updates: to look at the weights after each would stop the GPU each time."""
_FLOAT32_MAX = float(torch.finfo(torch.float32).max)


@dataclass(frozen=True)
class Record:
    """Cost and accuracy at the weights that enter an epoch; validation where there is any."""

    epoch: int
    cost: float
    accuracy: float
    validation_cost: float | None = None
    validation_accuracy: float | None = None


@dataclass
class Progress:
    """Where a training is, besides its weights and its momentum."""

    epoch: int = 0
    batch: int = 0
    """Updates done in this epoch."""
    updates: int = 0
    flat: float = 1e-5
    """With the tolerance "auto": how small the gradient is when the weights are looked at next."""
    best_cost: float = math.inf
    """The lowest validation cost, where it decides when to stop."""
    best_epoch: int = 0
    done: bool = False


def pick_device(name: str) -> torch.device:
    """cpu, cuda, or auto. Raises TrainError when cuda is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("device cuda was asked for and torch finds none: use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


class Fit:
    """A training of `model`, in place: iterate over it, and it trains.

    It gives one item before each epoch: every `every` epochs a Record of the weights that enter
    the epoch, which `model` holds while the item is looked at; else None. When the iteration ends,
    the training is over: after `spec.epochs` epochs, or, where the recipe says so, at a gradient
    of at most `spec.tolerance`, or after `spec.patience` epochs without a lower validation cost,
    whose weights `model` then has. `shuffle` (on the CPU) orders the rows of mini-batches.
    After each update `updated` is called. Iterating raises TrainError as soon as an update makes
    cost or weights non-finite. `metric` is that of `Updates`.
    """

    def __init__(
        self,
        model: nn.Sequential,
        spec: Optimizer,
        design: Design,
        *,
        every: int,
        shuffle: torch.Generator,
        validation: Design | None = None,
        metric: Tensor | None = None,
    ) -> None:
        self.spec, self.progress = spec, Progress()
        self._design, self._every, self._shuffle = design, every, shuffle
        self._validation = validation
        self.updated: Callable[[], object] = lambda: None
        self.records: list[Record] = []
        """Those of this training so far, before it was resumed too."""
        self._in_batches = spec.in_batches(design.count)
        self.theta, self._gradient = joined(model)
        self.updates = Updates(self.theta, self._gradient, spec, metric)
        self._best = self.theta.clone()
        self._epoch_order = shuffle.get_state()
        """What `shuffle` was before it ordered the rows of this epoch, or of the next one."""
        self.distance: Distance | None = None
        """At the end, where training ended because the weights were found to be right."""
        self._penalty = penalty(self.theta, spec.weight_decay)

    @torch.no_grad()
    def __iter__(self) -> Iterator[Record | None]:
        now = self.progress
        rates = learning_rates(float(self.spec.lr), self.spec.schedule)
        for self.updates.lr in islice(rates, now.epoch + 1):
            pass
        while now.epoch < self.spec.epochs and not now.done:
            if now.batch == 0:
                record = self._enter_epoch()
                if self.progress.done:
                    break
                if record:
                    self.records.append(record)
                yield record
            for index in self._batches():
                self._update(index)
            now.epoch, now.batch = now.epoch + 1, 0
            self.updates.lr = next(rates)
        self._check_finite()
        if self.spec.patience and self._validation:
            if not now.done:
                self._look_for_best()
            self.theta.copy_(self._best)
        now.done = True

    def state_dict(self) -> dict[str, Any]:
        """All that a training needs to go on as if it had never stopped."""
        now = self.progress
        past = [record for record in self.records if record.epoch < now.epoch or now.batch]
        return {
            "theta": self.theta.cpu().clone(),
            "best": self._best.cpu().clone(),
            "progress": asdict(self.progress),
            "updates": self.updates.state_dict(),
            "order": self._epoch_order,
            "records": [asdict(record) for record in past],  # an epoch is entered again
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the training was whose `state_dict` this is."""
        self.theta.copy_(state["theta"])
        self._best.copy_(state["best"])
        self.progress = Progress(**state["progress"])
        self.updates.load_state_dict(state["updates"])
        self._epoch_order = state["order"]
        self._shuffle.set_state(self._epoch_order)
        self.records = [Record(**record) for record in state["records"]]

    def _enter_epoch(self) -> Record | None:
        """Look whether to stop; a Record where one is due."""
        now = self.progress
        if self.spec.patience and self._validation:
            self._look_for_best()
            now.done = now.epoch - now.best_epoch >= self.spec.patience
        if self.spec.tolerance and self._in_batches:
            self._design.gradient(self.spec.loss, self.theta, None, self._gradient)
            now.done = now.done or self._is_flat()
        if now.done or now.epoch % self._every:
            return None
        figures = measure(self._design, self.spec.loss, self.theta)
        if not math.isfinite(figures[0]):
            raise self._diverged()
        if self._validation is None:
            return Record(now.epoch, *figures)
        others = measure(self._validation, self.spec.loss, self.theta)
        return Record(now.epoch, *figures, *others)

    def _look_for_best(self) -> None:
        assert self._validation is not None
        now = self.progress
        cost, _ = measure(self._validation, self.spec.loss, self.theta)
        if cost < now.best_cost:
            now.best_cost, now.best_epoch = cost, now.epoch
            self._best.copy_(self.theta)

    def _batches(self) -> Iterator[Tensor | None]:
        """The rows of each update of this epoch that is still to be done; None for all rows."""
        if not self._in_batches:
            if self.progress.batch == 0:
                yield None
            return
        batches = self._design.batches(self.spec.batch_size, self._shuffle)
        yield from islice(batches, self.progress.batch, None)
        self._epoch_order = self._shuffle.get_state()

    def _update(self, index: Tensor | None) -> None:
        now, spec = self.progress, self.spec
        self._design.gradient(spec.loss, self.theta, index, self._gradient)
        if index is None and spec.tolerance and self._is_flat():
            now.done = True
            return
        self.updates.step()
        now.updates += 1
        now.batch += 1
        if not self.theta.is_cuda or now.updates % _UNCHECKED_ON_GPU == 0:
            self._check_finite()
        self.updated()

    def _check_finite(self) -> None:
        # The logits are finite, and so is their cost, while Σ|wᵢ|·max|xᵢ| + |b| is.
        reach = float(torch.dot(self.theta.abs(), self._design.largest))
        if not reach * self._design.count < _FLOAT32_MAX:
            cost, _ = measure(self._design, self.spec.loss, self.theta)
            if not (math.isfinite(cost) and self.theta.isfinite().all()):
                raise self._diverged()

    def _is_flat(self) -> bool:
        """Whether the full gradient is as small as the recipe asks for."""
        now, tolerance = self.progress, self.spec.tolerance
        gradient = float((self._gradient + self._penalty * self.theta).abs().amax())
        if tolerance != "auto":
            return gradient <= float(tolerance or 0)
        if not gradient <= now.flat:  # as it is where it is not a number
            return False
        found = distance(self._design, self.theta, self.spec.weight_decay)
        now.flat /= 10
        # Processes on unlike machines may see it differently; the first decides.
        flat = self._design.group.gather(found.converged if found else gradient <= _FLAT_WIDE)[0]
        self.distance = found if flat else None
        return flat

    def _diverged(self) -> TrainError:
        # The Hessian of the mean cross-entropy is at most XᵀX / 4n, whose largest eigenvalue is at
        # most (mean |x|² + 1) / 4; gradient descent is stable for steps below twice the inverse.
        lr, curvature = float(self.spec.lr), LOSSES[self.spec.loss].curvature
        squared_norm, _ = squared_norms(self._design)
        stable = 1 / ((squared_norm + 1) * curvature + self.spec.weight_decay)
        return TrainError(
            f"the cost is not finite at update {self.progress.updates} (epoch "
            f"{self.progress.epoch}) with lr {lr:g}: the steps are too long; try "
            f"--lr {min(stable, lr / 10):.1g}"
        )
