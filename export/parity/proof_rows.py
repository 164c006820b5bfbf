"""The rows on which artifacts are proven, made from a card and the weights alone.

They are the same on every machine, bit for bit: uniform draws from a seeded generator, elementwise
float64 arithmetic and exact sums make them; only the threshold's logit takes a logarithm. Most of
them lie far outside the training data on purpose: errors are largest there.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from serve_runtime.arrays import Float32, Float64
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.error_budgets import LARGEST, SMALLEST
from serve_runtime.features.raw_rows import RawRows

PROOF_ROWS_VERSION: Final = 3
"""Raise it with every change of the rows below, or of how many rows show a contract. Certificates
record it, so that verify does not compare with rows that it cannot make."""

BATCH_SIZES: Final = (*range(34), 1024)
"""A batch of each of these sizes is scored."""
LOGITS: Final = (0.0, 8.0, 16.0, 17.3, 18.0, 18.25, 20.0, 87.0, 88.7, 104.0, 200.0)
"""Logits, of both signs, around which rows lie one float32 apart."""
SWEEP: Final = (-110.0, 110.0)
"""Logits between which rows are spread evenly; beyond ±104, float32's exp is 0 or infinite."""
PROBES: Final = "probes"
"""Name of the batch whose logits must be exact."""

_ROWS = 4096
_VALUES = 1 << 20
"""Most values in one batch; wide models get fewer rows."""
_PROBE_VALUES = 1 << 22
_STREAM_ROWS, _STREAM_VALUES = 1 << 16, 1 << 21
_NON_FINITE_FEATURES = 16
_NEIGHBOURS = np.arange(-8, 9)
_FAR = 21
"""Rows are up to 2**(_FAR - 1) times as far out as the training ranges reach."""
GOLDEN_LOGITS: Final = (-20.0, 0.5, -85.0, 8.0, -50.0, -2.0, 2.0, 20.0)
"""Logits of golden rows, about."""
_GOLDEN_VALUES = 1 << 13


@dataclass(frozen=True)
class ProofBatch:
    """Rows that are scored in one call, under the name that a failure gives them."""

    name: str
    rows: Any
    """(n, d) float32, or n RawRows of a model that encodes its columns."""
    exact: Float32 | None = None
    """Logits (n,) that must be given exactly, with no error allowed: any order of summation gives
    them, or the one in which an offset is defined. Mostly None."""


def proof_batches(card: ModelCard, affine: Affine, sample: Float32) -> list[ProofBatch]:
    """The rows on which a model is proven, `sample` (k, d) among them: rows of the run's data."""
    rng = np.random.default_rng(0)
    count = max(len(_NEIGHBOURS), min(_ROWS, _VALUES // len(affine.weight)))
    inside = random_rows(card, max(count, 33), rng)
    threshold = logit_of(card.threshold)
    return [
        ProofBatch("sampled rows", sample),
        ProofBatch("random rows", inside),
        ProofBatch("random rows far outside", far_rows(card, count, rng)),
        *(ProofBatch(f"batch of {n}", np.ascontiguousarray(inside[:n])) for n in BATCH_SIZES),
        ProofBatch("logit sweep", along(affine, np.linspace(*SWEEP, count), inside[:1])),
        ProofBatch("named logits", _near(affine, [s * z for z in LOGITS for s in (-1, 1)], inside)),
        ProofBatch("threshold", _near(affine, [] if threshold is None else [threshold], inside)),
        *of_numbers(affine, inside, rng),
        ProofBatch("NaN and inf", _non_finite(inside[: 2 * _NON_FINITE_FEATURES])),
    ]


def of_numbers(affine: Affine, inside: Float32, rng: np.random.Generator) -> Iterator[ProofBatch]:
    """Rows of numbers that float32 finds difficult; `inside` (n, d) are others."""
    yield ProofBatch("zeros and subnormals", _tiny(len(affine.weight)))
    yield ProofBatch("largest values", _largest(affine))
    yield ProofBatch("cancellation", _cancelling(affine, inside, rng))
    yield _probes(affine)


def digest(batches: Sequence[ProofBatch]) -> str:
    """SHA-256 over the names, shapes and values of `batches`."""
    total = hashlib.sha256()
    for batch in batches:
        rows = batch.rows
        if isinstance(rows, RawRows):
            total.update(f"{batch.name}\0{rows.numbers.shape}\0".encode())
            total.update(rows.numbers.astype("<f8").tobytes())
            total.update(json.dumps(rows.texts).encode())
            continue
        total.update(f"{batch.name}\0{rows.shape}\0".encode())
        total.update(rows.astype("<f4").tobytes())
    return total.hexdigest()


def more_batches(card: ModelCard, affine: Affine, rows: int) -> Iterator[ProofBatch]:
    """`rows` more rows in blocks: inside the training ranges, far outside, and of any logit."""
    block = max(1, min(_STREAM_ROWS, _STREAM_VALUES // len(affine.weight)))
    for number, start in enumerate(range(0, rows, block)):
        rng, count = np.random.default_rng((1, number)), min(block, rows - start)
        if number % 3 == 0:
            yield ProofBatch(f"streamed rows {start}", random_rows(card, count, rng))
        elif number % 3 == 1:
            yield ProofBatch(f"streamed rows {start}, far outside", far_rows(card, count, rng))
        else:
            low, high = SWEEP
            logits = low + (high - low) * rng.random(count)
            base = random_rows(card, count, rng)
            yield ProofBatch(f"streamed rows {start}, any logit", along(affine, logits, base))


def random_rows(card: ModelCard, count: int, rng: np.random.Generator) -> Float32:
    """Rows (count, d), uniform over the ranges of the training features."""
    low, high = np.array(card.feature_min), np.array(card.feature_max)
    rows: Float64 = low + (high - low) * rng.random((count, len(low)))
    return rows.astype(np.float32)


def far_rows(card: ModelCard, count: int, rng: np.random.Generator) -> Float32:
    """Rows (count, d) up to a million times as far out as the training ranges, all finite."""
    return far(np.array(card.feature_min), np.array(card.feature_max), count, rng)


def far(low: Float64, high: Float64, count: int, rng: np.random.Generator) -> Float32:
    """As `far_rows`, for ranges from `low` (d,) to `high`."""
    middle, spread = low / 2 + high / 2, np.maximum(high - low, np.abs(high) * 2.0**-20)
    times = np.ldexp(1.0, (_FAR * rng.random((count, 1))).astype(np.intc))
    rows = middle + spread * (rng.random((count, len(low))) - 0.5) * times
    result: Float32 = np.clip(rows, -LARGEST, LARGEST).astype(np.float32)
    return result


def along(affine: Affine, logits: Float64, base: Float32) -> Float32:
    """Rows with the given logits (n,): `base`, (n, d) or (1, d), moved along the weights.

    Where the weights are so small that no float32 row has a logit, its row is left out.
    """
    rows = moved(affine, logits - affine.reference(base)[0], base)
    return rows[np.isfinite(rows).all(1)]


def moved(affine: Affine, by: Float64, base: Float32) -> Float32:
    """Rows whose logits are farther `by` (n,) than those of `base`, (n, d) or (1, d); not finite
    where no float32 row is."""
    direction = affine.weight.astype(np.float64)
    length = math.fsum((direction * direction).tolist())
    with np.errstate(all="ignore"):
        steps = by / length
        rows: Float32 = (base + steps[:, None] * direction).astype(np.float32)
    return rows


def golden_rows(card: ModelCard, affine: Affine) -> Float32:
    """The rows that the card will carry for self-tests, with logits near GOLDEN_LOGITS.

    They are drawn from the ranges of the features and moved in the direction of the weights, so
    they are nobody's data.
    """
    count = max(2, min(len(GOLDEN_LOGITS), _GOLDEN_VALUES // len(affine.weight)))
    rows = random_rows(card, count, np.random.default_rng(1))
    shifted = along(affine, np.array(GOLDEN_LOGITS[:count]), rows)
    return shifted if len(shifted) == count else rows


def logit_of(threshold: float) -> float | None:
    """The logit of a probability; None of 0 and 1, which have none."""
    return math.log(threshold / (1 - threshold)) if 0 < threshold < 1 else None


def _near(affine: Affine, logits: Sequence[float], base: Float32) -> Float32:
    """Rows at each logit and at the float32 values next to it, as nearly as a row can have them."""
    wanted = neighbours_of(logits)
    start = np.resize(np.arange(len(base)), len(wanted))
    return along(affine, wanted, base[start])


def neighbours_of(logits: Sequence[float]) -> Float64:
    """Each logit and the float32 values next to it."""
    centres = np.array(logits, np.float32)
    steps = np.spacing(np.abs(centres)).astype(np.float64)
    return (centres.astype(np.float64)[:, None] + steps[:, None] * _NEIGHBOURS).ravel()


def _tiny(width: int) -> Float32:
    """Rows of ±0 and of subnormals, whole and among ones."""
    values = np.array([0.0, -0.0, SMALLEST, -SMALLEST, 3 * SMALLEST, 2.0**-126, 2.0**-127])
    rows = np.tile(values.astype(np.float32)[:, None], (2, width))
    rows[len(values) :, :: max(2, width // 8)] = 1
    return rows


def _largest(affine: Affine) -> Float32:
    """FLT_MAX in one feature or all, and rows whose terms just stay inside float32."""
    width = len(affine.weight)
    some = np.unique(np.linspace(0, width - 1, min(width, 8)).astype(int))
    alone = np.zeros((2 * len(some), width), np.float32)
    alone[np.arange(len(some)), some] = LARGEST
    alone[len(some) + np.arange(len(some)), some] = -LARGEST
    fill = np.array([[LARGEST], [-LARGEST]], np.float32)
    room = LARGEST / (4 * width * np.maximum(np.abs(affine.weight.astype(np.float64)), 1))
    inside = np.stack([room, -room, room * (-1.0) ** np.arange(width)]).astype(np.float32)
    return np.concatenate((alone, np.tile(fill, (1, width)), inside))


def _cancelling(affine: Affine, base: Float32, rng: np.random.Generator) -> Float32:
    """Rows with two large terms of opposite sign, of sizes 1 to 2¹⁰⁰."""
    weighted = np.flatnonzero(affine.weight)
    if len(weighted) < 2:
        return base[:0]
    rows = base.copy()
    direction = affine.weight.astype(np.float64)
    pairs = weighted[(rng.random((len(rows), 2)) * len(weighted)).astype(np.intp)]
    sizes = np.ldexp(1 + rng.random(len(rows)), (100 * rng.random(len(rows))).astype(np.intc))
    with np.errstate(all="ignore"):
        for column, sign in ((0, 1), (1, -1)):
            chosen = pairs[:, column]
            rows[np.arange(len(rows)), chosen] = sign * sizes / direction[chosen]
    return rows[np.isfinite(rows).all(1)]


def _probes(affine: Affine) -> ProofBatch:
    """Rows whose logit is one value of the model: the bias, or a weight times a power of two.

    All terms but one are 0 there, and the power is so large that bias and centre are less than
    half a unit in the last place of what they are added to. Both products and sums are exact, in
    any order: the logit must have the very bits of the weight. A weight that is 0 or leaves no
    room for such a power is not probed; where there are very many weights,
    evenly spaced ones are.
    """
    width = len(affine.weight)
    center = np.zeros(width, np.float32) if affine.center is None else affine.center
    of_weight, of_bias, of_center = (
        np.frexp(np.abs(values))[1] for values in (affine.weight, np.float32(affine.bias), center)
    )
    power = np.maximum(np.maximum(of_bias - of_weight, of_center) + 26, 0)
    room = (affine.weight != 0) & (of_weight > -125) & (power < 127) & (of_weight + power < 127)
    probed = np.flatnonzero(room)
    most = max(1, _PROBE_VALUES // width)
    if len(probed) > most:
        probed = probed[np.linspace(0, len(probed) - 1, most).astype(np.intp)]
    rows = np.tile(center, (1 + len(probed), 1))
    powers = np.ldexp(1.0, power[probed])
    rows[1 + np.arange(len(probed)), probed] = powers
    exact = np.append([affine.bias], affine.weight[probed] * powers).astype(np.float32)
    return ProofBatch(PROBES, rows, exact)


def _non_finite(rows: Float32) -> Float32:
    """`rows` with a NaN or infinity in every other one; the rows between must not notice."""
    rows = rows.copy()
    width = rows.shape[1]
    bad: Sequence[float] = (np.nan, np.inf, -np.inf)
    for i, row in enumerate(rows[::2]):
        row[(i // len(bad)) % width] = bad[i % len(bad)]
    return rows
