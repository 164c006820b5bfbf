"""The closed-form gradient, compiled by numba, in blocks of rows that stay in the cache.

A block's logits, residuals and gradient are computed before the next block is touched, so that a
pass reads the features from memory once, where two products of whole matrices read them twice.
Blocks do not depend on how many threads there are, and their sums are added in one order: the same
bits from any number of threads. Every sum and every multiply-add is written out, and nothing is
left to the compiler to reorder, so that the bits are also those of any other build: freshly
compiled or from numba's cache, with AVX2, AVX-512 or on ARM. A processor without multiply-adds
rounds more often. train.gradients.losses has the same formulas in torch.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from serve_runtime.arrays import Float32
from train.gradients.vectors import (
    LANES,
    add,
    divide,
    first,
    fma,
    larger,
    load,
    load_some,
    multiply,
    power_of_two,
    smaller,
    splat,
    store,
    subtract,
    total,
    totals,
)

_BCE, _MSE, _LINEAR = 0, 1, 2
LOSS_CODES = {"bce": _BCE, "mse": _MSE, "linear": _LINEAR}
"""How kernels are told which of train.gradients.losses to compute."""

_BLOCK_VALUES, _LEAST_ROWS, _MOST_ROWS = 1 << 17, 256, 4096
"""A block of features fills half of a second-level cache of 1 MiB, unless rows are very wide."""
PICKED_ROWS = 256
"""Rows in a block of `picked_gradient_sums`: they are read twice."""
NO_WEIGHTS: Float32 = np.empty(0, np.float32)
"""How kernels are told that all rows count alike."""


def compiled(function: Any) -> Any:
    """`function`, compiled by numba when it is first called, or read from numba's cache."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder is writable in which numba could keep what it compiles
        return njit(**options)(function)


VECTORS_SHA256 = "8d0d8def8569ed64121de045eecf729022b5dae6c3a65a4eb0e8ce24ef8f16cc"
"""The digest of vectors.py. numba compiles anew what is in a file that was changed, this one, but
does not look at what it imports."""

_AT_ONCE = 4 * LANES
"""Rows in a step of the loops over rows, each written out four times."""

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_LOG2_E = np.float32(1.44269504)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST, _HIGHEST = np.float32(-87.3), np.float32(88)
_SHIFT = np.float32(1.5 * 2**23)
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


def scratch(rows: int) -> tuple[Float32, Float32]:
    """Buffers of one thread for blocks of `rows` rows: logits, which become residuals, and
    labels."""
    whole = -(-rows // LANES) * LANES
    return np.empty(whole, np.float32), np.empty(whole, np.float32)


@compiled
def block_logits(x: Float32, start: int, count: int, theta: Float32, z: Float32) -> None:
    """Put the logits of the `count` rows from `start` on of `x` (d, n) into `z`."""
    width, whole = x.shape[0], count // _AT_ONCE * _AT_ONCE
    bias = splat(theta[width])
    for i in range(0, count, LANES):
        store(z, i, bias)
    j = 0
    while j + 4 <= width:  # four at a time, so that z is read and written a fourth as often
        w0, w1 = splat(theta[j]), splat(theta[j + 1])
        w2, w3 = splat(theta[j + 2]), splat(theta[j + 3])
        for step in range(0, whole, _AT_ONCE):
            for i in range(step, step + _AT_ONCE, LANES):
                k = start + i
                s = fma(w1, load(x, (j + 1, k)), fma(w0, load(x, (j, k)), load(z, i)))
                s = fma(w3, load(x, (j + 3, k)), fma(w2, load(x, (j + 2, k)), s))
                store(z, i, s)
        for i in range(whole, count, LANES):
            k, n = start + i, count - i
            s = fma(w1, load_some(x, (j + 1, k), n), fma(w0, load_some(x, (j, k), n), load(z, i)))
            s = fma(w3, load_some(x, (j + 3, k), n), fma(w2, load_some(x, (j + 2, k), n), s))
            store(z, i, s)
        j += 4
    while j < width:
        w0 = splat(theta[j])
        for step in range(0, whole, _AT_ONCE):
            for i in range(step, step + _AT_ONCE, LANES):
                store(z, i, fma(w0, load(x, (j, start + i)), load(z, i)))
        for i in range(whole, count, LANES):
            store(z, i, fma(w0, load_some(x, (j, start + i), count - i), load(z, i)))
        j += 1


@njit(forceinline=True, error_model="numpy")
def _residual(loss: int, z: Any, y: Any) -> Any:
    if loss == _LINEAR:
        return z
    # exp(-z) = exp(r) · 2ᵏ; where k + _SHIFT is rounded, nothing of it is left behind the point.
    x = smaller(larger(subtract(splat(_ZERO), z), splat(_LOWEST)), splat(_HIGHEST))
    shifted = fma(x, splat(_LOG2_E), splat(_SHIFT))
    k = subtract(shifted, splat(_SHIFT))
    r = fma(k, splat(-_LN_2_LOW), fma(k, splat(-_LN_2_HIGH), x))
    p = fma(fma(splat(_P5), r, splat(_P4)), r, splat(_P3))
    p = fma(fma(fma(p, r, splat(_P2)), r, splat(_P1)), r, splat(_P0))
    exponential = add(fma(p, multiply(r, r), r), splat(_ONE))
    p = divide(splat(_ONE), fma(exponential, power_of_two(shifted), splat(_ONE)))
    residual = subtract(p, y)
    if loss == _MSE:
        slope = multiply(p, subtract(splat(_ONE), p))
        residual = multiply(multiply(splat(_TWO), residual), slope)
    return residual


@compiled
def block_residuals(loss: int, z: Float32, y: Float32) -> Any:
    """Turn the logits `z` into residuals, and what is behind them in their last vector into zeros;
    returns their sum."""
    count = len(y)
    whole, s = count // LANES * LANES, splat(_ZERO)
    for i in range(0, whole, LANES):
        residual = _residual(loss, load(z, i), load(y, i))
        store(z, i, residual)
        s = add(s, residual)
    if whole < count:
        n = count - whole
        residual = first(_residual(loss, load(z, whole), load_some(y, whole, n)), n)
        store(z, whole, residual)
        s = add(s, residual)
    return total(s)


@compiled
def weigh(z: Float32, w: Float32) -> Any:
    """Multiply the residuals `z` of `block_residuals` by the weights `w`; returns their sum."""
    count = len(w)
    whole, s = count // LANES * LANES, splat(_ZERO)
    for i in range(0, whole, LANES):
        residual = multiply(load(z, i), load(w, i))
        store(z, i, residual)
        s = add(s, residual)
    if whole < count:
        residual = multiply(load(z, whole), load_some(w, whole, count - whole))
        store(z, whole, residual)
        s = add(s, residual)
    return total(s)


@compiled
def block_products(x: Float32, start: int, count: int, residual: Float32, out: Float32) -> None:
    """Put the sums of residual·x over the rows that `block_logits` takes into `out` (d, …)."""
    last, whole = x.shape[0] - 1, count // _AT_ONCE * _AT_ONCE
    for a in range(0, x.shape[0], 4):  # four features at a time, at the end the last one again
        b, c, d = min(a + 1, last), min(a + 2, last), min(a + 3, last)
        s0, s1, s2, s3 = splat(_ZERO), splat(_ZERO), splat(_ZERO), splat(_ZERO)
        for step in range(0, whole, _AT_ONCE):
            for i in range(step, step + _AT_ONCE, LANES):
                r, k = load(residual, i), start + i
                s0, s1 = fma(r, load(x, (a, k)), s0), fma(r, load(x, (b, k)), s1)
                s2, s3 = fma(r, load(x, (c, k)), s2), fma(r, load(x, (d, k)), s3)
        for i in range(whole, count, LANES):
            r, k, n = load(residual, i), start + i, count - i
            s0, s1 = fma(r, load_some(x, (a, k), n), s0), fma(r, load_some(x, (b, k), n), s1)
            s2, s3 = fma(r, load_some(x, (c, k), n), s2), fma(r, load_some(x, (d, k), n), s3)
        out[a], out[b], out[c], out[d] = totals(s0, s1, s2, s3)


@compiled
def gradient_sums(
    loss: int,
    x: Float32,
    y: Float32,
    w: Float32,
    theta: Float32,
    step: int,
    first: int,
    last: int,
    out: Float32,
    buffers: Any,
) -> None:
    """Put the sums of residual·(x, 1) over the rows of a block into the block's row of `out`.

    Blocks have `step` rows; those from `first` to before `last` are computed. `x` (d, n) is
    feature-major, `w` are the weights of the rows (n,) or NO_WEIGHTS, `theta` (d + 1,) those of the
    features and the bias, `out` (blocks, d + 1), `buffers` what `scratch(step)` gives.
    """
    z, _ = buffers
    width, rows = x.shape
    for k in range(first, last):
        start = k * step
        count = min(step, rows - start)
        block_logits(x, start, count, theta, z)
        out[k, width] = block_residuals(loss, z, y[start : start + count])
        if len(w):
            out[k, width] = weigh(z, w[start : start + count])
        block_products(x, start, count, z, out[k])


@compiled
def picked_gradient_sums(
    loss: int,
    x: Float32,
    y: Float32,
    w: Float32,
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
    z, label = buffers
    width, rows = x.shape[1], len(index)
    for k in range(first, last):
        start, sums = k * step, out[k]
        count = min(step, rows - start)
        for i in range(count):
            row, logit, j = index[start + i], splat(_ZERO), 0
            label[i] = y[row]
            while j + LANES <= width:
                logit = fma(load(theta, j), load(x, (row, j)), logit)
                j += LANES
            if j < width:
                n = width - j
                logit = fma(load_some(theta, j, n), load_some(x, (row, j), n), logit)
            z[i] = theta[width] + total(logit)
        for j in range(width):
            sums[j] = _ZERO
        sums[width] = block_residuals(loss, z, label[:count])
        if len(w):  # the labels have served
            for i in range(count):
                label[i] = w[index[start + i]]
            sums[width] = weigh(z, label[:count])
        for i in range(count):
            row = index[start + i]
            for j in range(width):
                sums[j] = fma(z[i], x[row, j], sums[j])


@compiled
def mean(sums: Float32, rows: int, out: npt.NDArray[np.floating]) -> None:
    """Put the sums of all blocks (blocks, d + 1), added in float64 in their order and divided by
    `rows`, into `out` (d + 1,)."""
    for j in range(sums.shape[1]):
        total = 0.0
        for k in range(sums.shape[0]):
            total += sums[k, j]
        out[j] = total / rows
