"""Stochastic gradient descent with the closed-form gradient."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from train.errors import TrainError
from train.gradients.design import measure, reach, squared_norms
from train.gradients.losses import LOSSES
from train.gradients.source import GradientSource
from train.model import joined
from train.optimize.block_inverse import BlockInverse
from train.optimize.convergence import distance
from train.optimize.curvature import MOST_FEATURES, penalty_curvature
from train.optimize.newton import Search, find_minimum
from train.optimize.proximal import find_l1_minimum
from train.optimize.updates import Updates, learning_rates
from train.recipe.keys import Optimizer

_FLAT, _FLAT_WIDE = 1e-5, 1e-6
"""With tolerance = "auto": at a gradient as small as this, Newton's method ends the training. With
more than 512 features its steps take longer, and one is to be enough."""
_FEW_UPDATES, _FEW_WIDE = 100, 300
"""It does so after as many updates at the latest. Few trainings take more; with more than 512
features gradient descent takes more, and Newton's method longer."""
_FLAT_LEVELS, _FEW_LEVELS = 1e-7, 30
"""The same where more than 512 features are numbers and levels of categories: the gradient of a
rare level is small from the beginning, and steps of Newton's method cost less."""
_MOST_STEPS, _MOST_STEPS_WIDE = 60, 10
_UNCHECKED_ON_GPU = 64
"""Updates on a GPU between two checks that the weights are finite: a check waits for the GPU."""
_FLOAT32_MAX = float(torch.finfo(torch.float32).max)


@dataclass(frozen=True)
class Record:
    """Cost and accuracy at the weights with which an epoch begins; also on the hold-out rows,
    where there are any."""

    epoch: int
    cost: float
    accuracy: float
    validation_cost: float | None = None
    validation_accuracy: float | None = None


@dataclass
class FitState:
    """How far a training has come; its weights and its momentum are kept elsewhere."""

    epoch: int = 0
    batch: int = 0
    """The number of updates done in this epoch."""
    updates: int = 0
    flat: float = _FLAT
    """With tolerance "auto" and `patience`: at so small a gradient convergence is checked next."""
    best_cost: float = math.inf
    """The lowest hold-out cost so far, where `patience` is given."""
    best_epoch: int = 0
    done: bool = False


def pick_device(name: str) -> torch.device:
    """The device for "cpu", "cuda" or "auto". Raises TrainError for cuda where there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("device cuda was asked for and torch finds none: use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


class Fit:
    """Trains `model`, in place, while it is iterated over. For example:

        for record in Fit(model, spec, rows, every=100, shuffle=torch.Generator()):
            if record:
                print(record.epoch, record.cost)

    One item is yielded before each epoch: a Record every `every` epochs, else None; `model` has the
    weights of that moment. The iteration ends after `spec.epochs` epochs, or at a gradient of at
    most `spec.tolerance`; with tolerance "auto", at the minimum, or once it is found that there is
    none; or after `spec.patience` epochs without a lower cost on `validation`; in the last case
    `model` gets the weights with the lowest one. `shuffle` is a generator on the CPU
    that orders the rows of mini-batches, `preconditioner` is passed on to `Updates`. After each
    update `updated` is called. Raises TrainError as soon as cost or weights are no longer finite.
    """

    def __init__(
        self,
        model: nn.Sequential,
        spec: Optimizer,
        rows: GradientSource,
        *,
        every: int,
        shuffle: torch.Generator,
        validation: GradientSource | None = None,
        preconditioner: Tensor | BlockInverse | None = None,
        l1: float = 0.0,
    ) -> None:
        self.l1 = l1
        """The L1 penalty. With one, training is a search for the minimum from the beginning."""
        self.spec, self.state = spec, FitState()
        self._rows, self._every, self._shuffle = rows, every, shuffle
        self._validation = validation
        self.updated: Callable[[], object] = lambda: None
        self.records: list[Record] = []
        """All records so far, also those from before the training was resumed."""
        self._in_batches = spec.in_batches(rows.count)
        self.theta, self._gradient = joined(model)
        self.updates = Updates(self.theta, self._gradient, spec, preconditioner)
        self._best = self.theta.clone()
        self._epoch_order = shuffle.get_state()
        """The state of `shuffle` before it ordered the rows of this epoch (of the next one, between
        two epochs)."""
        self.search: Search | None = None
        """How the search for the minimum ended, where training ended with it."""
        self._penalty = penalty_curvature(self.theta, spec.penalty)

    @torch.no_grad()
    def __iter__(self) -> Iterator[Record | None]:
        now = self.state
        rates = learning_rates(float(self.spec.lr), self.spec.schedule)
        for self.updates.lr in islice(rates, now.epoch + 1):
            pass
        while now.epoch < self.spec.epochs and not now.done:
            if now.batch == 0:
                record = self._enter_epoch()
                if self.state.done:
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

    @torch.no_grad()
    def measured(self) -> Record:
        """What the weights of this moment are worth. All processes call it."""
        epoch = self.state.epoch
        figures = measure(self._rows, self.spec.loss, self.theta)
        if self._validation is None:
            return Record(epoch, *figures)
        return Record(epoch, *figures, *measure(self._validation, self.spec.loss, self.theta))

    def state_dict(self) -> dict[str, Any]:
        """All that a training needs to go on as if it had never stopped."""
        now = self.state
        past = [record for record in self.records if record.epoch < now.epoch or now.batch]
        return {
            "theta": self.theta.cpu().clone(),
            "best": self._best.cpu().clone(),
            "progress": asdict(self.state),
            "updates": self.updates.state_dict(),
            "order": self._epoch_order,
            "records": [
                asdict(record) for record in past
            ],  # the record of an epoch that has not begun is made again
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state_dict` of a training of the same model with the same settings."""
        self.theta.copy_(state["theta"])
        self._best.copy_(state["best"])
        self.state = FitState(**state["progress"])
        self.updates.load_state_dict(state["updates"])
        self._epoch_order = state["order"]
        self._shuffle.set_state(self._epoch_order)
        self.records = [Record(**record) for record in state["records"]]

    def _enter_epoch(self) -> Record | None:
        """Decide whether to stop before this epoch; returns a Record if one is due."""
        now = self.state
        if self.spec.patience and self._validation:
            self._look_for_best()
            now.done = now.epoch - now.best_epoch >= self.spec.patience
        if self.spec.tolerance and self._in_batches:
            self._rows.gradient(self.spec.loss, self.theta, None, self._gradient)
            now.done = now.done or self._is_flat()
        if now.done or now.epoch % self._every:
            return None
        record = self.measured()
        if not math.isfinite(record.cost):
            raise self._diverged()
        return record

    def _look_for_best(self) -> None:
        assert self._validation is not None
        now = self.state
        cost, _ = measure(self._validation, self.spec.loss, self.theta)
        if cost < now.best_cost:
            now.best_cost, now.best_epoch = cost, now.epoch
            self._best.copy_(self.theta)

    def _batches(self) -> Iterator[Tensor | None]:
        """The rows of each remaining update of this epoch; None stands for all rows."""
        if not self._in_batches:
            if self.state.batch == 0:
                yield None
            return
        batches = self._rows.batches(self.spec.batch_size, self._shuffle)
        yield from islice(batches, self.state.batch, None)
        self._epoch_order = self._shuffle.get_state()

    def _update(self, index: Tensor | None) -> None:
        now, spec = self.state, self.spec
        self._rows.gradient(spec.loss, self.theta, index, self._gradient)
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
        most = reach(self._rows, self.theta)
        if not most * self._rows.count < _FLOAT32_MAX:
            cost, _ = measure(self._rows, self.spec.loss, self.theta)
            if not (math.isfinite(cost) and self.theta.isfinite().all()):
                raise self._diverged()

    def _is_flat(self) -> bool:
        """Whether the full gradient is as small as the recipe asks for; with tolerance "auto",
        whether the search for the minimum has ended."""
        now, spec = self.state, self.spec
        gradient = float((self._gradient + self._penalty * self.theta).abs().amax())
        if spec.tolerance != "auto":
            return gradient <= float(spec.tolerance or 0)
        if spec.patience:
            return self._is_converged(gradient)
        if self.l1:
            self._find_minimum()
            return True
        wide = len(self.theta) > MOST_FEATURES + 1
        flat, few = (_FLAT_WIDE, _FEW_WIDE) if wide else (_FLAT, _FEW_UPDATES)
        if wide and self._rows.categories.shares:
            flat, few = _FLAT_LEVELS, _FEW_LEVELS
        if gradient <= flat or (now.updates >= few and math.isfinite(gradient)):
            self._find_minimum()
            return True
        return False

    def _is_converged(self, gradient: float) -> bool:
        if not gradient <= self.state.flat:  # which also is so where it is NaN
            return False
        self.state.flat /= 10
        found = distance(self._rows, self.theta, self.spec.penalty)
        # Unlike machines may round it differently, so the first process decides.
        return self._rows.group.gather(found.converged)[0]

    def _find_minimum(self) -> None:
        """Go on to the minimum by Newton's method. Where there is none, the weights stay: along
        the direction in which the cost falls for ever, none are better than others."""
        now, spec = self.state, self.spec
        wide = len(self.theta) > MOST_FEATURES + 1
        few = wide and not self.l1
        most = min(_MOST_STEPS_WIDE if few else _MOST_STEPS, spec.epochs - now.epoch)
        # What `updated` writes meanwhile is the state before: a resumed training starts here again.
        if self.l1:
            found = find_l1_minimum(
                self._rows, self.theta, spec.penalty, self.l1, most, self.updated
            )
        else:
            found = find_minimum(self._rows, self.theta, spec.penalty, most, self.updated)
        self.search = found
        if found.direction is None:
            self.theta.copy_(found.theta)
            now.updates += found.steps

    def _diverged(self) -> TrainError:
        # The Hessian of the mean cross-entropy is at most XᵀX / 4n, whose largest eigenvalue is at
        # most mean |(x, 1)|² / 4; gradient descent is stable for steps below twice the inverse.
        lr, curvature = float(self.spec.lr), LOSSES[self.spec.loss].curvature
        squared_norm, _ = squared_norms(self._rows)
        stable = 1 / (squared_norm * curvature + self.spec.penalty)
        return TrainError(
            f"the cost is not finite at update {self.state.updates} (epoch "
            f"{self.state.epoch}) with lr {lr:g}: the steps are too long; try "
            f"--lr {min(stable, lr / 10):.1g}"
        )
