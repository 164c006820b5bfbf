"""Scores blocks of an encoded model: numbers as columns, and an offset for each row.

Missing numbers are looked for only where a logit is no number: so a table without gaps pays nothing
for them. The columns form gives a row the same bits wherever it stands, so that such rows can be
scored again by themselves.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import numpy as np

from serve_runtime.arrays import COLUMNS, Float32
from serve_runtime.error_budgets import LARGEST
from serve_runtime.errors import LogitOverflowError
from serve_runtime.features.encoding import Encoding
from serve_runtime.inference.block_plan import BOUND, IN_PLACE, LOGITS, Block
from serve_runtime.inference.block_scorer import BlockScorer
from serve_runtime.inference.sessions import SIGMOID, Session
from serve_runtime.inputs.batch_limits import Limits
from serve_runtime.inputs.blocks import BatchInput
from serve_runtime.inputs.encoded import EncodedInput


class _BoundBuffers(NamedTuple):
    """A session bound to buffers: fill `features` and `offset`, call `run`, read the scores."""

    run: Callable[[], None]
    features: Float32
    """(k, rows)"""
    offset: Float32
    """(rows,)"""
    logit: Float32
    """(rows,)"""
    probability: Float32
    """(rows,)"""


class EncodedScorer(BlockScorer):
    """A BlockScorer for batches of encoded rows; used by one thread at a time, pooled by Engine.

    `sessions` are those of the model by name, of graphs that take an offset.
    """

    def __init__(
        self, sessions: Mapping[str, Session], encoding: Encoding, bias: float, limits: Limits
    ) -> None:
        self._k = len(encoding.fill)
        self._encoded: dict[int, _BoundBuffers] = {}
        most = min(LARGEST, encoding.largest_offset(bias))
        super().__init__(sessions, len(encoding.columns), most, limits)

    def _bind_one(self) -> None:
        first = self._bind_encoded(self._least_rows)
        self._first = (
            first.run, first.features[:, 0], first.offset, first.logit[:1],
            first.probability[:1],
        )  # fmt: skip

    def score_one(self, numbers: Float32, offset: np.float32 | float, kind: int) -> Float32 | None:
        """Scores of one row as a new array, from its numbers (k,) and its offset: see
        `score_array`."""
        run, features, offsets, logit, probability = self._first
        features[...] = numbers
        offsets[0] = offset
        run()
        if not abs(logit.item()) < self._largest_float:
            return None
        return self._copied(kind, logit, probability)

    def _scores(
        self, batch: BatchInput, block: Block, logits: Float32 | None
    ) -> tuple[Float32, Float32]:
        start, stop, reading = block
        if reading == LOGITS:
            return super()._scores(batch, block, logits)
        count = stop - start
        encoded = cast(EncodedInput, batch)
        if reading == BOUND:
            bound = self._bind_encoded(self._limits.padded(count))
            encoded.copy(start, stop, bound.features)
            encoded.offset(start, stop, bound.offset)
            bound.run()
            return bound.logit[:count], bound.probability[:count]
        rows = count if reading == IN_PLACE else self._limits.padded(count)
        offset = self._buffer("offset", rows)[:rows]
        encoded.offset(start, stop, offset)
        if reading == IN_PLACE:
            return self._run(encoded.block(start, stop), offset, count)
        features = self._columns("copied", rows)
        encoded.copy(start, stop, features)
        return self._run(features, offset, count)

    def _without_score(
        self, batch: BatchInput, start: int, logit: Float32, probability: Float32
    ) -> None:
        """Score the rows again of which a logit is no score, with what stands for missing numbers,
        and write them into `logit` and `probability`; or raise the error of the first row that has
        no score even so."""
        encoded = cast(EncodedInput, batch)
        at = np.flatnonzero(~(np.abs(logit) < self._largest))
        numbers, offset, refused = encoded.filled(start + at)
        count = int(refused.argmax()) if refused.any() else len(at)
        rows = self._limits.padded(count)
        features, offsets = np.zeros((self._k, rows), np.float32), np.zeros(rows, np.float32)
        features[:, :count], offsets[:count] = numbers[:, :count], offset[:count]
        found = self._run(features, offsets, count)
        bad = ~(np.abs(found[0]) < self._largest)
        if bad.any():
            raise LogitOverflowError(start + int(at[bad.argmax()]))
        if count < len(at):
            raise encoded.refusal(start + int(at[count]))
        logit[at], probability[at] = found

    def _run(self, features: Float32, offset: Float32, count: int) -> tuple[Float32, Float32]:
        """The first `count` logits and probabilities of columns (k, n) with offsets (n,)."""
        if not self._k:
            (probability,) = self._sessions[SIGMOID].run(offset)
            return offset[:count].copy(), probability[:count]
        logit, probability = self._sessions[COLUMNS].run_with(features, offset[None])
        return logit[0, :count], probability[0, :count]

    def _bind_encoded(self, rows: int) -> _BoundBuffers:
        """A session bound to buffers for `rows` rows, a multiple of 4; made once and kept."""
        found = self._encoded.get(rows)
        if found is None:
            offset, logit, probability = (
                self._buffer(f"bound {name}", self._bound_rows)[:rows]
                for name in ("offset", "logit", "probability")
            )
            features = self._columns("bound", rows, self._bound_rows)
            if self._k:
                run = self._sessions[COLUMNS].bind(
                    features, logit[None], probability[None], further=[offset[None]]
                )
            else:  # the offset is the logit
                logit = offset
                run = self._sessions[SIGMOID].bind(logit, probability)
            found = self._encoded[rows] = _BoundBuffers(run, features, offset, logit, probability)
        return found

    def _columns(self, name: str, rows: int, most: int = 0) -> Float32:
        """The buffer `name` for the numbers (k, rows) of up to `most` rows."""
        values = self._buffer(name, self._k * max(rows, most))
        return values[: self._k * rows].reshape(self._k, rows)
