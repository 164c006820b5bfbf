"""Error budgets: how far a float32 score may be from the exact one, and why.

Logit. A dot product of width d plus a bias, summed in float32 in any order, obeys
|computed - exact| <= γ(d + 2)·(Σ|wᵢxᵢ| + |b|) with γ(k) = k·u / (1 - k·u) and u = 2⁻²⁴
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). No tolerance is
chosen: the bound follows from the number format. A product that underflows adds at most 2⁻¹⁴⁹.

Probability. It is a function of one float32, the logit, so it is held against the exact sigmoid
of that very logit, in units in the last place (ULP).
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

UNIT_ROUNDOFF: Final = 2.0**-24
"""Half the distance from 1 to the next larger float32."""

SMALLEST: Final = 2.0**-149
"""The smallest positive float32."""

PROBABILITY_ULP: Final = 4.0
"""Most ULP between a probability and the exact sigmoid of its own logit."""

LOWEST_LOGIT: Final = -87.0
"""From here up the ULP budget holds. Below, exp(-logit) leaves float32 and only
0 <= probability <= 1 is promised."""


def gamma(terms: int) -> float:
    """γ(terms) of the a-priori bound; `terms` roundings on the longest path."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def logit_reference(
    rows: npt.NDArray[Any], weight: Float32, bias: float
) -> tuple[Float64, Float64]:
    """Float64 logits of `rows` (n, d) and their a-priori float32 error bounds, both (n,).

    `weight` (d,) and `bias` are the float32 values of the model. Non-finite rows give non-finite
    logits and bounds.
    """
    wide, weight64 = rows.astype(np.float64), weight.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        logit = wide @ weight64 + bias
        magnitude = np.abs(wide) @ np.abs(weight64) + abs(bias)
    return logit, gamma(len(weight) + 2) * magnitude + len(weight) * SMALLEST


def sigmoid(logit: npt.NDArray[Any]) -> Float64:
    """1 / (1 + exp(-logit)) in float64, free of overflow and cancellation on both sides."""
    z = logit.astype(np.float64)
    e = np.exp(-np.abs(z))
    result: Float64 = np.where(z >= 0, 1.0, e) / (1.0 + e)
    return result


def probability_error(probability: Float32, logit: Float32) -> Float64:
    """What is held against PROBABILITY_ULP: the ULP from LOWEST_LOGIT up, and infinity where no
    distance is small enough.

    Infinite for a probability outside [0, 1], for one above the sigmoid of LOWEST_LOGIT at a
    lower logit, and for NaN in one of the two but not in both.
    """
    ulp = probability_ulp(probability, logit)
    lowest = sigmoid(np.array([LOWEST_LOGIT]))[0] * (1 + PROBABILITY_ULP * 2 * UNIT_ROUNDOFF)
    ulp = np.where(logit < LOWEST_LOGIT, np.where(probability <= lowest, 0.0, np.inf), ulp)
    ulp = np.where((probability >= 0) & (probability <= 1) & ~np.isnan(ulp), ulp, np.inf)
    return np.where(np.isnan(logit) & np.isnan(probability), 0.0, ulp)


def probability_ulp(probability: Float32, logit: Float32) -> Float64:
    """ULP (of float32) between each probability and the exact sigmoid of its logit."""
    exact = sigmoid(logit)
    ulp = np.spacing(np.maximum(exact, np.finfo(np.float32).tiny).astype(np.float32))
    error: Float64 = np.abs(probability.astype(np.float64) - exact) / ulp.astype(np.float64)
    return error
