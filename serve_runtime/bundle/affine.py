"""What a model computes before the sigmoid: weight·(x - center) + bias."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.error_budgets import logit_reference

_SMALLEST_NORMAL: Final = 2.0**-126
_SMALLEST: Final = 2.0**-149
_SIGN: Final = 1 << 31


def float32_of(value: float) -> Float32:
    """A float32 value that a float holds, as an array (1,), with its very bits.

    Also where this host flushes subnormals to zero: there a conversion would lose such a value.
    """
    if not 0 < abs(value) < _SMALLEST_NORMAL:
        return np.array([value], np.float32)
    bits = round(abs(value) / _SMALLEST) | (_SIGN if value < 0 else 0)
    return np.array([bits], np.uint32).view(np.float32)


def float_of(value: Float32) -> float:
    """The value of an array (1,) as a float: what `float32_of` takes."""
    bits = int(value.view(np.uint32)[0])
    magnitude = bits & ~_SIGN
    if not 0 < magnitude < 1 << 23:
        return float(value[0])
    return magnitude * (-_SMALLEST if bits & _SIGN else _SMALLEST)


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Affine:
    """weight·(x - center) + bias in float32: what every exported file computes."""

    weight: Float32
    """(d,)"""
    bias: float
    """A float32 value."""
    center: Float32 | None = None
    """(d,), or None where nothing is subtracted."""

    @property
    def values(self) -> Float32:
        """All values in one array: the weights, the bias, the centre if there is one."""
        center = () if self.center is None else (self.center,)
        return np.concatenate((self.weight, float32_of(self.bias), *center), dtype=np.float32)

    @property
    def intercept(self) -> float:
        """The value at x = 0, bias - weight·center, rounded to float64 once."""
        if self.center is None:
            return float(self.bias)
        moved = self.weight.astype(np.float64) * self.center  # 24 bits times 24 bits: exact
        return math.fsum([self.bias, *(-moved).tolist()])

    def sha256(self) -> str:
        """SHA-256 of `values`, little-endian float32: the card's weights_sha256."""
        return sha256(self.values.astype("<f4").tobytes()).hexdigest()

    def reference(self, rows: Array) -> tuple[Float64, Float64]:
        """Exact logits of `rows` (n, d) and their float32 error bounds, both (n,) float64."""
        return logit_reference(rows, self.weight, self.bias, self.center)
