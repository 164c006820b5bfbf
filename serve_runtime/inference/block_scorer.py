"""Scratch buffers and bound onnxruntime sessions that score one block of rows at a time."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import numpy as np

from serve_runtime.arrays import ROWS, Float32
from serve_runtime.error_budgets import LARGEST
from serve_runtime.errors import LogitOverflowError, NonFiniteError, RowError
from serve_runtime.inference.block_plan import BOUND, IN_PLACE, LOGITS, Block
from serve_runtime.inference.sessions import SIGMOID, Session
from serve_runtime.inputs.batch_limits import Limits
from serve_runtime.inputs.blocks import BatchInput, ColumnInput, RowInput

_FEW_LOGITS = 64
"""Up to so many, a sum in Python is faster than asking numpy about each."""

_MANY_LOGITS = 4096
"""For more than so many, two passes over them are faster than a copy and a pass over that."""

_absolute, _maximum, _minimum = np.absolute, np.maximum.reduce, np.minimum.reduce
"""Looked up once: a lookup takes 30 ns."""


LOGIT, PROBABILITY, PROBA = range(3)
"""The three kinds of score, by their position in Outputs."""

BOTH = 3
"""Logit and probability, as the rows of one array (2, n)."""


class Outputs(NamedTuple):
    """Arrays that the scores of n rows are written to; None for a kind that is not wanted."""

    logit: Float32 | None = None
    """(n,)"""
    probability: Float32 | None = None
    """(n,)"""
    proba: Float32 | None = None
    """(n, 2): P(negative), then P(positive)."""


class _BoundBuffers(NamedTuple):
    """A session bound to buffers: fill `features`, call `run`, read the scores."""

    run: Callable[[], None]
    features: Float32
    """(rows, d), or (d, rows); for SIGMOID the logits (rows,)."""
    logit: Float32
    """(rows,)"""
    probability: Float32
    """(rows,)"""


class BlockScorer:
    """Scores one block at a time; used by one thread at a time, pooled by Engine.

    `sessions` are those of the model by name: ROWS, COLUMNS and SIGMOID.
    """

    def __init__(
        self, sessions: Mapping[str, Session], n_features: int, bias: float, limits: Limits
    ) -> None:
        self._sessions, self._n_features, self._limits = sessions, n_features, limits
        # Some kernels clamp NaN and infinities to ±LARGEST, and some of them before they add the
        # bias. That changes LARGEST only where the bias is 2¹⁰³ or more.
        self._largest = np.float32(LARGEST - abs(bias))
        self._largest_float = float(self._largest)
        self._multiple, self._least_rows = limits.row_multiple, limits.padded(1)
        self._block_rows, self._bound_rows = limits.block_rows, limits.bound_block_rows(n_features)
        self._bound: dict[tuple[str, int], _BoundBuffers] = {}
        self._buffers: dict[str, Float32] = {}
        self._bind_one()

    def _bind_one(self) -> None:
        """What a row alone is scored with."""
        first = self._bind(ROWS, self._least_rows)
        self._one = first.run, first.features[:1], first.logit[:1], first.probability[:1]

    def score_array(self, rows: Float32, kind: int) -> Float32 | None:
        """Scores of C-contiguous float32 rows (n, d) as a new array, with the least overhead.

        `kind` is LOGIT, PROBABILITY (both (n,)), PROBA (n, 2) or BOTH (2, n). None where `score`
        has to do it: a logit is not a score, or onnxruntime cannot read the rows as they are.
        """
        count = len(rows)
        if count == 1:
            run, features, logit, probability = self._one
            features[...] = rows
            run()
            scored = abs(logit.item()) < self._largest_float
        else:
            filled = -(-count // self._multiple) * self._multiple
            if filled < self._least_rows:  # max would take longer
                filled = self._least_rows
            if filled <= self._bound_rows:
                block = self._bind(ROWS, filled)
                block.features[:count] = rows
                block.run()
                logit, probability = block.logit[:count], block.probability[:count]
            elif filled == count <= self._block_rows and rows.flags.aligned:
                logit, probability = (scores[0] for scores in self._sessions[ROWS].run(rows))
            else:
                return None
            scored = self._are_scores(logit)
        return self._copied(kind, logit, probability) if scored else None

    def _copied(self, kind: int, logit: Float32, probability: Float32) -> Float32:
        """The scores of `kind` as a new array."""
        if kind < PROBA:
            return (probability if kind == PROBABILITY else logit).copy()
        count = len(logit)
        if kind == BOTH:
            both = np.empty((2, count), np.float32)
            both[0], both[1] = logit, probability
            return both
        proba = np.empty((count, 2), np.float32)
        self._write_proba(proba, logit, probability)
        return proba

    def score(
        self, batch: BatchInput, block: Block, logits: Float32 | None, outputs: Outputs
    ) -> None:
        """Score one block of `batch` into the same rows of `outputs`.

        `logits` (n,) are those of the whole batch where the plan computed them first.
        Raises NonFiniteError or LogitOverflowError for the first row without a finite logit.
        """
        start, stop, _ = block
        logit, probability = self._scores(batch, block, logits)
        # NaN and infinities always reach the logit (0·inf is NaN), or are clamped to its largest
        # value, so n logits tell of n·d values.
        if not self._are_scores(logit):
            self._without_score(batch, start, logit, probability)
        if outputs.logit is not None:
            outputs.logit[start:stop] = logit
        if outputs.probability is not None:
            outputs.probability[start:stop] = probability
        if outputs.proba is not None:
            self._write_proba(outputs.proba[start:stop], logit, probability)

    def _scores(
        self, batch: BatchInput, block: Block, logits: Float32 | None
    ) -> tuple[Float32, Float32]:
        """The logits and probabilities of one block, whatever its values are."""
        start, stop, reading = block
        count = stop - start
        if reading == LOGITS:
            assert logits is not None
            logit = logits[start:stop]
            (probability,) = self._sessions[SIGMOID].run(logit)
        elif reading == BOUND:
            bound = self._bind(batch.layout, self._limits.padded(count))
            batch.copy(start, stop, bound.features)
            bound.run()
            logit, probability = bound.logit[:count], bound.probability[:count]
        else:
            if reading == IN_PLACE:
                features = batch.block(start, stop)
            else:
                features = self._copy_buffer(batch.layout, self._limits.padded(count))
                batch.copy(start, stop, features)
            scores = self._sessions[batch.layout].run(features)
            logit, probability = (score[0, :count] for score in scores)
        return logit, probability

    def _without_score(
        self, batch: BatchInput, start: int, logit: Float32, probability: Float32
    ) -> None:
        """Raise the error of the first row of the block, which begins at `start`, whose logit is
        no score."""
        plain = cast(RowInput | ColumnInput, batch)
        raise _row_error(plain, start + int((np.abs(logit) < self._largest).argmin()))

    def _are_scores(self, logit: Float32) -> bool:
        """Whether all are finite, and in size below what a clamping kernel answers in place of NaN
        and infinities."""
        count = len(logit)
        if count <= _FEW_LOGITS and math.hypot(*logit.tolist()) < self._largest_float:
            return True  # each is at most the root of the sum of their squares
        # NaN is the maximum, and the minimum, of all others.
        if count <= _MANY_LOGITS:
            return bool(_maximum(_absolute(logit)) < self._largest)
        return bool(_maximum(logit) < self._largest and _minimum(logit) > -self._largest)

    def _write_proba(self, proba: Float32, logit: Float32, probability: Float32) -> None:
        """P(negative) is the sigmoid of the negated logit: as right in its tail as P(positive)."""
        count = len(logit)
        if count > self._bound_rows:
            (negative,) = self._sessions[SIGMOID].run(-logit)
        else:
            block = self._bind(SIGMOID, -(-count // self._multiple) * self._multiple)
            np.negative(logit, out=block.features[:count])
            block.run()
            negative = block.probability[:count]
        proba[:, 0] = negative
        proba[:, 1] = probability

    def _bind(self, name: str, rows: int) -> _BoundBuffers:
        """Session `name` bound to buffers for `rows` rows, a multiple of 4; made once and kept."""
        found = self._bound.get((name, rows))
        if found is None:
            session = self._sessions[name]
            logit, probability = (
                self._buffer(f"{name}, {score}", self._bound_rows)[:rows]
                for score in ("logit", "probability")
            )
            if name == SIGMOID:
                features, run = logit, session.bind(logit, probability)
            else:
                values = self._buffer(name, self._bound_rows * self._n_features)
                features = self._shaped(values, name, rows)
                run = session.bind(features, logit[None], probability[None])
            found = self._bound[name, rows] = _BoundBuffers(run, features, logit, probability)
        return found

    def _copy_buffer(self, layout: str, rows: int) -> Float32:
        """A buffer for a block of `rows` rows that onnxruntime cannot read where it lies."""
        return self._shaped(self._buffer("copied", rows * self._n_features), layout, rows)

    def _buffer(self, name: str, values: int) -> Float32:
        """The buffer `name` of at least `values` float32 values, made when it is first needed.

        It starts as zeros, so that rows that only fill a block up are finite from the start.
        """
        found = self._buffers.get(name)
        if found is None or found.size < values:
            found = self._buffers[name] = np.zeros(values, np.float32)
        return found

    def _shaped(self, buffer: Float32, layout: str, rows: int) -> Float32:
        shape = (rows, self._n_features) if layout == ROWS else (self._n_features, rows)
        return buffer[: rows * self._n_features].reshape(shape)


def _row_error(batch: RowInput | ColumnInput, row: int) -> RowError:
    """Why the logit of this row is not finite: a value of the row, or the overflow of finite ones.

    Terms of opposite sign that overflow float32 give NaN or an infinity of either sign, whatever
    their true sum: no score could be proven.
    """
    values = batch.row(row)
    bad = ~np.isfinite(values)
    if not bad.any():
        return LogitOverflowError(row)
    feature = int(bad.argmax())
    return NonFiniteError(row, batch.names[feature], float(values[feature]))
