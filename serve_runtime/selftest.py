"""Whether this machine scores as promised: a check of a few milliseconds, with the wheel alone.

It looks where processors have been seen to go wrong: probabilities that fall between neighbouring
logits, bits that depend on the batch, kernels that give NaN or infinities a score. What it cannot
see is in docs/parity.md, "On another machine".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import LARGEST, PROBABILITY_ULP, probability_error
from serve_runtime.errors import RowError, SelfTestError
from serve_runtime.inference.block_scorer import Outputs
from serve_runtime.inference.engine import Engine
from serve_runtime.inputs.blocks import BatchInput, ColumnInput, RowInput

BATCHES: Final = (1, 2, 5, 17, 69, 300, 303)
"""Rows of the batches that are tried: one alone, one more than where kernels have changed their
order of summation, and batches that are read where they lie, the last one no multiple of 4."""

_MOST_VALUES = 1 << 20
"""Batches with more values than this are not tried, so that wide models need little time and
memory; batches of up to two rows always are."""

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
    """Golden rows, each scored in both layouts."""
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


def run_selftest(card: ModelCard, affine: Affine, engine: Engine) -> SelfTest:
    """Check `engine`, which serves `affine`, on this machine; takes some 5 ms.

    Both machines are within the a-priori bound of a golden row's exact logit, so two bounds are
    allowed between them. Raises SelfTestError naming what is wrong, and what to do.
    """
    if not card.golden:
        raise SelfTestError("the card has no golden rows: export the run again")
    rows = np.array([row.features for row in card.golden], np.float32)
    logit_share, golden_ulp, identical = _golden(card, rows, engine)
    logits, sigmoid_ulp = _consecutive_logits(engine)
    sizes = tuple(size for size in BATCHES if size <= 2 or size * rows.shape[1] <= _MOST_VALUES)
    for layout in (ROWS, COLUMNS):
        _same_bits(card, rows, engine, layout, sizes)
    refused = sum(
        _refusals(card, affine, rows, engine, layout, sizes) for layout in (ROWS, COLUMNS)
    )
    return SelfTest(
        len(rows), logit_share, max(golden_ulp, sigmoid_ulp), identical, logits, sizes, refused
    )


def _golden(card: ModelCard, rows: Float32, engine: Engine) -> tuple[float, float, bool]:
    """The largest share of a logit's budget, the largest ULP, and whether all bits are export's."""
    expected = np.array([[row.logit, row.probability] for row in card.golden], np.float32).T
    allowed = 2 * np.array([row.logit_bound for row in card.golden])
    if not (probability_error(expected[1], expected[0]) <= PROBABILITY_ULP).all():
        raise SelfTestError("a golden row contradicts itself: its probability is not the "
                            "sigmoid of its logit; export the run again")  # fmt: skip
    shares, ulps, identical = [0.0], [0.0], False
    for layout in (ROWS, COLUMNS):
        logit, probability = found = _scores(engine, _in_layout(card, layout, rows))
        share = np.abs(logit.astype(np.float64) - expected[0]) / allowed
        ulp = probability_error(probability, logit)
        for row, (s, u) in enumerate(zip(share, ulp, strict=True)):
            if not (s <= 1 and u <= PROBABILITY_ULP):
                _refuse(
                    f"golden row {row}, {layout} layout: logit {logit[row]!r}, expected "
                    f"{expected[0, row]!r} ± {allowed[row]:.3g}; probability off by {u:.3g} "
                    f"ULP, allowed {PROBABILITY_ULP:g}"
                )
        shares.append(float(share.max()))
        ulps.append(float(ulp.max()))
        if layout == ROWS:
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


def _same_bits(
    card: ModelCard, rows: Float32, engine: Engine, layout: str, sizes: tuple[int, ...]
) -> None:
    """Raise SelfTestError if a golden row has other bits in a batch of `sizes` than alone."""
    alone = np.concatenate(
        [_scores(engine, _in_layout(card, layout, row[None])) for row in rows], axis=1
    )
    for size in sizes:
        taken = np.arange(size) % len(rows)
        found = _scores(engine, _in_layout(card, layout, rows[taken]))
        if found.tobytes() != alone[:, taken].tobytes():
            other = (found.view(np.int32) != alone[:, taken].view(np.int32)).any(0)
            row = int(taken[other.argmax()])
            _refuse(f"golden row {row} has other bits in a batch of {size} than alone, {layout} "
                    "layout: its score would depend on its neighbours")  # fmt: skip


def _refusals(
    card: ModelCard,
    affine: Affine,
    rows: Float32,
    engine: Engine,
    layout: str,
    sizes: tuple[int, ...],
) -> int:
    """How many batches were refused, each for one row; SelfTestError where a row gets a score."""
    tried = 0
    for size in sizes:
        for what, bad in _unscorable(affine, rows[-1], size):
            batch, at = np.resize(rows, (size, rows.shape[1])), size // 2
            batch[at] = bad
            try:
                logit, probability = _scores(engine, _in_layout(card, layout, batch))
            except RowError as refused:
                if refused.row != at:
                    _refuse(f"row {refused.row} is refused for {what} in row {at} of {size}, "
                            f"{layout} layout")  # fmt: skip
                tried += 1
            else:
                _refuse(f"a row with {what} gets the score {probability[at]!s} from the logit "
                        f"{logit[at]!s}, row {at} of {size}, {layout} layout")  # fmt: skip
    return tried


def _unscorable(affine: Affine, row: Float32, size: int) -> Iterator[tuple[str, Float32]]:
    """Rows (d,) that no machine may score, and what is wrong with each."""
    for value in (np.nan, np.inf, -np.inf):
        bad = row.copy()
        bad[size % len(bad)] = value  # another feature in each size of batch
        yield str(value), bad
    # Terms of one sign overflow in every order of summation.
    if np.abs(affine.weight.astype(np.float64)).sum() > 4:
        yield "terms that overflow", np.copysign(np.float32(LARGEST), affine.weight)


def _in_layout(card: ModelCard, layout: str, rows: Float32) -> BatchInput:
    if layout == ROWS:
        return RowInput(rows, card.feature_names)
    return ColumnInput(np.ascontiguousarray(rows.T), card.feature_names)


def _scores(engine: Engine, batch: BatchInput) -> Float32:
    """Logits and probabilities of the batch: (2, n)."""
    found = np.empty((2, batch.rows), np.float32)
    engine.score(batch, Outputs(*found))
    return found


def _refuse(problem: str) -> NoReturn:
    raise SelfTestError(
        f"{problem}: do not serve this model on this machine with this onnxruntime; another "
        "release may compute it right (pip install onnxruntime==VERSION, then serve-runtime "
        "selftest)"
    )
