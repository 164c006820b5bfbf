"""The proof that artifacts score like the model: every score inside a derived budget.

The budgets and their derivation are in serve_runtime.error_budgets. The reference is the exact
function of the float32 values; nothing is judged by another float32 result, though all are also
compared with one another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.formats.artifact import Score, Scores
from export.parity.failing_row import as_test
from export.parity.figures import _LOOSE, _SIZES, EDGES, RANGES, Measured, Parity, _figures
from export.parity.proof_rows import Case
from serve_runtime.arrays import Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import (
    LOWEST_LOGIT,
    PROBABILITY_ULP,
    probability_budget,
    probability_error,
    probability_ulp,
    sigmoid,
)
from serve_runtime.errors import ServeError

_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Subject:
    """Something that scores."""

    name: str
    score: Score
    finite_only: bool = False
    """Whether it refuses NaN, infinities and terms that overflow, as a Predictor does."""
    wide: bool = False
    """Whether it is an oracle that answers in float64; everything exported answers in float32."""


def measure(subjects: Sequence[Subject], cases: Iterable[Case], affine: Affine) -> Parity:
    """Hold all subjects against the exact scores of `affine`, and against each other."""
    tallies = [_Tally(subject, affine) for subject in subjects]
    pairs = {(i, j): np.zeros(2) for j in range(len(subjects)) for i in range(j)}
    for case in cases:
        exact, bound = affine.reference(case.rows)
        proven = np.isfinite(exact) & np.isfinite(bound)
        given: list[Scores | None] = []
        for tally in tallies:
            # What a Predictor refuses, its own tests show.
            rows = proven if tally.subject.finite_only and not proven.all() else None
            given.append(tally.add(case if rows is None else _only(case, rows), exact, bound, rows))
        # Elsewhere nothing is promised of a probability that steps could tell.
        counted = (bound < 1) & (exact >= LOWEST_LOGIT)
        compared = [None if s is None else (s[0][proven], _rank(s[1][counted])) for s in given]
        for (i, j), worst in pairs.items():
            one, other = compared[i], compared[j]
            if one is not None and other is not None:
                np.maximum(worst, _difference(*one, *other, bound[proven]), out=worst)
    between: dict[str, dict[str, tuple[float, float]]] = {}
    for (i, j), (share, steps) in pairs.items():
        between.setdefault(subjects[j].name, {})[subjects[i].name] = (float(share), float(steps))
    return Parity({t.subject.name: t.result() for t in tallies}, between)


class _Tally:
    """One subject's figures, case by case."""

    def __init__(self, subject: Subject, affine: Affine) -> None:
        self.subject, self._affine = subject, affine
        self._dtype = np.dtype(np.float64 if subject.wide else np.float32)
        self._worst = np.zeros((_LOOSE + 1, 9))
        self._rows = np.zeros(_LOOSE + 1, np.int64)
        self._problem: str | None = None
        self._outside = 0

    def add(
        self, case: Case, exact: Float64, bound: Float64, only: npt.NDArray[np.bool_] | None
    ) -> Scores | None:
        """Score a case; `exact` and `bound` are of all its rows, of which it holds `only` these.

        Returns the scores, with NaN for rows left out; None where there are none of right shape.
        """
        try:
            logit, probability = self.subject.score(case.rows)
        except ServeError as reason:
            self._fail(f"{self.subject.name}, {case.name}: {len(case.rows)} rows with finite "
                       f"budgets are refused: {reason}", len(case.rows))  # fmt: skip
            return None
        for what, scores in (("logit", logit), ("probability", probability)):
            if scores.shape != (len(case.rows),) or scores.dtype != self._dtype:
                self._fail(f"{self.subject.name}, {case.name}: {len(case.rows)} rows gave {what} "
                           f"with shape {scores.shape}, {scores.dtype}; expected one "
                           f"{self._dtype} each", len(case.rows))  # fmt: skip
                return None
        if only is not None:
            exact, bound = exact[only], bound[only]
        self._judge(case, logit, probability, exact, bound)
        if only is None:
            return logit, probability
        whole = np.full((2, len(only)), np.nan, np.float32)
        whole[0, only], whole[1, only] = logit, probability
        return whole[0], whole[1]

    def _judge(
        self,
        case: Case,
        logit: npt.NDArray[np.floating],
        probability: npt.NDArray[np.floating],
        exact: Float64,
        bound: Float64,
    ) -> None:
        share = _logit_share(logit, exact, bound)
        with np.errstate(over="ignore"):
            kernel = probability_error(probability.astype(np.float32), logit.astype(np.float32))
        if self.subject.wide:  # its sigmoid is that of a logit with more digits
            kernel = np.zeros_like(exact)
        budget = probability_budget(exact, bound)
        error = np.abs(probability - sigmoid(exact))
        finite = np.isfinite(exact) & np.isfinite(bound)
        outside = ~(share <= 1) | ~(kernel <= PROBABILITY_ULP)
        outside |= finite & ~(error <= budget)
        if case.exact is not None:
            outside |= logit.astype(np.float32) != case.exact
        if outside.any():
            row = int(outside.argmax())
            self._fail(
                f"{self.subject.name}, {case.name}, row {row}: logit {float(logit[row])!r}, exact "
                f"{float(exact[row])!r}, allowed ± "
                f"{0 if case.exact is not None else float(bound[row]):.3g}; probability "
                f"{float(probability[row])!r}, off the sigmoid of its logit by "
                f"{kernel[row]:.3g} ULP, allowed {PROBABILITY_ULP:g}, and off the exact one by "
                f"{error[row]:.3g}, allowed {budget[row]:.3g}"
                + as_test(
                    self.subject.name,
                    case.rows[row],
                    None if case.exact is None else case.exact[row],
                    self._affine,
                ),
                int(outside.sum()),
            )
        if not finite.any():
            return
        z, p = exact[finite], sigmoid(exact[finite])
        z_error = np.abs(logit[finite] - z)
        p_error, in_range = error[finite], z >= LOWEST_LOGIT
        figures = np.stack([
            z_error,
            _ratio(z_error, np.abs(z)),
            z_error / np.spacing(np.maximum(np.abs(z), _TINY).astype(np.float32)),
            share[finite],
            p_error,
            np.where(in_range, p_error / np.maximum(p, _TINY), 0),
            np.where(in_range, probability_ulp(probability[finite].astype(np.float32), z), 0),
            np.where(budget[finite] < 1, p_error / budget[finite], 0),
            np.where(np.isfinite(kernel[finite]), kernel[finite], 0),
        ])  # fmt: skip
        bucket = np.where(bound[finite] < 1, np.digitize(z, EDGES), _LOOSE)
        order = np.argsort(bucket, kind="stable")
        present, starts = np.unique(bucket[order], return_index=True)
        worst = np.maximum.reduceat(figures[:, order], starts, axis=1).T
        self._worst[present] = np.maximum(self._worst[present], worst)
        self._rows += np.bincount(bucket, minlength=len(self._rows))

    def _fail(self, problem: str, rows: int) -> None:
        self._problem = self._problem or problem
        self._outside += rows

    def result(self) -> Measured:
        buckets = {
            label: _figures(int(rows), worst)
            for label, rows, worst in zip(RANGES, self._rows, self._worst, strict=True)
            if rows
        }
        worst = self._worst.max(0)
        worst[_SIZES] = self._worst[:_LOOSE].max(0)[_SIZES]
        overall = _figures(int(self._rows.sum()), worst)
        return Measured(overall, buckets, self._problem, self._outside)


def _only(case: Case, rows: npt.NDArray[np.bool_]) -> Case:
    return Case(case.name, case.rows[rows], None if case.exact is None else case.exact[rows])


def _logit_share(
    logit: npt.NDArray[np.floating], exact: Float64, bound: Float64
) -> npt.NDArray[np.floating]:
    """|logit - exact| / bound.

    Where the exact one is NaN or infinite, 0 if equal, else infinity; 0 where nothing is promised.
    """
    finite = np.isfinite(exact)
    same = (logit == exact) | (np.isnan(logit) & np.isnan(exact))
    with np.errstate(invalid="ignore"):
        share = np.abs(logit - exact) / np.where(finite, bound, 1)
    share = np.where(finite, np.where(np.isnan(share), np.inf, share), np.where(same, 0.0, np.inf))
    return np.where(np.isposinf(bound) & finite, 0.0, share)


def _difference(
    logit: npt.NDArray[np.floating],
    rank: npt.NDArray[np.int64],
    other_logit: npt.NDArray[np.floating],
    other_rank: npt.NDArray[np.int64],
    bound: Float64,
) -> Float64:
    """Largest difference: of logits in shares of both bounds, of probabilities in steps."""
    with np.errstate(invalid="ignore"):  # both infinite
        share = np.abs(logit.astype(np.float64) - other_logit) / (2 * bound)
    return np.array([share.max(initial=0), np.abs(rank - other_rank).max(initial=0)])


def _rank(probability: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Number of float32 values between 0 and each probability, which is not negative."""
    return probability.astype(np.float32).view(np.int32).astype(np.int64)


def _ratio(error: Float64, size: Float64) -> Float64:
    return np.divide(error, size, out=np.zeros_like(error), where=size > 0)
