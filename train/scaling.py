"""Standardisation of features, and what it takes: their means and deviations."""

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
    def of(cls, moments: "Moments") -> "Scaling":
        """The scaling that gives each feature mean 0 and deviation 1."""
        constant = moments.low == moments.high
        deviation = np.sqrt(moments.squares / max(1, moments.count))
        return cls(
            np.where(constant, moments.low, moments.mean), np.where(constant, np.inf, deviation)
        )

    def apply(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Standardised copy of `features` (d, n): computed in float64, rounded once."""
        result = np.empty_like(features)
        with np.errstate(over="ignore", under="ignore"):  # rows far outside become infinite
            for row, values, mean, scale in zip(
                result, features, self.mean, self.scale, strict=True
            ):
                row[:] = (values.astype(np.float64) - mean) / scale
        return result


class Moments:
    """Count, mean, sum of squared deviations and range of each feature, block by block.

    Each block is taken by two passes in float64, and merged as in Chan, Golub and LeVeque 1983,
    Algorithms for computing the sample variance: as stable as two passes over all rows.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean, self.squares = np.zeros(width), np.zeros(width)
        self.low, self.high = np.full(width, np.inf), np.full(width, -np.inf)

    def add(self, features: npt.NDArray[np.float32]) -> None:
        """Take in a block (d, m), m >= 1."""
        count = features.shape[1]
        total = self.count + count
        for i, values in enumerate(features):
            wide = values.astype(np.float64)
            mean = wide.mean()
            apart = mean - self.mean[i]
            self.squares[i] += np.square(wide - mean).sum() + apart**2 * self.count * count / total
            self.mean[i] += apart * count / total
            self.low[i] = min(self.low[i], wide.min())
            self.high[i] = max(self.high[i], wide.max())
        self.count = total
