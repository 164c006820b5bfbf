"""The probability proven as a function of the logit, on every float32.

There are only 2³² float32 logits, so all of them are tried: they go through the kernel (the
function from logit to probability) in increasing order, and each result is compared with the exact
sigmoid in float64, which is compared with decimal arithmetic of 50 digits in turn. A ULP is a unit
in the last place of a float32, see serve_runtime.error_budgets.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import partial, reduce
from itertools import pairwise
from operator import add
from typing import Final

import numpy as np
from tqdm import tqdm

from export.errors import ParityError
from export.formats.artifact import Score
from export.sigmoid.spans import (
    NUMBERS,
    PATTERNS,
    Count,
    Interval,
    Span,
    examine,
    float32_at,
    ranks_of,
    select,
    split,
)
from serve_runtime.arrays import Float32
from serve_runtime.container_limits import processors
from serve_runtime.error_budgets import LOWEST_LOGIT, sigmoid, ulp_of

PROVEN_ULP: Final = 3.0
"""Largest error allowed to an exported kernel, in ULP, for logits from LOWEST_LOGIT up. Scores at
run time are allowed 4: the exp of another machine may round otherwise."""

PROVEN_DECREASE_ULP: Final = 0.0
"""Most ULP by which a larger logit may have the smaller probability."""

REFERENCE_ULP: Final = 2.0**-20
"""Most float32 ULP between the float64 reference and decimal arithmetic."""

EDGES: Final = (
    -np.inf,
    -104.0,  # below, the exact sigmoid rounds to 0
    -88.73,  # below, exp(-logit) overflows float32
    LOWEST_LOGIT,
    -50.0,
    -20.0,
    -18.0,  # below, onnxruntime's Sigmoid is constant
    -17.33,
    -8.0,
    -1.0,
    -0.0,
    1.0,
    8.0,
    17.33,  # from here up the exact sigmoid rounds to 1
    20.0,
    88.73,
    np.inf,
)
"""Where the ranges of the report begin and end, rounded to float32: [low, high), and the last one
[low, high]. Ranges from LOWEST_LOGIT up are held to PROVEN_ULP."""

_BLOCK = 1 << 15  # logits scored in one call; fewer wait for the interpreter, more for memory
_TASK = 1 << 20  # logits handed to a thread at a time; each takes milliseconds
_REFERENCE_SAMPLE = 100
"""About how many logits of each range are computed in decimal arithmetic."""


@dataclass(frozen=True)
class SigmoidProof:
    """What was shown about one kernel."""

    kernel: str
    ranges: tuple[Span, ...]
    """One for each range between neighbouring edges."""
    whole: Span
    """All ranges together."""
    nan: Span
    """The span of the NaNs."""
    special: Mapping[str, float]
    """Probabilities of ±inf, ±0 and NaN."""
    reference_ulp: float
    """Largest distance seen between the float64 reference and decimal, in float32 ULP."""


def prove(
    kernel: str,
    score: Score,
    *,
    edges: Sequence[float] = EDGES,
    sample: int | None = None,
    progress: bool = False,
) -> SigmoidProof:
    """Score every float32 from the first to the last edge, and every NaN.

    `score` takes logits (n, 1) and is called from several threads at once. With `sample`, only
    about so many logits are tried, equally many of each range: the same ones every time, one chosen
    at random among every few neighbours, and all that are next to an edge. `progress` shows a bar
    on a terminal.
    """
    cuts = ranks_of(np.array(edges, np.float32)).tolist()
    cuts[-1] += 1
    ends = [*pairwise(cuts), (NUMBERS, PATTERNS)]
    share = PATTERNS if sample is None else max(1, sample // len(ends))
    intervals = [(start, stop, -(-(stop - start) // share)) for start, stop in ends]
    tasks = [(i, task) for i, whole in enumerate(intervals) for task in split(whole, _TASK)]
    parts: list[list[Span]] = [[] for _ in intervals]
    with ThreadPoolExecutor(processors()) as pool:
        try:
            results = pool.map(partial(_examine_task, score), (task for _, task in tasks))
            bar = tqdm(results, kernel, len(tasks), leave=False, disable=None if progress else True)
            for (i, _), span in zip(tasks, bar, strict=True):
                parts[i].append(span)
        finally:
            pool.shutdown(cancel_futures=True)
    *ranges, nan = (reduce(add, spans) for spans in parts)
    special = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan], np.float32)
    answers = map(float, score(special[:, None])[1])
    return SigmoidProof(
        kernel,
        tuple(ranges),
        reduce(add, ranges),
        nan,
        dict(zip(("-inf", "-0", "+0", "+inf", "NaN"), answers, strict=True)),
        reference_ulp(_reference_sample(ranges)),
    )


def reference_ulp(logits: Float32) -> float:
    """Largest distance between error_budgets.sigmoid and decimal arithmetic of 50 digits.

    In float32 ULP, over `logits` (n,), none of which is NaN.
    """
    computed = sigmoid(logits)
    distances = [Decimal(0)]
    with localcontext(Context(prec=50, traps=[])):  # exp(-logit) may be infinite
        for z, found, ulp in zip(logits, computed, ulp_of(computed), strict=True):
            exact = 1 / (1 + (-Decimal(float(z))).exp())
            distances.append(abs(Decimal(float(found)) - exact) / Decimal(float(ulp)))
    return float(max(distances))


def _reference_sample(ranges: Sequence[Span]) -> Float32:
    """The worst logit of each range, and some from everywhere in it."""
    parts = [np.array([span.ulp_at for span in ranges], np.float32)]
    for span in ranges:
        start, stop = ranks_of(np.array([span.low, span.high], np.float32)).tolist()
        stride = max(1, (stop - start) // _REFERENCE_SAMPLE)
        parts.append(float32_at(select((start, stop + 1, stride))))
    return np.concatenate(parts)


def _examine_task(score: Score, task: Interval) -> Span:
    return reduce(add, (examine(score, select(block)) for block in split(task, _BLOCK)))


def failures(proof: SigmoidProof) -> list[str]:
    """What keeps the kernel from being proven, in words; empty if nothing does."""
    found, whole, nan = [], proof.whole, proof.nan
    judged = [span for span in proof.ranges if span.low >= LOWEST_LOGIT]
    worst = max(judged, key=lambda span: span.ulp, default=None)
    if worst and worst.ulp > PROVEN_ULP:
        found.append(
            f"{worst.ulp:.4g} ULP from the exact sigmoid at logit {_text(worst.ulp_at)}, where "
            f"{PROVEN_ULP:g} are allowed from {LOWEST_LOGIT:g} up"
        )
    if whole.outside.times:
        found.append(f"probabilities outside [0, 1]: {_places(whole.outside)}")
    if whole.decrease_ulp > PROVEN_DECREASE_ULP:
        found.append(
            f"decreases: {_places(whole.decreases)}, by {whole.decrease_ulp:.4g} ULP at most"
        )
    if (altered := whole.altered + nan.altered).times:
        found.append(f"logits changed by 1·x + 0: {_places(altered)}")
    if nan.outside.times:
        found.append(f"{nan.outside.times:,} of {nan.logits:,} NaNs do not give NaN")
    for name, required in (("-inf", 0.0), ("+inf", 1.0)):
        if proof.special[name] != required:
            found.append(f"{name} gives {_text(proof.special[name])}, not {required:g}")
    if proof.reference_ulp > REFERENCE_ULP:
        found.append(f"the float64 reference is off by {proof.reference_ulp:.3g} float32 ULP")
    return found


def require(proof: SigmoidProof) -> None:
    """Raise ParityError, which says what was found and where, if there are `failures`."""
    if found := failures(proof):
        raise ParityError(f"the sigmoid of {proof.kernel} is not proven: {'; '.join(found)}")


def report(proof: SigmoidProof) -> str:
    """The proof as a table, one line for each range, and the verdict."""
    whole, nan = proof.whole, proof.nan
    lines = [
        f"{proof.kernel}: {whole.logits + nan.logits:,} of {PATTERNS:,} float32 logits",
        f"{'from':>14}{'to':>16}{'logits':>15}{'worst ULP':>11}{'at logit':>16}"
        f"{'smallest p':>16}{'largest p':>16}{'decreases':>11}",
    ]
    for span in (*proof.ranges, whole):
        lines.append(
            f"{_text(span.low):>14}{_text(span.high):>16}{span.logits:>15,}{span.ulp:>11.4g}"
            f"{_text(span.ulp_at):>16}{_text(span.smallest):>16}{_text(span.largest):>16}"
            f"{span.decreases.times:>11,}"
        )
    lines += [
        f"{nan.logits - nan.outside.times:,} of {nan.logits:,} NaNs give NaN; "
        + ", ".join(f"{name} gives {_text(p)}" for name, p in proof.special.items()),
        f"outside [0, 1]: {whole.outside.times:,}; largest decrease: {whole.decrease_ulp:.4g} ULP; "
        f"logits changed by 1·x + 0: {whole.altered.times + nan.altered.times:,}",
        f"float64 reference: within {proof.reference_ulp:.2g} float32 ULP of 50 digits",
        _verdict(proof),
    ]
    return "\n".join(lines)


def _verdict(proof: SigmoidProof) -> str:
    if found := failures(proof):
        return "not proven: " + "; ".join(found)
    complete = proof.whole.logits + proof.nan.logits == PATTERNS
    return (
        f"{'proven' if complete else 'nothing found in this sample against'}: at most "
        f"{PROVEN_ULP:g} ULP from {LOWEST_LOGIT:g} up, decreases of at most "
        f"{PROVEN_DECREASE_ULP:g} ULP, inside [0, 1]"
    )


def _places(count: Count) -> str:
    return f"{count.times:,}, the first at logit {_text(count.first)}"


def _text(value: float | None) -> str:
    """The shortest text that names this float32."""
    return str(np.float32(value))
