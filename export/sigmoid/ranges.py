"""The exported sigmoid on every logit of [-104, 20] outside ±2⁻²⁵, in this Python's onnxruntime.

`python -m export.sigmoid.ranges` needs numpy, onnxruntime and tqdm, so that it runs on emulated
processors too. It prints one line of JSON. Closer to 0 the exact probability rounds to 0.5, further
up to 1, and further down to 0; `python -m export sigmoid` tries all 2³² where there is time.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Final

import numpy as np
from tqdm import tqdm

from export.formats.onnxruntime_scorer import onnx_score
from export.sigmoid.spans import IDENTITY, Span, examine, ranks_of, select, split
from serve_runtime.arrays import COLUMNS
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.error_budgets import LOWEST_LOGIT, PROBABILITY_ULP

RANGES: Final = ((-104.0, LOWEST_LOGIT), (LOWEST_LOGIT, -(2.0**-25)), (2.0**-25, 20.0))
"""From and up to which logit; the last is not in the range."""

_BLOCK = 1 << 15


@dataclass(frozen=True)
class RangeFigures:
    """What was found over all logits of the ranges."""

    logits: int
    ulp: float
    """The largest distance to the exact sigmoid, from LOWEST_LOGIT up."""
    ulp_at: float
    falls: int
    """How often the probability of the next larger logit is lower."""
    outside: int
    """Probabilities outside [0, 1]."""

    @property
    def proven(self) -> bool:
        """Whether promises 2 and 5 of docs/parity.md hold."""
        return self.ulp <= PROBABILITY_ULP and not self.falls and not self.outside


def examine_ranges(ranges: Sequence[tuple[float, float]] = RANGES) -> RangeFigures:
    """Score every float32 logit of `ranges` with the exported graph; a bar on a terminal."""
    score = onnx_score(write_model(IDENTITY, COLUMNS), COLUMNS)
    spans: list[Span] = []
    with tqdm(total=0, unit=" logits", unit_scale=True, disable=None) as bar:
        for low, high in ranges:
            start, stop = ranks_of(np.array([low, high], np.float32)).tolist()
            bar.total += stop - start
            parts = []
            for block in split((start, stop, 1), _BLOCK):
                parts.append(examine(score, select(block)))
                bar.update(parts[-1].logits)
            spans.append(reduce(add, parts))
    judged = max((span for span in spans if span.low >= LOWEST_LOGIT), key=lambda span: span.ulp)
    whole = reduce(add, spans)  # compares the ends of neighbouring ranges too
    return RangeFigures(
        whole.logits, judged.ulp, judged.ulp_at, whole.decreases.times, whole.outside.times
    )


if __name__ == "__main__":
    print(json.dumps(asdict(examine_ranges())))
