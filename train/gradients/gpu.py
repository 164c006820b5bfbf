"""Gradients on a GPU, of rows that stay in its memory or are copied there block by block."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from train.errors import TrainError
from train.gradients.cpu import torch_gradient
from train.gradients.design import add_by_code, logits
from train.gradients.losses import LOSSES
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.gradients.source import NO_CATEGORIES, Categories, Rows, chunks

_SMALL_VALUES = 1 << 20
"""Up to this many values an epoch costs little but the launches of its kernels, so they are
recorded once and replayed (a CUDA graph)."""
_SPARE = 0.8
"""The share of the GPU's free memory that rows may take."""

Sums = Callable[[str, Rows, Tensor], Tensor]


def fits(size: int, device: torch.device) -> bool:
    """Whether rows of `size` bytes fit into the GPU's free memory."""
    free, _ = torch.cuda.mem_get_info(device)
    return size <= _SPARE * free


class GpuGradients:
    """Gradients of rows that `blocks` reads on the CPU, some at a time.

    With `resident` they are copied to the GPU once. Else they are copied in each pass, from pinned
    memory, and a block is copied while the GPU works on the one before.
    """

    def __init__(
        self,
        blocks: Callable[[], Iterator[Rows]],
        count: int,
        largest: Tensor,
        device: torch.device,
        *,
        resident: bool,
        group: ProcessGroup = SINGLE_PROCESS,
        categories: Categories = NO_CATEGORIES,
    ) -> None:
        self.count, self.group, self._device = count, group, device
        self.largest, self.categories = largest.to(device), categories
        self._from = blocks
        self._resident = [_copied(rows, device) for rows in blocks()] if resident else None
        self._summed = self._resident
        """Resident rows as gradients over all of them are computed."""
        if self._resident is not None and categories.shares and self._is_small():
            # So few zeros are multiplied sooner than codes are sorted.
            self._summed = [_one_hot(rows) for rows in self._resident]
        by_code = categories.shares and not self._is_small()
        self._sums = _torch_sums if by_code else _sums_of(len(largest) - 1, device)
        self._recorded: dict[tuple[str, int, int], torch.cuda.CUDAGraph] = {}

    def blocks(self) -> Iterator[Rows]:
        """The rows of this process on the GPU, a chunk at a time."""
        for rows in self._passing():
            yield from chunks(rows)

    def gradient(self, loss: str, theta: Tensor, index: Tensor | None, out: Tensor) -> None:
        """Put the gradient of the mean cost over all rows, or the rows `index`, into `out`."""
        if index is not None:
            self._of_batch(loss, theta, index, out)
        elif self._is_small():
            self._replay(loss, theta, out)
        else:
            self._of_all(loss, theta, out)

    def batches(self, size: int, shuffle: torch.Generator) -> Iterator[Tensor]:
        """Mini-batches of one epoch: indices of rows in a random order, `size` at a time.

        Raises TrainError where not all rows are on the GPU, and where processes share them.
        """
        if self._resident is None or len(self._resident) != 1 or self.group.size > 1:
            raise TrainError(
                "mini-batches on a GPU need all rows in its memory, and one process: train with "
                "--batch-size 0, or with --device cpu"
            )
        order = torch.randperm(self.count, generator=shuffle).to(self._device)
        return iter(torch.split(order, size))

    def _of_all(self, loss: str, theta: Tensor, out: Tensor) -> None:
        total = theta.new_zeros(len(theta), dtype=torch.float64)
        for rows in self._passing() if self._summed is None else self._summed:
            total += self._sums(loss, rows, theta)
        out.copy_(self.group.sum(total) / self.count)

    def _of_batch(self, loss: str, theta: Tensor, index: Tensor, out: Tensor) -> None:
        assert self._resident is not None
        (rows,) = self._resident
        some = rows.at(index)
        torch_gradient(loss, some, theta, torch.empty_like(some.labels), out)

    def _is_small(self) -> bool:
        values = self.count * len(self.largest)
        return self._resident is not None and self.group.size == 1 and values < _SMALL_VALUES

    def _replay(self, loss: str, theta: Tensor, out: Tensor) -> None:
        """Do what `_of_all` does, by a CUDA graph that is recorded the first time."""
        if self._device.type != "cuda":
            self._of_all(loss, theta, out)
            return
        key = loss, theta.data_ptr(), out.data_ptr()
        if key not in self._recorded:
            for _ in range(3):  # what is compiled or allocated the first time cannot be recorded
                self._of_all(loss, theta, out)
            torch.cuda.synchronize(self._device)
            self._recorded[key] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._recorded[key]):
                self._of_all(loss, theta, out)
        self._recorded[key].replay()

    def _passing(self) -> Iterator[Rows]:
        """The rows of this process on the GPU, block by block."""
        if self._resident is not None:
            yield from self._resident
            return
        if self._device.type != "cuda":
            yield from self._from()
            return
        copying = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        working = torch.cuda.current_stream(self._device)
        before: tuple[Rows, torch.cuda.Event] | None = None
        for rows in self._from():
            pinned = _each(rows, lambda values: values.contiguous().pin_memory())
            with torch.cuda.stream(copying):
                copied = _copied(pinned, self._device)
                ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
                ready.record(copying)
            for tensor in tensors_of(copied):
                tensor.record_stream(working)
            if before:
                working.wait_event(before[1])
                yield before[0]
            before = copied, ready
        if before:
            working.wait_event(before[1])
            yield before[0]


def tensors_of(rows: Rows) -> tuple[Tensor, ...]:
    """All that `rows` are made of."""
    weights = () if rows.weights is None else (rows.weights,)
    return (rows.features, rows.labels, *rows.codes, *weights)


def _copied(rows: Rows, device: torch.device) -> Rows:
    return _each(rows, lambda values: values.to(device, non_blocking=True))


def _one_hot(rows: Rows) -> Rows:
    """`rows`, all of known levels, with a feature of 0 and 1 for each level."""
    flags = [
        (codes == torch.arange(size, device=codes.device)[:, None]).to(rows.features.dtype)
        for codes, size in zip(rows.codes, rows.categories.sizes, strict=True)
    ]
    return Rows(torch.cat([rows.features, *flags]), rows.labels, weights=rows.weights)


def _each(rows: Rows, change: Callable[[Tensor], Tensor]) -> Rows:
    return replace(
        rows,
        features=change(rows.features),
        labels=change(rows.labels),
        codes=tuple(map(change, rows.codes)),
        weights=None if rows.weights is None else change(rows.weights),
    )


def _sums_of(width: int, device: torch.device) -> Sums:
    """Triton's kernel where it works for `width` features on `device`, else torch's products."""
    try:
        from train.gradients import triton_kernels
    except ImportError:  # torch brings Triton along on Linux only
        return _torch_sums
    if width > triton_kernels.MOST_FEATURES or device.type != "cuda":
        return _torch_sums
    partial = torch.empty(triton_kernels.programs(device), width + 1, device=device)
    none = torch.zeros(width + 1, 16, device=device)
    try:
        triton_kernels.gradient_sums(
            "bce", none[:-1], none[-1], None, none[:, 0].contiguous(), partial
        )
    except Exception:  # no C compiler, or a GPU that Triton does not know: it raises what it likes
        return _torch_sums

    def sums(loss: str, rows: Rows, theta: Tensor) -> Tensor:
        return triton_kernels.gradient_sums(
            loss, rows.features, rows.labels, rows.weights, theta, partial
        )

    return sums


def _torch_sums(loss: str, rows: Rows, theta: Tensor) -> Tensor:
    residual = rows.weighted(LOSSES[loss].residual_(logits(rows, theta), rows.labels))
    numbers, wide = rows.features @ residual, residual.double()
    sums = torch.zeros_like(theta, dtype=torch.float64)
    sums[: len(numbers)], sums[-1] = numbers, residual.sum()
    for codes, place in zip(rows.codes, rows.categories.places(len(numbers)), strict=True):
        add_by_code(codes, wide, sums[place])  # a frequent level has more rows than float32 counts
    return sums
