"""Standardisation of features, and the means and standard deviations that it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
        constant = moments.constant
        return cls(
            np.where(constant, moments.low, moments.mean),
            np.where(constant, np.inf, moments.deviation),
        )

    def take(self, place: slice) -> "Scaling":
        """That of the features at `place`."""
        return Scaling(self.mean[place], self.scale[place])

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

    def undo(self, features: Float32, center: Float64 | None = None) -> Float32:
        """The raw features (d, n) that standardised `features` were made of, to rounding, around
        `center` (d,) if it is given.

        Computed in float64 and rounded once; where `apply` has rounded, up to 2⁻²⁴ of the distance
        from the mean is lost.
        """
        scale = np.where(np.isinf(self.scale), 0, self.scale)  # constant: all at the mean
        base = self.mean if center is None else self.mean - center
        result = np.empty_like(features)
        for row, values, mean, deviation in zip(result, features, base, scale, strict=True):
            row[:] = values.astype(np.float64) * deviation + mean
        return result


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations, range and rounding of each feature of some rows."""

    count: npt.NDArray[np.int64]
    """(d,) the rows in which the value is not missing."""
    mean: Float64
    squares: Float64
    low: Float64
    high: Float64
    rounding: Float64
    """(d,) the most by which rounding to float32, in which rows are served, moves a value."""

    @property
    def deviation(self) -> Float64:
        """(d,) standard deviations: the square roots of the mean squared deviations."""
        return np.sqrt(self.squares / np.maximum(1, self.count))

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """(d,) whether a feature has one value only."""
        return np.equal(self.low, self.high)

    @classmethod
    def none(cls, width: int) -> "Moments":
        """The moments of no rows, of `width` features."""
        zero, end = np.zeros(width), np.full(width, np.inf)
        return cls(np.zeros(width, np.int64), zero, zero, end, -end, zero)

    @classmethod
    def of(cls, features: Floats) -> "Moments":
        """The moments of the rows of `features` (d, m), m >= 1, NaN where missing, by two passes in
        float64."""
        mean, squares, rounding = np.zeros((3, len(features)))
        count = np.full(len(features), features.shape[1], np.int64)
        low, high = (found.astype(np.float64) for found in (features.min(1), features.max(1)))
        for i, values in enumerate(features):
            if np.isnan(low[i]):
                values = values[~np.isnan(values)]
                count[i] = len(values)
                low[i], high[i] = values.min(initial=np.inf), values.max(initial=-np.inf)
                if not len(values):
                    continue
            wide = values.astype(np.float64, copy=False)
            mean[i] = wide.mean()
            squares[i] = np.square(wide - mean[i]).sum()
            if wide is values:
                rounding[i] = np.abs(wide - wide.astype(np.float32)).max()
        return cls(count, mean, squares, low, high, rounding)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of the rows of both, as stable as two passes over all of them.

        Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance.
        """
        count = self.count + other.count
        rows = np.maximum(1, count)
        apart = np.where(self.count * other.count, other.mean - self.mean, 0)
        return Moments(
            count,
            np.where(self.count, self.mean, other.mean) + apart * (other.count / rows),
            self.squares + other.squares + apart**2 * (self.count * other.count / rows),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.maximum(self.rounding, other.rounding),
        )

    def repeated(self, value: Float64, times: npt.NDArray[np.int64]) -> "Moments":
        """The moments of these rows and of `times` (d,) more rows in which each feature is `value`
        (d,), which may be NaN where there are none."""
        there = np.where(times > 0, value, 0)
        inside = np.where(times > 0, value, self.low)
        more = Moments(times, there, np.zeros(len(times)), inside, inside, np.zeros(len(times)))
        return self + more

    def take(self, order: Sequence[int]) -> "Moments":
        """The moments of the features at the places `order`."""
        return Moments(*(values[list(order)] for values in vars(self).values()))

    def beside(self, others: "Moments") -> "Moments":
        """The moments of these features, and then those of `others`."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Moments(*(np.concatenate(pair) for pair in pairs))

    @classmethod
    def of_flags(cls, ones: npt.NDArray[np.int64], rows: int) -> "Moments":
        """The moments of features that are 1 in `ones` (d,) of `rows` rows, else 0."""
        share = ones / rows
        low, high = (ones == rows).astype(np.float64), (ones > 0).astype(np.float64)
        count = np.full(len(ones), rows, np.int64)
        return cls(count, share, ones * (1 - share), low, high, np.zeros(len(ones)))
