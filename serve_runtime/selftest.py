"""Whether this machine scores the card's golden rows inside their error budget."""

from dataclasses import dataclass

import numpy as np

from serve_runtime.arrays import ROWS
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import PROBABILITY_ULP, probability_error
from serve_runtime.errors import SelfTestError
from serve_runtime.inference.block_scorer import Outputs
from serve_runtime.inference.engine import Engine
from serve_runtime.inputs.blocks import ColumnInput, RowInput


@dataclass(frozen=True)
class SelfTest:
    """How far this machine's scores are from those stored with the golden rows."""

    rows: int
    logit_share: float
    """Largest share of a row's logit budget; 1 is the limit."""
    probability_ulp: float
    """Largest distance between a probability and the exact sigmoid of its logit."""
    identical: bool
    """Whether the rows graph gives the very bits that export measured with it. Other bits inside
    the budget are no fault: another processor sums otherwise."""


def run_selftest(card: ModelCard, engine: Engine) -> SelfTest:
    """Score the golden rows of `card` with `engine`, in both layouts.

    Both machines are within the a-priori bound of the exact logit, so two bounds are allowed
    between them. Raises SelfTestError naming the row and the figure outside the budget.
    """
    golden = card.golden
    if not golden:
        raise SelfTestError("the card has no golden rows: export the run again")
    rows = np.array([row.features for row in golden], np.float32)
    expected = np.array([[row.logit, row.probability] for row in golden], np.float32).T
    allowed = 2 * np.array([row.logit_bound for row in golden])
    if not (probability_error(expected[1], expected[0]) <= PROBABILITY_ULP).all():
        raise SelfTestError("a golden row contradicts itself: its probability is not the "
                            "sigmoid of its logit; export the run again")  # fmt: skip
    shares, ulps, identical = [0.0], [0.0], False
    for batch in (RowInput(rows, card.feature_names), ColumnInput(rows.T, card.feature_names)):
        logit, probability = found = np.empty((2, len(rows)), np.float32)
        engine.score(batch, Outputs(logit, probability))
        share = np.abs(logit.astype(np.float64) - expected[0]) / allowed
        ulp = probability_error(probability, logit)
        for row, (s, u) in enumerate(zip(share, ulp, strict=True)):
            if not (s <= 1 and u <= PROBABILITY_ULP):
                raise SelfTestError(
                    f"golden row {row}, {batch.layout} layout: logit {logit[row]!r}, expected "
                    f"{expected[0, row]!r} ± {allowed[row]:.3g}; probability off by {u:.3g} "
                    f"ULP, allowed {PROBABILITY_ULP:g}: do not serve this model on this machine"
                )
        shares.append(float(share.max()))
        ulps.append(float(ulp.max()))
        if batch.layout == ROWS:
            identical = found.tobytes() == expected.tobytes()
    return SelfTest(len(golden), max(shares), max(ulps), identical)
