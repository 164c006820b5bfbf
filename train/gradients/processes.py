"""Several processes that train one model: what each of them knows, added up.

Started by torchrun, which sets RANK, WORLD_SIZE and where to meet.
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


class Group:
    """The processes of a training; one alone unless torchrun has started more."""

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
        """What each process has given, in the order of their ranks."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        with _told():
            dist.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def share(self, count: int) -> range:
        """Which of `count` things are this process's."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def _reduce(self, values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        if self.size > 1:
            # By way of the CPU: NCCL would not tell of a lost process, and there are few values.
            host = values.cpu()
            with _told():
                dist.all_reduce(host, operation)
            values.copy_(host)
        return values


ALONE = Group()


@contextmanager
def started() -> Iterator[Group]:
    """The group that torchrun has started this process in, or this process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_available():
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    with _told():
        dist.init_process_group("gloo")
    try:
        yield Group(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as reason:
        raise LostProcessError(
            f"another process of this training is gone ({str(reason).splitlines()[0][:200]})"
        ) from None
