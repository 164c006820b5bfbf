"""What a model computes before the sigmoid: weight·(x - center) + bias."""

import math
from dataclasses import dataclass

import numpy as np

from serve_runtime.arrays import Array, Float32, Float64
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.error_budgets import logit_reference


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
        center = () if self.center is None else self.center
        return np.concatenate((self.weight, [self.bias], center), dtype=np.float32)

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
