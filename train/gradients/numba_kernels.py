"""The closed-form gradient, compiled by numba, in blocks of rows that stay in the cache.

A block's logits, residuals and gradient are computed before the next block is touched, so that a
pass reads the features from memory once, where two products of whole matrices read them twice.
Blocks do not depend on how many threads there are, and their sums are added in one order: the same
bits from any number of threads. train.gradients.losses has the same formulas in torch.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from serve_runtime.arrays import Float32

_BCE, _MSE, _LINEAR = 0, 1, 2
LOSS_CODES = {"bce": _BCE, "mse": _MSE, "linear": _LINEAR}
"""How kernels are told which of train.gradients.losses to compute."""

_BLOCK_VALUES, _LEAST_ROWS, _MOST_ROWS = 1 << 17, 256, 4096
"""A block of features fills half of a second-level cache of 1 MiB, unless rows are very wide."""
PICKED_ROWS = 256
"""Rows in a block of `picked_gradient_sums`: they are read twice."""


def _compiled(function: Any) -> Any:
    # Sums may be reordered, so that they use whole vectors; nothing is assumed about infinities.
    options: dict[str, Any] = {
        "nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}
    }  # fmt: skip
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder is writable in which numba could keep what it compiles
        return njit(**options)(function)


_ONE, _HALF = np.float32(1), np.float32(0.5)
_LOG2_E = np.float32(1.44269504)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST, _HIGHEST = np.float32(-87.3), np.float32(88)
_EXPONENT_BIAS, _FRACTION_BITS = np.int32(127), np.int32(23)
# exp(r) = 1 + r + r²·p(r) for |r| <= ln(2)/2: the minimax polynomial of Cephes' expf.
_P5, _P4, _P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519e-3)
_P2, _P1, _P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(0.50000001201)


def block_rows(width: int) -> int:
    """Rows of `width` features in a block of `gradient_sums`, a multiple of 256."""
    fitting = _BLOCK_VALUES // max(1, width) // _LEAST_ROWS * _LEAST_ROWS
    return max(_LEAST_ROWS, min(_MOST_ROWS, fitting))


def chunk_rows(width: int) -> int:
    """Rows of `width` features in a chunk: four blocks of `gradient_sums`.

    Moments, digests and metrics are computed chunk by chunk, and a block on disk is made of whole
    chunks; each feature of a chunk fills whole pages of 4096 bytes.
    """
    return 4 * block_rows(width)


def chunk_slices(width: int, rows: int, several: int = 1) -> Iterator[slice]:
    """Slices that cut `rows` rows into chunks, or into `several` chunks at a time."""
    step = several * chunk_rows(width)
    return (slice(start, start + step) for start in range(0, rows, step))


def scratch(rows: int) -> tuple[Any, ...]:
    """Buffers of one thread for blocks of `rows` rows: residuals, powers of two, the same as
    integers, labels."""
    powers = np.empty(rows, np.float32)
    return np.empty(rows, np.float32), powers, powers.view(np.int32), np.empty(rows, np.float32)


@_compiled
def _logits(x: Float32, start: int, count: int, theta: Float32, z: Float32) -> None:
    width = x.shape[0]
    bias = theta[width]
    for i in range(count):
        z[i] = bias
    j = 0
    while j + 4 <= width:  # four at a time, so that z is read and written a fourth as often
        w0, w1, w2, w3 = theta[j], theta[j + 1], theta[j + 2], theta[j + 3]
        a, b = x[j, start : start + count], x[j + 1, start : start + count]
        c, d = x[j + 2, start : start + count], x[j + 3, start : start + count]
        for i in range(count):
            z[i] += w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i]
        j += 4
    while j < width:
        w0 = theta[j]
        a = x[j, start : start + count]
        for i in range(count):
            z[i] += w0 * a[i]
        j += 1


@_compiled
def _residuals(loss: int, z: Float32, power: Float32, bits: Any, y: Float32) -> Any:
    """Turn the logits `z` into residuals; returns their sum."""
    total = np.float32(0)
    if loss == _LINEAR:
        for i in range(len(y)):
            total += z[i]
        return total
    for i in range(len(y)):  # exp(-z) = fraction · 2ᵏ
        x = min(max(-z[i], _LOWEST), _HIGHEST)
        k = np.floor(x * _LOG2_E + _HALF)
        r = x - k * _LN_2_HIGH
        r = r - k * _LN_2_LOW
        p = ((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0
        z[i] = p * (r * r) + r + _ONE
        bits[i] = (np.int32(k) + _EXPONENT_BIAS) << _FRACTION_BITS
    if loss == _BCE:
        for i in range(len(y)):
            z[i] = _ONE / (_ONE + z[i] * power[i]) - y[i]
            total += z[i]
    else:
        for i in range(len(y)):
            p = _ONE / (_ONE + z[i] * power[i])
            z[i] = np.float32(2) * (p - y[i]) * p * (_ONE - p)
            total += z[i]
    return total


@_compiled
def _products(x: Float32, start: int, count: int, residual: Float32, out: Float32) -> None:
    width = x.shape[0]
    j = 0
    while j + 4 <= width:
        a, b = x[j, start : start + count], x[j + 1, start : start + count]
        c, d = x[j + 2, start : start + count], x[j + 3, start : start + count]
        s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for i in range(count):
            s0 += residual[i] * a[i]
            s1 += residual[i] * b[i]
            s2 += residual[i] * c[i]
            s3 += residual[i] * d[i]
        out[j], out[j + 1], out[j + 2], out[j + 3] = s0, s1, s2, s3
        j += 4
    while j < width:
        a = x[j, start : start + count]
        s0 = np.float32(0)
        for i in range(count):
            s0 += residual[i] * a[i]
        out[j] = s0
        j += 1


@_compiled
def gradient_sums(
    loss: int,
    x: Float32,
    y: Float32,
    theta: Float32,
    step: int,
    first: int,
    last: int,
    out: Float32,
    buffers: Any,
) -> None:
    """Put the sums of residual·(x, 1) over the rows of a block into the block's row of `out`.

    Blocks have `step` rows; those from `first` to before `last` are computed. `x` (d, n) is
    feature-major, `theta` (d + 1,) the weights and the bias, `out` (blocks, d + 1), `buffers` what
    `scratch(step)` gives.
    """
    z, power, bits, _ = buffers
    width, rows = x.shape
    for k in range(first, last):
        start = k * step
        count = min(step, rows - start)
        _logits(x, start, count, theta, z)
        out[k, width] = _residuals(loss, z, power, bits, y[start : start + count])
        _products(x, start, count, z, out[k])


@_compiled
def picked_gradient_sums(
    loss: int,
    x: Float32,
    y: Float32,
    index: Any,
    theta: Float32,
    step: int,
    first: int,
    last: int,
    out: Float32,
    buffers: Any,
) -> None:
    """Do what `gradient_sums` does, over the rows `index` of `x` (n, d), which is row-major.

    A row's values lie together, so that reading one at random costs two or three cache lines
    instead of one for each feature.
    """
    z, power, bits, label = buffers
    width, rows = x.shape[1], len(index)
    for k in range(first, last):
        start, sums = k * step, out[k]
        count = min(step, rows - start)
        for i in range(count):
            row = x[index[start + i]]
            label[i] = y[index[start + i]]
            logit = theta[width]
            for j in range(width):
                logit += theta[j] * row[j]
            z[i] = logit
        for j in range(width):
            sums[j] = np.float32(0)
        sums[width] = _residuals(loss, z, power, bits, label[:count])
        for i in range(count):
            row = x[index[start + i]]
            for j in range(width):
                sums[j] += z[i] * row[j]


@_compiled
def mean(sums: Float32, rows: int, out: npt.NDArray[np.floating]) -> None:
    """Put the sums of all blocks (blocks, d + 1), added in float64 in their order and divided by
    `rows`, into `out` (d + 1,)."""
    for j in range(sums.shape[1]):
        total = 0.0
        for k in range(sums.shape[0]):
            total += sums[k, j]
        out[j] = total / rows
