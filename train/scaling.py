"""Standardisation of features."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """x -> (x - mean) / scale, feature by feature."""

    mean: Float64
    """(d,)"""
    scale: Float64
    """(d,) standard deviations (divided by n); infinite for a constant feature, so that it
    standardises to 0 and its folded weight is 0."""

    @classmethod
    def none(cls, width: int) -> "Scaling":
        """The scaling that changes nothing."""
        return cls(np.zeros(width), np.ones(width))

    @classmethod
    def fit(cls, features: npt.NDArray[np.float32]) -> "Scaling":
        """Mean and deviation of each row of `features` (d, n), in float64 by two passes."""
        mean, scale = np.empty(len(features)), np.empty(len(features))
        for i, values in enumerate(features):
            wide = values.astype(np.float64)
            constant = values.min() == values.max()
            mean[i] = wide[0] if constant else wide.mean()
            scale[i] = np.inf if constant else np.sqrt(np.square(wide - mean[i]).mean())
        return cls(mean, scale)

    def apply(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Standardised copy of `features` (d, n): computed in float64, rounded once."""
        result = np.empty_like(features)
        with np.errstate(over="ignore", under="ignore"):  # rows far outside become infinite
            for row, values, mean, scale in zip(
                result, features, self.mean, self.scale, strict=True
            ):
                row[:] = (values.astype(np.float64) - mean) / scale
        return result
