"""The rows on which artifacts are proven: built from a card and weights alone, so anyone can."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from serve_runtime.budgets import Float32, Float64
from serve_runtime.card import ModelCard

BATCHES: Final = (0, 1, 2, 3, 4, 5, 7, 8, 31, 1024)
SWEEP: Final = (-104.0, 104.0)
"""Beyond ±104 float32's exp is 0 or infinite."""

_SWEEP_ROWS = 4161
_RANDOM_ROWS = 4096
_VALUES = 1 << 22
"""Most values in one case; wide models get fewer rows."""
_NON_FINITE_FEATURES = 16
_GOLDEN_LOGITS = (-20.0, 0.5, -85.0, 8.0, -50.0, -2.0, 2.0, 20.0)
_GOLDEN_VALUES = 1 << 13


@dataclass(frozen=True)
class Case:
    """Rows that are scored in one call."""

    name: str
    rows: Float32


def corpus(card: ModelCard, weight: Float32, bias: float, sample: Float32) -> list[Case]:
    """The cases for a model; `sample` (k, d) are training rows.

    Seeded: the same model gives the same corpus.
    """
    width = len(weight)
    rng = np.random.default_rng(0)
    random = random_rows(card, min(_RANDOM_ROWS, max(BATCHES[-1], _VALUES // width)), rng)
    return [
        Case("training rows", sample),
        Case("random rows", random),
        *(Case(f"batch of {n}", np.ascontiguousarray(random[:n])) for n in BATCHES),
        Case("logit sweep", _sweep(weight, bias)),
        Case("NaN and inf", _non_finite(random[: 2 * _NON_FINITE_FEATURES])),
    ]


def random_rows(card: ModelCard, count: int, rng: np.random.Generator) -> Float32:
    """Rows (count, d), uniform over the ranges of the training features."""
    low, high = np.array(card.feature_min), np.array(card.feature_max)
    rows: Float64 = low + (high - low) * rng.random((count, len(low)))
    return rows.astype(np.float32)


def golden_rows(card: ModelCard, weight: Float32, bias: float) -> Float32:
    """The rows that the card will carry, with logits near _GOLDEN_LOGITS.

    Drawn from the ranges of the features and shifted along the weights; nobody's data.
    """
    count = max(2, min(len(_GOLDEN_LOGITS), _GOLDEN_VALUES // len(weight)))
    rows = random_rows(card, count, np.random.default_rng(1))
    direction = weight.astype(np.float64)
    with np.errstate(all="ignore"):  # tiny weights: no float32 row may reach the logit
        shift = np.array(_GOLDEN_LOGITS[:count]) - (rows.astype(np.float64) @ direction + bias)
        steps = (shift / (direction @ direction))[:, None] * direction
        shifted = (rows + steps).astype(np.float32)
    reached = np.isfinite(shifted).all(1, keepdims=True)
    return np.where(reached, shifted, rows)


def _sweep(weight: Float32, bias: float) -> Float32:
    """Rows along the weight vector whose logits run evenly through SWEEP, where there are any."""
    width = len(weight)
    count = min(_SWEEP_ROWS, max(209, _VALUES // width))
    direction = weight.astype(np.float64)
    with np.errstate(all="ignore"):  # tiny weights: no float32 row may reach the logit
        steps = (np.linspace(*SWEEP, count) - bias) / (direction @ direction)
        rows = (steps[:, None] * direction).astype(np.float32)
    return rows[np.isfinite(rows).all(1)]


def _non_finite(rows: Float32) -> Float32:
    """`rows` with a NaN or infinity in every other one; the rows between must not notice."""
    rows = rows.copy()
    width = rows.shape[1]
    bad: Sequence[float] = (np.nan, np.inf, -np.inf)
    for i, row in enumerate(rows[::2]):
        row[(i // len(bad)) % width] = bad[i % len(bad)]
    return rows
