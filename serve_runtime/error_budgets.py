"""Error budgets: how far a float32 score may be from the exact one, and why.

Logit. A dot product of width d plus a bias, summed in float32 in any order, obeys
|computed - exact| <= γ(d + 2)·(Σ|wᵢxᵢ| + |b|) with γ(k) = k·u / (1 - k·u) and u = 2⁻²⁴
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). No tolerance is
chosen: the bound follows from the number format. A product that underflows adds at most 2⁻¹⁴⁹.
A graph that subtracts a centre first has one rounding more, and Σ|wᵢ(xᵢ - cᵢ)| in place of
Σ|wᵢxᵢ|. Where the weights tⱼ of c levels and gaps are added to the bias, one after the other,
γ(d + c + 2)·(Σ|wᵢxᵢ| + Σ|tⱼ| + |b|) takes its place. How raw values become xᵢ and tⱼ has no budget:
that is exact, or one stated rounding.

A bent number has a curve in place of a weight: v + s·(x - o), of the segment in which x is. That is
one more term of the sum, of size |v| + |s·(x - o)|. Difference, product and sum are each rounded,
and then the term goes through the additions that every term goes through (a product of k factors
1 + δ, |δ| <= u, is 1 + θ, |θ| <= γ(k): Lemma 3.1 there). Those are two roundings more than wx has:
γ(d + c + 4)·(Σ|wᵢxᵢ| + Σ(|v| + |s·(x - o)|) + Σ|tⱼ| + |b|), d all numbers, bent or not. Which
segment it is has no budget: to compare is exact.

Contributions. Column j adds vⱼ, which is wⱼ(xⱼ - rⱼ), a weight or a curve; float64 computes it in
at most four operations, and it is rounded to float32 once: off by at most u·(1 + 2⁻²⁰)·|vⱼ|, or by
2⁻¹⁵⁰ where it is subnormal. The bias, b + Σwⱼrⱼ, is rounded to float64 once, since rⱼ is a float32
value and wⱼrⱼ exact in float64. So they add up to the exact logit within
u·(1 + 2⁻²⁰)·Σ|vⱼ| + 2⁻⁵³·|bias| + d·2⁻¹⁵⁰. (Where the two parts of a curve cancel, float64 may be
off by 2⁻⁵² of them besides, which is 2⁻²⁸ of what the logit's own budget has for them.)

Probability. It is a function of one float32, the logit, so it is held against the exact sigmoid
of that very logit, in units in the last place (ULP).
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from serve_runtime.arrays import Float32, Float64

_Real = np.ndarray[Any, np.dtype[Any]]

UNIT_ROUNDOFF: Final = 2.0**-24
"""Half the distance from 1 to the next larger float32."""

SMALLEST: Final = 2.0**-149
"""The smallest positive float32."""

SMALLEST_NORMAL: Final = 2.0**-126
"""The smallest positive float32 that is not subnormal."""

LARGEST: Final = float(np.finfo(np.float32).max)
"""The largest finite float32."""

MOST_OFFSET: Final = 2.0**126
"""A quarter of the largest float32. Where numbers are bent, a row whose offset is as large is
refused, as one whose logit overflows: for some number every curve that rises gets there."""

_BLOCK = 1 << 18
"""Values held in float64 at a time, so that the reference of a large batch stays in cache."""

PROBABILITY_ULP: Final = 4.0
"""Most ULP between a probability and the exact sigmoid of its own logit."""

LOWEST_LOGIT: Final = -87.0
"""From here up the ULP budget holds. Below, exp(-logit) leaves float32 and only
0 <= probability <= 1 is promised."""

_LOWEST = 1 / (1 + math.exp(-LOWEST_LOGIT)) * (1 + PROBABILITY_ULP * 2 * UNIT_ROUNDOFF)
"""The largest probability allowed to a logit below LOWEST_LOGIT."""


class Segments(NamedTuple):
    """Where b bent numbers of n rows are on their curves: value + slope·distance, (b, n) each."""

    value: _Real
    """Float32 values, as `slope` holds."""
    slope: _Real
    distance: Float64
    """Of the number from the origin of its segment, before float32 rounds it."""


def gamma(terms: int) -> float:
    """Higham's γ(k) = k·u / (1 - k·u), where `terms` = k is the most roundings that any term of a
    sum goes through."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def logit_reference(
    rows: _Real,
    weight: Float32,
    bias: float,
    center: Float32 | None = None,
    terms: Float64 | None = None,
    segments: Segments | None = None,
) -> tuple[Float64, Float64]:
    """Exact logits weight·(x - center) + bias of `rows` (n, d), and their a-priori bounds: (n,).

    `weight` and `center` (d,) and `bias` are the float32 values of the model; `center` None is 0.
    `terms` (c, n), float32 values too, are what else is added to the bias of each row; `segments`
    are those of the bent numbers, whose weight and centre are 0.
    The products of float32 values are exact in float64 and are summed with compensation, so the
    logit is off by little more than its own rounding to float64; a centre adds a rounding of each
    term, a curve two. All are less than 2⁻²⁶ of the bound. Non-finite rows give non-finite logits
    and bounds; the bound is infinite where a term may overflow float32, since then nothing is
    promised.
    """
    step = max(1, _BLOCK // max(1, len(weight)))
    logit, bound = np.empty(len(rows)), np.empty(len(rows))
    weight64 = weight.astype(np.float64)[:, None]
    added = 0 if terms is None else len(terms)
    with np.errstate(invalid="ignore", over="ignore"):
        for i in range(0, len(rows), step):
            part = slice(i, i + step)
            wide = rows[part].T.astype(np.float64, order="C")
            farthest: Float64 | float = 0.0
            if center is not None:
                wide -= center.astype(np.float64)[:, None]
                farthest = np.abs(wide).max(0, initial=0)
            wide *= weight64
            if terms is not None:
                wide = np.concatenate((wide, terms[:, part]))
            if segments is not None:
                value, slope, distance = (of_all[:, part] for of_all in segments)
                farthest = np.maximum(farthest, np.abs(distance).max(0, initial=0))
                wide = np.concatenate((wide, value, slope * distance))
            magnitude = np.abs(wide).sum(0) + abs(bias)
            bound[part] = logit_bound(
                magnitude,
                farthest,
                len(weight),
                center is not None,
                added,
                bent=segments is not None,
            )
            logit[part] = _compensated_sum(wide, bias)
    return logit, bound


def logit_bound(
    magnitude: Float64,
    farthest: Float64 | float,
    width: int,
    centered: bool,
    added: int = 0,
    *,
    bent: bool = False,
) -> Float64:
    """The a-priori bound for rows (n,) of `width` features, as the module says.

    `magnitude` (n,) is Σ|wᵢ(xᵢ - cᵢ)| + Σ(|v| + |s·(x - o)|) + Σ|tᵢ| + |b|, `farthest` the largest
    |xᵢ - cᵢ| and |x - o|, 0 where nothing is subtracted, `added` the number of tᵢ; with `bent` a
    feature has a curve. Infinite where one of them may overflow float32, or reach MOST_OFFSET with
    a curve.
    """
    terms = width + added + 2 + (2 if bent else centered)
    most = MOST_OFFSET if bent else LARGEST
    overflow = (magnitude * (1 + gamma(terms)) > most) | np.greater(farthest, LARGEST)
    bound = gamma(terms) * magnitude + width * SMALLEST
    return np.where(overflow & np.isfinite(magnitude), np.inf, bound)


def contributions_bound(values: Float32, bias: float) -> Float64:
    """The a-priori bound on |Σ values + bias - exact logit| for rows (n,) of contributions (n, d),
    as the module says. Infinite where a contribution is."""
    sizes = np.abs(values.astype(np.float64)).sum(1)
    share = UNIT_ROUNDOFF * (1 + 2.0**-20)
    result: Float64 = share * sizes + 2.0**-53 * abs(bias) + values.shape[1] * SMALLEST / 2
    return result


def flushed(
    rows: _Real, weight: Float32, center: Float32 | None, segments: Segments | None = None
) -> Float64:
    """How far the logit of each row (n, d) may move where the host flushes subnormals to zero.

    Returns (n,). What is flushed is below 2⁻¹²⁶: an operand of a product, which is multiplied by
    the other one, the product itself, a sum, the bias; of a curve also both sides of its
    difference. A subnormal number counts as 0, whatever the curve is between the two.
    """
    wide = np.abs(rows.astype(np.float64) - (0.0 if center is None else center.astype(np.float64)))
    factor = np.abs(weight.astype(np.float64)) * (1 if center is None else 2)
    lost = (3.0 + wide + factor).sum(1) + 2
    if segments is not None:
        lost += (4.0 + 3 * np.abs(segments.slope) + np.abs(segments.distance)).sum(0)
    return np.asarray(SMALLEST_NORMAL * lost)


def flushes_to_zero() -> bool:
    """Whether this thread takes subnormals for zero, or makes zero of them (FTZ, DAZ, FZ).

    Libraries that were compiled with -ffast-math set it for whoever loads them; audio and game
    engines set it on purpose.
    """
    normal, subnormal = np.array([SMALLEST_NORMAL]), np.array([1], np.uint32).view(np.float32)
    made = normal.astype(np.float32) * np.float32(0.5)
    taken = subnormal * np.float32(2.0**100)
    return not (made.view(np.uint32)[0] and taken[0])


def _compensated_sum(terms: Float64, start: float) -> Float64:
    """Sum over the first axis plus `start`, as if in twice float64's precision.

    TwoSum over a tree, and the errors added up at the end (Ogita, Rump, Oishi, "Accurate sum and
    dot product", SIAM J. Sci. Comput. 26, 2005). Plain summation where a term is not finite.
    """
    plain = terms.sum(0) + start
    finite = np.isfinite(plain)
    terms = np.concatenate((terms, np.full((1, terms.shape[1]), start)))
    error = np.zeros(terms.shape[1])
    while len(terms) > 1:
        half = len(terms) // 2
        a, b, rest = terms[:half], terms[half : 2 * half], terms[2 * half :]
        sums = a + b
        part = sums - a
        error += ((a - (sums - part)) + (b - part)).sum(0)
        terms = np.concatenate((sums, rest))
    total: Float64 = np.where(finite, terms[0] + error, plain)
    return total


def probability_budget(logit: Float64, bound: Float64) -> Float64:
    """Largest |probability - sigmoid(logit)| allowed to a row, where `logit` is exact: (n,).

    A logit within `bound` moves the sigmoid by at most bound·p(1-p)·exp(bound), since the logarithm
    of p(1-p) has a slope of at most 1, and by at most bound/4, since p(1-p) <= 1/4. To this the
    kernel's own PROBABILITY_ULP are added, in units of the largest sigmoid in reach.
    """
    with np.errstate(invalid="ignore"):  # where the bound is infinite, everything is allowed
        size = np.abs(logit)
        slope = np.exp(np.minimum(bound - size, 0)) / np.square(1 + np.exp(-size))
        moved = bound * np.minimum(slope, 0.25)
        kernel = PROBABILITY_ULP * ulp_of(sigmoid(logit + bound))
        kernel = np.where(logit - bound < LOWEST_LOGIT, np.maximum(kernel, _LOWEST), kernel)
        return np.minimum(np.where(np.isinf(bound), 1, moved + kernel), 1)


def sigmoid(logit: _Real) -> Float64:
    """1 / (1 + exp(-logit)) in float64, free of overflow and cancellation on both sides."""
    z = logit.astype(np.float64)
    e = np.exp(-np.abs(z))
    result: Float64 = np.where(z >= 0, 1.0, e) / (1.0 + e)
    return result


def probability_error(probability: Float32, logit: Float32) -> Float64:
    """The error of each probability in ULP, to be compared with PROBABILITY_ULP.

    Below LOWEST_LOGIT it is 0 for a probability that is small enough.

    Infinite for a probability outside [0, 1], for one above the sigmoid of LOWEST_LOGIT at a
    lower logit, and for NaN in one of the two but not in both.
    """
    ulp = probability_ulp(probability, logit)
    ulp = np.where(logit < LOWEST_LOGIT, np.where(probability <= _LOWEST, 0.0, np.inf), ulp)
    ulp = np.where((probability >= 0) & (probability <= 1) & ~np.isnan(ulp), ulp, np.inf)
    return np.where(np.isnan(logit) & np.isnan(probability), 0.0, ulp)


def probability_ulp(probability: Float32, logit: _Real) -> Float64:
    """ULP (of float32) between each probability and the exact sigmoid of its logit."""
    exact = sigmoid(logit)
    error: Float64 = np.abs(probability.astype(np.float64) - exact) / ulp_of(exact)
    return error


def ulp_of(probability: Float64) -> Float64:
    """The float32 unit in the last place at each value (n,), beyond 1 that of 1.

    In float64 throughout: as float32 it is subnormal up to 2⁻¹⁰³, and some hosts make that 0.
    """
    rounded = np.clip(probability, SMALLEST_NORMAL, 1).astype(np.float32)
    exponent = np.frexp(rounded.astype(np.float64))[1]
    unit: Float64 = np.ldexp(1.0, exponent - 24)
    return unit
