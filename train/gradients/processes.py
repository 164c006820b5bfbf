"""Several processes that train one model, each on its share of the rows.

They are started by torchrun, which sets RANK, WORLD_SIZE and the address at which they meet.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from train.errors import LostProcessError

T = TypeVar("T")


class ProcessGroup:
    """The processes that train one model together, as one of them sees it.

    `rank` is the number of this process, from 0, out of `size`. Unless torchrun has started
    several, the group is this process alone. All must call the same methods in the same order.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over all processes, in place."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def maximum(self, values: Tensor) -> Tensor:
        """The maximum of `values` over all processes, in place."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def gather(self, value: T) -> list[T]:
        """The `value` that each process has given, in the order of their ranks."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        with _lost_process_errors():
            dist.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def share(self, count: int) -> range:
        """The share of this process in `count` things: consecutive ones, as many as others have."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def _reduce(self, values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        if self.size > 1:
            # On the CPU: NCCL does not report a lost process, and there are few values to add.
            host = values.cpu()
            with _lost_process_errors():
                dist.all_reduce(host, operation)
            values.copy_(host)
        return values


SINGLE_PROCESS = ProcessGroup()
"""The group of a process that trains by itself."""


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the group in which torchrun has started this process, and leave it at the end; without
    torchrun, this process by itself."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_available():
        yield SINGLE_PROCESS
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    with _lost_process_errors():
        dist.init_process_group("gloo")
    try:
        yield ProcessGroup(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


@contextmanager
def _lost_process_errors() -> Iterator[None]:
    """Turn what torch raises when another process cannot be reached into LostProcessError."""
    try:
        yield
    except RuntimeError as reason:
        raise LostProcessError(
            f"another process of this training is gone ({str(reason).splitlines()[0][:200]})"
        ) from None
