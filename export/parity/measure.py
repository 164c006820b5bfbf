"""The proof that artifacts score like the model: every score inside a derived budget.

The budgets and their derivation are in serve_runtime.error_budgets. The reference is the exact
function of the float32 values that the files hold: no score is judged by another float32 score. All
are compared with one another besides, for the figures alone.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from export.formats.artifact import Scorer, Scores
from export.parity.encoded_model import EncodedModel, Model, reference, taken
from export.parity.failing_row import as_test
from export.parity.figures import EDGES, LOOSE, RANGES, SIZE_COLUMNS, Measured, Parity, figures_of
from export.parity.proof_rows import ProofBatch
from serve_runtime.arrays import Float64
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


def measure(scorers: Sequence[Scorer], batches: Iterable[ProofBatch], model: Model) -> Parity:
    """Hold all scorers against the exact scores of `model`, and against each other."""
    tallies = [_Tally(scorer, model) for scorer in scorers]
    pairs = {(i, j): np.zeros(2) for j in range(len(scorers)) for i in range(j)}
    for batch in batches:
        exact, bound = reference(model, batch.rows)
        proven = np.isfinite(exact) & np.isfinite(bound)
        given: list[Scores | None] = []
        for tally in tallies:
            # Other tests show that a Predictor refuses the others.
            rows = proven if tally.scorer.finite_only and not proven.all() else None
            given.append(
                tally.add(batch if rows is None else _only(batch, rows), exact, bound, rows)
            )
        # For other rows no distance between two probabilities is promised in float32 steps.
        counted = (bound < 1) & (exact >= LOWEST_LOGIT)
        compared = [None if s is None else (s[0][proven], _rank(s[1][counted])) for s in given]
        for (i, j), worst in pairs.items():
            one, other = compared[i], compared[j]
            if one is not None and other is not None:
                np.maximum(worst, _difference(*one, *other, bound[proven]), out=worst)
    between: dict[str, dict[str, tuple[float, float]]] = {}
    for (i, j), (share, steps) in pairs.items():
        between.setdefault(scorers[j].name, {})[scorers[i].name] = (float(share), float(steps))
    return Parity({t.scorer.name: t.result() for t in tallies}, between)


class _Tally:
    """One scorer's figures, batch by batch."""

    def __init__(self, scorer: Scorer, model: Model) -> None:
        self.scorer, self._model = scorer, model
        self._dtype = np.dtype(np.float64 if scorer.wide else np.float32)
        self._worst = np.zeros((LOOSE + 1, 9))
        self._rows = np.zeros(LOOSE + 1, np.int64)
        self._problem: str | None = None
        self._outside = 0

    def add(
        self, batch: ProofBatch, exact: Float64, bound: Float64, only: npt.NDArray[np.bool_] | None
    ) -> Scores | None:
        """Score a batch, and take in how far its scores are from the exact ones.

        `exact` and `bound` (n,) are of all rows of a batch; where `only` (n,) is given, `batch`
        holds just the rows for which it is True. Returns scores for all n rows, NaN for those left
        out, or None if the scorer refused the batch or gave scores of another shape or type.
        """
        try:
            logit, probability = self.scorer.score(batch.rows)
        except ServeError as reason:
            self._fail(f"{self.scorer.name}, {batch.name}: {len(batch.rows)} rows with finite "
                       f"budgets are refused: {reason}", len(batch.rows))  # fmt: skip
            return None
        for what, scores in (("logit", logit), ("probability", probability)):
            if scores.shape != (len(batch.rows),) or scores.dtype != self._dtype:
                self._fail(f"{self.scorer.name}, {batch.name}: {len(batch.rows)} rows gave {what} "
                           f"with shape {scores.shape}, {scores.dtype}; expected one "
                           f"{self._dtype} each", len(batch.rows))  # fmt: skip
                return None
        if only is not None:
            exact, bound = exact[only], bound[only]
        self._judge(batch, logit, probability, exact, bound)
        if only is None:
            return logit, probability
        whole = np.full((2, len(only)), np.nan, np.float32)
        whole[0, only], whole[1, only] = logit, probability
        return whole[0], whole[1]

    def _judge(
        self,
        batch: ProofBatch,
        logit: npt.NDArray[np.floating],
        probability: npt.NDArray[np.floating],
        exact: Float64,
        bound: Float64,
    ) -> None:
        share = _logit_share(logit, exact, bound)
        with np.errstate(over="ignore"):
            kernel = probability_error(probability.astype(np.float32), logit.astype(np.float32))
        if (
            self.scorer.wide
        ):  # its probability is of a logit with more digits than `logit` as float32
            kernel = np.zeros_like(exact)
        budget = probability_budget(exact, bound)
        error = np.abs(probability - sigmoid(exact))
        finite = np.isfinite(exact) & np.isfinite(bound)
        outside = ~(share <= 1) | ~(kernel <= PROBABILITY_ULP)
        outside |= finite & ~(error <= budget)
        # The sum of float32 weights that an offset is defined by is rounded; a reference's is not.
        rounded = self.scorer.wide and isinstance(self._model, EncodedModel)
        if batch.exact is not None and not rounded:
            refused = np.isnan(batch.exact) & np.isnan(logit)
            outside |= (logit.astype(np.float32) != batch.exact) & ~refused
        if outside.any():
            row = int(outside.argmax())
            self._fail(
                f"{self.scorer.name}, {batch.name}, row {row}: logit {float(logit[row])!r}, exact "
                f"{float(exact[row])!r}, allowed ± "
                f"{0 if batch.exact is not None else float(bound[row]):.3g}; probability "
                f"{float(probability[row])!r}, off the sigmoid of its logit by "
                f"{kernel[row]:.3g} ULP, allowed {PROBABILITY_ULP:g}, and off the exact one by "
                f"{error[row]:.3g}, allowed {budget[row]:.3g}"
                + as_test(
                    self.scorer.name,
                    batch.rows[row]
                    if isinstance(batch.rows, np.ndarray)
                    else batch.rows.take([row]),
                    None if batch.exact is None else batch.exact[row],
                    self._model,
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
        bucket = np.where(bound[finite] < 1, np.digitize(z, EDGES), LOOSE)
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
            label: figures_of(int(rows), worst)
            for label, rows, worst in zip(RANGES, self._rows, self._worst, strict=True)
            if rows
        }
        worst = self._worst.max(0)
        worst[SIZE_COLUMNS] = self._worst[:LOOSE].max(0)[SIZE_COLUMNS]
        overall = figures_of(int(self._rows.sum()), worst)
        return Measured(overall, buckets, self._problem, self._outside)


def _only(batch: ProofBatch, rows: npt.NDArray[np.bool_]) -> ProofBatch:
    return ProofBatch(
        batch.name, taken(batch.rows, rows), None if batch.exact is None else batch.exact[rows]
    )


def _logit_share(
    logit: npt.NDArray[np.floating], exact: Float64, bound: Float64
) -> npt.NDArray[np.floating]:
    """|logit - exact| / bound, for each row.

    Where the exact logit is NaN or infinite it is 0 if the logit is the same, else infinity; where
    the bound is infinite, so that nothing is promised, it is 0.
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
    """The largest difference of two logits, as a share of both bounds, and of two probabilities, in
    float32 steps: (2,)."""
    with np.errstate(invalid="ignore"):  # both infinite
        share = np.abs(logit.astype(np.float64) - other_logit) / (2 * bound)
    return np.array([share.max(initial=0), np.abs(rank - other_rank).max(initial=0)])


def _rank(probability: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Number of float32 values between 0 and each probability, which is not negative."""
    return probability.astype(np.float32).view(np.int32).astype(np.int64)


def _ratio(error: Float64, size: Float64) -> Float64:
    return np.divide(error, size, out=np.zeros_like(error), where=size > 0)
