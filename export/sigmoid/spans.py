"""All float32 values in increasing order, and the figures of a kernel on a span of them.

A kernel is a function from logit to probability. The rank of a float32 is its position in the
order: -inf has rank 0, then come the negative numbers, -0, +0, the positive numbers, +inf, and the
NaNs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from export.formats.artifact import Score
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import probability_ulp, ulp_of

Ranks = npt.NDArray[np.int64]
Interval = tuple[int, int, int]
"""(start, stop, stride): of the ranks from start up to stop - 1, one out of every `stride`."""

PATTERNS: Final = 1 << 32
"""How many bit patterns a float32 has, those of NaN included."""

NUMBERS: Final = 2 * (0x7F800000 + 1)
"""How many of them are no NaN: 0 to infinity, with both signs. Their ranks come first."""

IDENTITY: Final = Affine(np.ones(1, np.float32), 0.0)
"""The model whose logit is its only feature, by which a sigmoid is tried on logits of choice."""

_NEIGHBOURS = 8


@dataclass(frozen=True)
class Count:
    """How often something was seen, and at which logit first.

    `a + b` is the count over both spans, if the span of `b` comes after that of `a`.
    """

    times: int
    first: float | None

    @classmethod
    def of(cls, seen: npt.NDArray[np.bool_], logit: Float32) -> "Count":
        """Count the True in `seen` (n,)."""
        times = int(np.count_nonzero(seen))
        return cls(times, float(logit[seen.argmax()]) if times else None)

    def __add__(self, other: "Count") -> "Count":
        return Count(self.times + other.times, self.first if self.times else other.first)


@dataclass(frozen=True)
class Span:
    """The figures of a kernel on logits in increasing order.

    `a + b` are those of both spans together, if `b` follows `a`.
    """

    low: float
    high: float
    """The first and the last logit."""
    logits: int
    ulp: float
    """Largest error in ULP; infinite if the kernel gives a number for NaN or NaN for a number."""
    ulp_at: float
    """The lowest logit with that error."""
    smallest: float
    largest: float
    first: float
    last: float
    """Probabilities: the smallest and largest, and those of `low` and of `high`."""
    outside: Count
    """Probabilities outside [0, 1]; in the span of the NaNs, probabilities that are not NaN."""
    decreases: Count
    """Probabilities that are lower than that of the logit before."""
    decrease_ulp: float
    """The largest of these decreases, in ULP of the higher probability."""
    altered: Count
    """Logits that the kernel returned changed; it may return 0 for -0."""

    def __add__(self, other: "Span") -> "Span":
        worst = self if self.ulp >= other.ulp else other
        border = np.array([self.last, other.first], np.float32)
        decreases, decrease_ulp = _decreases(border, np.array([self.high, other.low], np.float32))
        return Span(
            low=self.low,
            high=other.high,
            logits=self.logits + other.logits,
            ulp=worst.ulp,
            ulp_at=worst.ulp_at,
            smallest=float(np.fmin(self.smallest, other.smallest)),
            largest=float(np.fmax(self.largest, other.largest)),
            first=self.first,
            last=other.last,
            outside=self.outside + other.outside,
            decreases=self.decreases + decreases + other.decreases,
            decrease_ulp=max(self.decrease_ulp, decrease_ulp, other.decrease_ulp),
            altered=self.altered + other.altered,
        )


def float32_at(ranks: Ranks) -> Float32:
    """The float32 of each rank (n,) in 0 ... PATTERNS - 1; each bit pattern has one rank."""
    rank = ranks.astype(np.uint32)
    numbers = np.where(rank <= 0x7F800000, 0xFF800000 - rank, rank - 0x7F800001)
    return np.where(rank <= 0xFF800000, numbers, rank).astype(np.uint32).view(np.float32)


def ranks_of(values: Float32) -> Ranks:
    """The rank of each value (n,): the inverse of `float32_at`."""
    bits = values.view(np.uint32).astype(np.int64)
    numbers = np.where(bits >= 0x80000000, 0xFF800000 - bits, bits + 0x7F800001)
    return np.where(bits > 0xFF800000, bits, numbers)


def split(interval: Interval, count: int) -> Iterator[Interval]:
    """Cut an interval into neighbours of `count` strides each; the last may have fewer."""
    start, stop, stride = interval
    for begin in range(start, stop, count * stride):
        yield begin, min(begin + count * stride, stop), stride


def select(interval: Interval) -> Ranks:
    """The ranks of an interval (n,), increasing; with a stride above 1, out of every `stride`
    ranks a random one, always the same, and the 8 ranks at either end."""
    start, stop, stride = interval
    ranks = np.arange(start, stop, stride, dtype=np.int64)
    if stride == 1:
        return ranks
    ranks += np.random.default_rng(start).integers(stride, size=len(ranks))
    ends = np.r_[start : start + _NEIGHBOURS, stop - _NEIGHBOURS : stop]
    return np.unique(np.clip(np.concatenate([ranks, ends]), start, stop - 1))


def examine(score: Score, ranks: Ranks) -> Span:
    """Score the float32 of increasing `ranks` (n,), all numbers or all NaN, in one call."""
    z = float32_at(ranks)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        logit, p = score(z[:, None])
        ulp = probability_ulp(p, z)
        undefined = np.isnan(ulp)
        if undefined.any():
            ulp[undefined] = np.where(np.isnan(z) & np.isnan(p), 0.0, np.inf)[undefined]
        inside = np.where(np.isnan(z), np.isnan(p), (p >= 0) & (p <= 1))
        altered = (logit != z) & ~(np.isnan(logit) & np.isnan(z))
        decreases, decrease_ulp = _decreases(p, z)
    worst = ulp.argmax()
    return Span(
        low=float(z[0]),
        high=float(z[-1]),
        logits=len(z),
        ulp=float(ulp[worst]),
        ulp_at=float(z[worst]),
        smallest=float(np.fmin.reduce(p)),
        largest=float(np.fmax.reduce(p)),
        first=float(p[0]),
        last=float(p[-1]),
        outside=Count.of(~inside, z),
        decreases=decreases,
        decrease_ulp=decrease_ulp,
        altered=Count.of(altered, z),
    )


def _decreases(p: Float32, logit: Float32) -> tuple[Count, float]:
    """Where a probability of `p` (n,) is lower than the one before, and by how many ULP at most."""
    lower = p[1:] < p[:-1]
    count = Count.of(lower, logit[1:])
    if not count.times:
        return count, 0.0
    before, after = p[:-1][lower].astype(np.float64), p[1:][lower].astype(np.float64)
    return count, float(((before - after) / ulp_of(before)).max())
