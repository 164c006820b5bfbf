"""The closed-form gradient on a GPU, in one read of the features: a Triton kernel.

A program takes tiles of all features times some rows, and computes logits, residuals and products
while a tile is in registers. train.gradients.losses has the same formulas in torch.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from train.gradients.numba_kernels import LOSS_CODES

MOST_FEATURES = 256
"""With more, a tile of enough rows does not fit into registers."""
_TILE_VALUES = 1 << 13
_PROGRAMS_A_PROCESSOR = 4


@triton.jit
def _sums(
    x, y, w, theta, out, rows, stride, width,
    LOSS: tl.constexpr, WEIGHTED: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    program, programs = tl.program_id(0), tl.num_programs(0)
    feature, row = tl.arange(0, WIDTH), tl.arange(0, ROWS)
    there = feature < width
    weight = tl.load(theta + feature, mask=there, other=0.0)
    bias = tl.load(theta + width)
    sums = tl.zeros((WIDTH,), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    for start in range(program * ROWS, rows, programs * ROWS):
        here = start + row
        inside = here < rows
        place = feature[:, None].to(tl.int64) * stride + here[None, :]
        tile = tl.load(x + place, mask=there[:, None] & inside[None, :], other=0.0)
        logit = tl.sum(tile * weight[:, None], 0) + bias
        label = tl.load(y + here, mask=inside, other=0.0)
        p = 1.0 / (1.0 + tl.exp(-logit))
        if LOSS == 0:
            residual = p - label
        elif LOSS == 1:
            residual = 2.0 * (p - label) * p * (1.0 - p)
        else:
            residual = logit
        if WEIGHTED:
            residual *= tl.load(w + here, mask=inside, other=0.0)
        residual = tl.where(inside, residual, 0.0)
        sums += tl.sum(tile * residual[None, :], 1)
        total += residual
    place = out + program * (width + 1)
    tl.store(place + feature, sums, mask=there)
    tl.store(place + width, tl.sum(total, 0))


def programs(device: torch.device) -> int:
    """How many programs run at once, each of which leaves sums of its own."""
    if device.type != "cuda":  # Triton's interpreter
        return 3
    processors: int = torch.cuda.get_device_properties(device).multi_processor_count
    return _PROGRAMS_A_PROCESSOR * processors


def gradient_sums(
    loss: str, x: Tensor, y: Tensor, w: Tensor | None, theta: Tensor, partial: Tensor
) -> Tensor:
    """Sums of residual·(x, 1) over the rows of `x` (d, n) and `y` (n,): (d + 1,), float64.

    Features may lie apart in memory; the values of each must be contiguous. `w` (n,) are the
    weights of the rows, None where all count alike. `partial`, float32 (programs, d + 1), is
    overwritten with the sums of each program.
    """
    width, rows = x.shape
    padded = max(2, triton.next_power_of_2(width))
    _sums[(len(partial),)](
        x, y, y if w is None else w, theta, partial, rows, x.stride(0), width,
        LOSS=LOSS_CODES[loss], WEIGHTED=w is not None, WIDTH=padded,
        ROWS=max(16, min(1024, _TILE_VALUES // padded)),
    )  # fmt: skip
    return partial.sum(0, dtype=torch.float64)
