"""What a model computes before the sigmoid: weight·(x - center) + bias."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import ROWS, Float32, Float64
from serve_runtime.bundle.onnx_graph import Graph
from serve_runtime.error_budgets import logit_reference


@dataclass(frozen=True)
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

    def sha256(self) -> str:
        """The card's weights_sha256."""
        return Graph(ROWS, self.weight, np.float32(self.bias), self.center).weights_sha256()

    def reference(self, rows: npt.NDArray[np.floating]) -> tuple[Float64, Float64]:
        """Exact logits of `rows` (n, d) and their float32 error bounds, both (n,) float64."""
        return logit_reference(rows, self.weight, self.bias, self.center)
