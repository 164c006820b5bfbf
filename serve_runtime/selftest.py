"""Whether this machine scores as promised: a check of some milliseconds, with the wheel alone.

It looks where processors have been seen to go wrong: probabilities that fall between neighbouring
logits, bits that depend on the batch, kernels that give NaN or infinities a score. What it cannot
see is in docs/parity.md, "On another machine".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Float32
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import PROBABILITY_ULP, flushes_to_zero, probability_error
from serve_runtime.errors import RowError, SelfTestError
from serve_runtime.inference.block_scorer import PROBA, PROBABILITY, Outputs
from serve_runtime.inference.engine import Engine
from serve_runtime.inference.served_model import ServedModel
from serve_runtime.inputs.blocks import BatchInput
from serve_runtime.trial_rows import EncodedRows, NumberRows, TrialRows

BATCHES: Final = (1, 2, 5, 17, 69, 300, 303)
"""Rows of the batches that are tried: one alone, one more than where kernels have changed their
order of summation, and batches that are read where they lie, the last one no multiple of 4."""

_MOST_VALUES = 1 << 19
"""Batches with more values than this are not tried, so that wide models need little time and
memory; batches of up to two rows always are. A raw value counts as several: see `value_cost`."""

_MANY_VALUES = 1 << 15
"""In batches with more values than this, one kind of bad row is tried in place of all."""

_FIRST_LOGITS = (
    *(-17.33, -17.0, -1.83538, -1.76306, -1.68316, -1.02838, -1.01318, -0.91513, -0.3),
    *(0.06, 0.2, 0.35, 0.5, 0.75, 0.99),
)
_CONSECUTIVE = 512
"""So many consecutive float32 logits are tried from each of these on, where the probability has
been seen to fall or to be off by more than a few ULP; and as many with the other sign."""


@dataclass(frozen=True)
class SelfTest:
    """What was checked on this machine, and how far its scores are from the exact ones."""

    rows: int
    """Golden rows, each scored in both layouts, or where they are encoded, as columns."""
    logit_share: float
    """Largest share of a golden row's logit budget; 1 is the limit."""
    probability_ulp: float
    """Largest distance between a probability and the exact sigmoid of its logit."""
    identical: bool
    """Whether the rows graph gives the very bits that export measured with it. Other bits inside
    the budget are no fault: another processor sums otherwise."""
    logits: int
    """Consecutive logits whose probabilities never fall and are within the budget."""
    batches: tuple[int, ...]
    """Sizes of the batches in which golden rows have the bits that each has alone."""
    refused: int
    """Batches that were refused as they must be, since one row holds NaN or an infinity, or its
    logit overflows."""


def run_selftest(model: ServedModel) -> SelfTest:
    """Check `model` here; takes 3 to 20 ms, for up to 1,000 numbers or 20 columns that are encoded.

    Both machines are within the a-priori bound of a golden row's exact logit, so two bounds are
    allowed between them, and what is lost where this host flushes subnormals to zero. Raises
    SelfTestError naming what is wrong, and what to do.
    """
    card, engine = model.card, model.engine
    if not card.golden:
        raise SelfTestError("the card has no golden rows: export the run again")
    trials = _trials(model)
    logit_share, golden_ulp, identical = _golden(card, trials, engine)
    logits, sigmoid_ulp = _consecutive_logits(engine)
    row_cost = trials[0].width * trials[0].value_cost
    sizes = tuple(size for size in BATCHES if size <= 2 or size * row_cost <= _MOST_VALUES)
    refused = sum(_batches(rows, engine, sizes) for rows in trials)
    ulp = max(golden_ulp, sigmoid_ulp)
    return SelfTest(len(card.golden), logit_share, ulp, identical, logits, sizes, refused)


def _trials(model: ServedModel) -> list[TrialRows]:
    """The golden rows in each way in which the model takes rows."""
    card, affine = model.card, model.files[0].affine
    if model.encoder is not None and model.row_encoder is not None:
        raw = [row.features for row in card.golden]
        return [EncodedRows(raw, affine, model.encoder, model.row_encoder)]
    with np.errstate(over="ignore"):  # an infinite value is refused
        rows = np.array([row.features for row in card.golden], np.float32)
    return [NumberRows(rows, affine, card.feature_names, layout) for layout in (ROWS, COLUMNS)]


def _golden(
    card: ModelCard, trials: Sequence[TrialRows], engine: Engine
) -> tuple[float, float, bool]:
    """The largest share of a logit's budget, the largest ULP, and whether all bits are export's."""
    expected = np.array([[row.logit, row.probability] for row in card.golden], np.float32).T
    exact = np.array([row.logit for row in card.golden])  # float32 may lose a subnormal one here
    lost = trials[0].lost() if flushes_to_zero() else 0.0
    allowed = 2 * np.array([row.logit_bound for row in card.golden]) + lost
    if not (probability_error(expected[1], expected[0]) <= PROBABILITY_ULP).all():
        raise SelfTestError("a golden row contradicts itself: its probability is not the "
                            "sigmoid of its logit; export the run again")  # fmt: skip
    shares, ulps, identical = [0.0], [0.0], False
    for number, rows in enumerate(trials):
        found = _scores(engine, rows, rows.batch(np.arange(rows.count)))[:2]
        logit, probability = found
        share = np.abs(logit.astype(np.float64) - exact) / allowed
        ulp = probability_error(probability, logit)
        for row, (s, u) in enumerate(zip(share, ulp, strict=True)):
            if not (s <= 1 and u <= PROBABILITY_ULP):
                _refuse(
                    f"golden row {row}, {rows.layout} layout: logit {logit[row]!r}, expected "
                    f"{expected[0, row]!r} ± {allowed[row]:.3g}; probability off by {u:.3g} "
                    f"ULP, allowed {PROBABILITY_ULP:g}"
                )
        shares.append(float(share.max()))
        ulps.append(float(ulp.max()))
        if not number:
            identical = found.tobytes() == expected.tobytes()
    return max(shares), max(ulps), identical


def _consecutive_logits(engine: Engine) -> tuple[int, float]:
    """How many were tried, and the largest ULP between a probability and the exact sigmoid."""
    steps = np.arange(_CONSECUTIVE, dtype=np.int32)
    first = np.array(_FIRST_LOGITS, np.float32).view(np.int32)
    # The bits of positive float32 numbers are in their order, those of negative ones the other way.
    windows = (first[:, None] + steps).view(np.float32)
    rising = np.concatenate([np.sort(window) for both in (windows, -windows) for window in both])
    probability = engine.sigmoid(rising)
    ulp = probability_error(probability, rising)
    if not (worst := float(ulp.max())) <= PROBABILITY_ULP:
        at = int(ulp.argmax())
        _refuse(f"at logit {rising[at]!s} the probability {probability[at]!s} is off by "
                f"{worst:.3g} ULP, allowed {PROBABILITY_ULP:g}")  # fmt: skip
    fallen = np.diff(probability.reshape(-1, _CONSECUTIVE)) < 0
    if fallen.any():
        window, step = map(int, np.argwhere(fallen)[0])
        at = window * _CONSECUTIVE + step
        _refuse(f"the probability falls from {probability[at]!s} to {probability[at + 1]!s} while "
                f"the logit rises from {rising[at]!s} to {rising[at + 1]!s}")  # fmt: skip
    return len(rising), worst


def _batches(rows: TrialRows, engine: Engine, sizes: Sequence[int]) -> int:
    """Raise SelfTestError if one of `rows` has other bits in a batch of one of `sizes` than alone,
    or if a row that cannot be scored gets a score there. How many batches were refused for one."""
    alone = np.concatenate(
        [_scores(engine, rows, rows.batch(np.array([row]))) for row in range(rows.count)], axis=1
    )
    refused, bad_rows = 0, rows.bad()
    for size in sizes:
        repeated = np.arange(size) % rows.count
        found = _scores(engine, rows, rows.batch(repeated))
        if found.tobytes() != alone[:, repeated].tobytes():
            other = (found.view(np.int32) != alone[:, repeated].view(np.int32)).any(0)
            row = int(repeated[other.argmax()])
            _refuse(f"golden row {row} has other bits in a batch of {size} than alone, "
                    f"{rows.layout} layout: its score would depend on its neighbours")  # fmt: skip
        few = size * rows.width * rows.value_cost <= _MANY_VALUES or not bad_rows
        for what, bad in bad_rows if few else [bad_rows[size % len(bad_rows)]]:
            _require_refusal(engine, rows, rows.batch(repeated, size // 2, bad), size // 2, what)
            refused += 1
    return refused


def _require_refusal(
    engine: Engine, rows: TrialRows, batch: BatchInput, at: int, what: str
) -> None:
    """Raise SelfTestError unless `batch` is refused for its row `at`, which has `what`."""
    where = f"row {at} of {batch.rows}, {batch.layout} layout"
    probability = np.empty(batch.rows, np.float32)
    try:
        engine.score(batch, Outputs(probability=probability))
    except RowError as refused:
        if refused.row != at:
            _refuse(f"row {refused.row} is refused for {what} in {where}")
        called = rows.called(engine, batch, PROBABILITY)
        if called is None:
            return
        probability = called
    _refuse(f"a row with {what} gets the score {probability[at]!s}, {where}")


def _scores(engine: Engine, rows: TrialRows, batch: BatchInput) -> Float32:
    """Logits, P(positive) and P(negative) of the batch: (3, n)."""
    found, proba = np.empty((3, batch.rows), np.float32), np.empty((batch.rows, 2), np.float32)
    try:
        engine.score(batch, Outputs(found[0], found[1], proba))
        found[2] = proba[:, 0]
        called = rows.called(engine, batch, PROBA)
    except RowError as refused:
        _refuse(f"golden row {refused.row} of {batch.rows} is refused, {batch.layout} layout, "
                "though its score is known")  # fmt: skip
    if called is not None and called.tobytes() != proba.tobytes():
        _refuse(f"predict_proba has two answers for {batch.rows} golden rows")
    return found


def _refuse(problem: str) -> NoReturn:
    raise SelfTestError(
        f"{problem}: do not serve this model on this machine with this onnxruntime; another "
        "release may compute it right (pip install onnxruntime==VERSION, then serve-runtime "
        "selftest)"
    )
