"""The weights that training leaves, on standardised features, and the same function of raw ones."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serve_runtime.arrays import Float32, Float64
from serve_runtime.bundle.affine import Affine
from train.standardize import Scaling


@dataclass(frozen=True)
class Trained:
    """The model as it was trained: weight·(x - mean)/scale + bias."""

    weight: Float32
    """(d,), on standardised features."""
    bias: float
    scaling: Scaling

    @property
    def raw_weight(self) -> Float64:
        """The weights (d,) on raw features, in float64."""
        result: Float64 = self.weight.astype(np.float64) / self.scaling.scale
        return result

    def bias_at(self, center: npt.NDArray[np.floating]) -> float:
        """The bias b with which raw_weight·(x - center) + b is the same function.

        Summed exactly and rounded to float64 once, so that every machine finds the same.
        """
        moved = self.raw_weight * (center.astype(np.float64) - self.scaling.mean)
        return math.fsum([self.bias, *moved.tolist()])

    def affine(self, center: Float32 | None = None) -> Affine:
        """The same function of raw features around `center`, rounded to float32 once.

        Values that float32 does not hold become infinite.
        """
        with np.errstate(over="ignore", under="ignore"):
            bias = np.float32(self.bias_at(np.zeros(1) if center is None else center))
            return Affine(self.raw_weight.astype(np.float32), float(bias), center)
