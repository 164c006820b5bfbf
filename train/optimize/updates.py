"""Updates of stochastic gradient descent: those of torch.optim.SGD, written out."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from train.errors import RecipeError
from train.optimize.block_inverse import BlockInverse
from train.recipe.keys import Optimizer


class Updates:
    """Changes `theta` (d + 1,) in place by `gradient`, to the same bits as torch.optim.SGD.

    An update of torch.optim.SGD takes 20 to 30 µs, most of it bookkeeping for any number of
    parameters: several times what the gradient of a small batch takes. Weight decay acts on the
    weights alone. Where `spec.accelerated`, momentum is Nesterov's: it grows, and is dropped when
    it points uphill (O'Donoghue and Candès 2015, Adaptive restart for accelerated gradient
    schemes). With a `preconditioner` (d + 1, d + 1), each gradient is first
    multiplied by it.
    """

    def __init__(
        self,
        theta: Tensor,
        gradient: Tensor,
        spec: Optimizer,
        preconditioner: Tensor | BlockInverse | None = None,
    ) -> None:
        self._theta, self._gradient, self._accelerated = theta, gradient, spec.accelerated
        self._preconditioner = preconditioner
        self._decay, self._nesterov = spec.penalty, spec.nesterov or spec.accelerated
        self.lr = 0.0
        self.momentum = 0.0 if spec.accelerated else float(spec.momentum or 0)
        self._buffer = torch.zeros_like(theta)
        self._since_restart = 0

    def step(self) -> None:
        """Do one update; `gradient` is overwritten."""
        if self._decay:
            self._gradient[:-1].add_(self._theta[:-1], alpha=self._decay)
        if self._accelerated:
            if torch.dot(self._buffer, self._gradient) < 0:
                self._since_restart = 0
            self.momentum = (self._since_restart + 1) / (self._since_restart + 4)
        if self._preconditioner is not None:
            self._gradient.copy_(self._preconditioner @ self._gradient)
        if not self.momentum:
            self._theta.add_(self._gradient, alpha=-self.lr)
            return
        if self._since_restart:
            self._buffer.mul_(self.momentum).add_(self._gradient)
        else:
            self._buffer.copy_(self._gradient)
        self._since_restart += 1
        if self._nesterov:
            self._gradient.add_(self._buffer, alpha=self.momentum)
            self._theta.add_(self._gradient, alpha=-self.lr)
        else:
            self._theta.add_(self._buffer, alpha=-self.lr)

    def state_dict(self) -> dict[str, Any]:
        """What the next updates depend on, besides `theta` and the learning rate."""
        return {"momentum_buffer": self._buffer.cpu().clone(), "since_restart": self._since_restart}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._buffer.copy_(state["momentum_buffer"])
        self._since_restart = state["since_restart"]


def learning_rates(lr: float, schedule: Mapping[str, Any] | None) -> Iterator[float]:
    """The learning rate of each epoch, by a scheduler of torch.optim.lr_scheduler.

    Raises RecipeError where the schedule's arguments do not fit.
    """
    if schedule is None:
        while True:
            yield lr
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    arguments = {key: value for key, value in schedule.items() if key != "name"}
    try:
        scheduler = getattr(torch.optim.lr_scheduler, schedule["name"])(optimizer, **arguments)
        while True:
            yield float(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    except (TypeError, ValueError, ArithmeticError, LookupError) as reason:
        raise RecipeError(f"optimizer.schedule: {reason}") from None
