"""The section "gpu": an epoch on a GPU, beside the bandwidth of its memory and the plain loop."""

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.harness.context import WIDTH, Context
from benchmarks.harness.result import Result, Target, at_least, digits
from benchmarks.training.problems import autograd, problem, train
from export.text_table import TextTable
from train.gradients.gpu import GpuGradients
from train.gradients.source import Rows, largest
from train.recipe.keys import Optimizer

_LARGE = 10
"""The large batch has so many times the rows that the scale names."""


def measure(context: Context) -> Result:
    """Time many rows, and six, that stay on the GPU; say so where there is no GPU."""
    if not torch.cuda.is_available():
        return Result(["torch finds no CUDA device here: nothing was measured."])
    device = torch.device("cuda")
    large = problem(context.scale.rows, WIDTH).rows()
    large = Rows(large.features.repeat(1, _LARGE), large.labels.repeat(_LARGE))
    data = _resident(large, device)
    theta, out = torch.zeros(WIDTH + 1, device=device), torch.empty(WIDTH + 1, device=device)
    epoch = _seconds(lambda: data.gradient("bce", theta, None, out))
    source = large.features.to(device)
    copy = torch.empty_like(source)
    read = 4 * large.features.numel()
    bandwidth = 2 * read / _seconds(lambda: copy.copy_(source))
    small, epochs = problem(6, 2).rows(), 2000
    ours = _seconds(lambda: train(_resident(small, device), Optimizer(lr=0.1, epochs=epochs)))
    features, labels = small.features.t().to(device), small.labels[:, None].to(device)
    loop = _seconds(lambda: autograd(features, labels, epochs))
    rows = len(large.labels)
    targets: list[Target] = [
        at_least(f"{rows:,} × {WIDTH}: bytes of the features a second, to those of a copy",
                 read / epoch / bandwidth, 0.8),
        at_least("6 × 2: autograd and torch.optim.SGD to train", loop / ours, 5),
    ]  # fmt: skip
    table = TextTable(
        (torch.cuda.get_device_name(device), "ms an epoch", "GB/s"),
        [
            (f"train, {rows:,} × {WIDTH}", digits(epoch * 1e3), digits(read / epoch / 1e9)),
            ("a copy of the features, read and written", "", digits(bandwidth / 1e9)),
            ("train, 6 × 2", digits(ours / epochs * 1e3), ""),
            ("autograd and torch.optim.SGD, 6 × 2", digits(loop / epochs * 1e3), ""),
        ],
    )
    return Result(["Full batches of rows that are resident on the GPU.", table], targets)


def _resident(rows: Rows, device: torch.device) -> GpuGradients:
    return GpuGradients(
        lambda: iter([rows]), len(rows.labels), largest(rows), device, resident=True
    )


def _seconds(call: Callable[[], object]) -> float:
    """Median seconds of a call, until the GPU has done what it asked for."""
    call()
    found = []
    for _ in range(9):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return float(np.median(found))
