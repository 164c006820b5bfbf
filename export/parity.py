"""The proof that artifacts score like the model: every score inside a derived budget.

The budgets and their derivation are in serve_runtime.budgets. The reference is float64 arithmetic
on the float32 weights, so nothing is compared with another float32 result.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.artifact import Score
from export.corpus import Case
from export.errors import ParityError
from serve_runtime.budgets import (
    PROBABILITY_ULP,
    Float32,
    Float64,
    logit_reference,
    probability_error,
)


@dataclass(frozen=True)
class Subject:
    """Something that scores, and the cases it is held against."""

    name: str
    score: Score
    cases: Sequence[Case]


@dataclass(frozen=True)
class Figures:
    """The worst that was seen of one subject."""

    rows: int
    logit_error: float
    """Largest |logit - exact|."""
    logit_share: float
    """Largest share of the row's own logit bound; 1 is the limit."""
    probability_ulp: float
    """Largest distance to the exact sigmoid of the logit, for logits from -87 up."""


def prove(subjects: Iterable[Subject], weight: Float32, bias: float) -> Mapping[str, Figures]:
    """Hold each subject against float64. Raises ParityError at the first score out of budget."""
    return {subject.name: _prove(subject, weight, bias) for subject in subjects}


def _prove(subject: Subject, weight: Float32, bias: float) -> Figures:
    rows, errors, shares, ulps = 0, [0.0], [0.0], [0.0]
    for case in subject.cases:
        logit, probability = subject.score(case.rows)
        where = f"{subject.name}, {case.name}"
        for what, scores in (("logit", logit), ("probability", probability)):
            if scores.shape != (len(case.rows),) or scores.dtype != np.float32:
                raise ParityError(
                    f"{where}: {len(case.rows)} rows gave {what} with shape {scores.shape}, "
                    f"{scores.dtype}; expected one float32 each"
                )
        exact, bound = logit_reference(case.rows, weight, bias)
        share = _logit_share(logit, exact, bound)
        _require(share <= 1, where, "logit", logit, exact, f"± {bound.max(initial=0):.3g} at most")
        ulp = probability_error(probability, logit)
        _require(ulp <= PROBABILITY_ULP, where, "probability", probability, logit,
                 f"the exact sigmoid of that logit within {PROBABILITY_ULP:g} ULP")  # fmt: skip
        rows += len(case.rows)
        finite = np.isfinite(exact)
        errors.append(float(np.abs(logit[finite] - exact[finite]).max(initial=0)))
        shares.append(float(share.max(initial=0)))
        ulps.append(float(ulp.max(initial=0)))
    return Figures(rows, max(errors), max(shares), max(ulps))


def _logit_share(logit: Float32, exact: Float64, bound: Float64) -> Float64:
    """|logit - exact| / bound; where the exact one is NaN or infinite, 0 if equal, else inf."""
    finite = np.isfinite(exact)
    same = (logit == exact) | (np.isnan(logit) & np.isnan(exact))
    with np.errstate(invalid="ignore"):
        share = np.abs(logit - exact) / np.where(finite, bound, 1)
    return np.where(finite, np.where(np.isnan(share), np.inf, share), np.where(same, 0.0, np.inf))


def _require(
    inside: npt.NDArray[np.bool_],
    where: str,
    what: str,
    found: Float32,
    expected: npt.NDArray[np.floating],
    budget: str,
) -> None:
    if not inside.all():
        row = int(np.argmin(inside))
        of = "exact value" if what == "logit" else "logit"
        raise ParityError(
            f"{where}, row {row}: {what} {found[row]!r}, {of} {expected[row]!r}; allowed: {budget}"
        )


def report(figures: Mapping[str, Figures]) -> str:
    """The figures as a table, one line for each subject."""
    lines = [f"{'scored by':<32}{'rows':>8}{'logit error':>14}{'of budget':>11}{'prob. ULP':>11}"]
    for name, f in figures.items():
        lines.append(
            f"{name:<32}{f.rows:>8,}{f.logit_error:>14.3g}{f.logit_share:>11.1%}"
            f"{f.probability_ulp:>11.2f}"
        )
    return "\n".join(lines)
