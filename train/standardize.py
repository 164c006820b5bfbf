"""Standardisation of features, and the means and standard deviations that it needs."""

from dataclasses import dataclass

import numpy as np

from serve_runtime.arrays import Float32, Float64, Floats


@dataclass(frozen=True)
class Scaling:
    """The map x → (x - mean) / scale of each feature."""

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
        return cls(
            np.where(constant, moments.low, moments.mean),
            np.where(constant, np.inf, moments.deviation),
        )

    def apply(self, features: Floats) -> Float32:
        """Standardised copy of `features` (d, n): computed in float64, rounded once."""
        result: Float32 = np.empty(features.shape, np.float32)
        # Values far outside, or all so near to 0 that their deviation is 0, do not stay finite; the
        # caller checks.
        with np.errstate(all="ignore"):
            for row, values, mean, scale in zip(
                result, features, self.mean, self.scale, strict=True
            ):
                row[:] = (values.astype(np.float64, copy=False) - mean) / scale
        return result

    def undo(self, features: Float32) -> Float32:
        """The raw features (d, n) that standardised `features` were made of, to rounding.

        Computed in float64 and rounded once; where `apply` has rounded, up to 2⁻²⁴ of the distance
        from the mean is lost.
        """
        scale = np.where(np.isinf(self.scale), 0, self.scale)  # constant: all at the mean
        result = np.empty_like(features)
        for row, values, mean, deviation in zip(result, features, self.mean, scale, strict=True):
            row[:] = values.astype(np.float64) * deviation + mean
        return result


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations, range and rounding of each feature of some rows."""

    count: int
    mean: Float64
    squares: Float64
    low: Float64
    high: Float64
    rounding: Float64
    """(d,) the most by which rounding to float32, in which rows are served, moves a value."""

    @property
    def deviation(self) -> Float64:
        """(d,) standard deviations: the square roots of the mean squared deviations."""
        return np.sqrt(self.squares / max(1, self.count))

    @classmethod
    def of(cls, features: Floats) -> "Moments":
        """The moments of the rows of `features` (d, m), m >= 1, by two passes in float64."""
        mean, squares, rounding = np.zeros((3, len(features)))
        for i, values in enumerate(features):
            wide = values.astype(np.float64, copy=False)
            mean[i] = wide.mean()
            squares[i] = np.square(wide - mean[i]).sum()
            if wide is values:
                rounding[i] = np.abs(wide - wide.astype(np.float32)).max()
        low, high = (found.astype(np.float64) for found in (features.min(1), features.max(1)))
        return cls(features.shape[1], mean, squares, low, high, rounding)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of the rows of both, as stable as two passes over all of them.

        Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance.
        """
        count = self.count + other.count
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.squares + other.squares + apart**2 * (self.count * other.count / count),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.maximum(self.rounding, other.rounding),
        )
