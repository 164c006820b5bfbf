"""What one thread at a time scores blocks with: buffers, bound to onnxruntime's sessions."""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

from serve_runtime.arrays import ROWS, Float32
from serve_runtime.errors import LogitOverflowError, NonFiniteError, RowError
from serve_runtime.inference.sessions import SIGMOID, Session
from serve_runtime.inputs.blocks import Source

ROW_MULTIPLE: Final = 4
"""In the rows graph a row's bits are the same in every batch that is a multiple of this, so other
batches are filled up with rows that nobody reads."""

BLOCK_ROWS: Final = 1 << 16
"""Most rows of a block: what the graph passes from node to node stays in a cache of 2 MiB."""

_SMALL_ROWS, _SMALL_VALUES = 256, 1 << 14
"""The largest block that is copied to where a session stays bound: copying 64 KiB costs less than
binding."""

_FEW = 64
"""Logits that Python adds up in float64 sooner than numpy looks at each."""


LOGIT, PROBABILITY, PROBA = range(3)
"""The answers, by their position in Outputs."""


class Outputs(NamedTuple):
    """Where the scores of n rows go, None where they are not wanted."""

    logit: Float32 | None = None
    """(n,)"""
    probability: Float32 | None = None
    """(n,)"""
    proba: Float32 | None = None
    """(n, 2): P(negative), then P(positive)."""


class _Bound(NamedTuple):
    """A small block: fill `taken`, call `run`, read the answers."""

    run: Callable[[], None]
    taken: Float32
    logit: Float32
    """(rows,)"""
    probability: Float32
    """(rows,)"""


class Lane:
    """Scores one block at a time; `sessions` are by the names above."""

    def __init__(self, sessions: Mapping[str, Session], width: int) -> None:
        self._sessions, self._width = sessions, width
        self._small_rows = small_rows(width)
        self._bound: dict[tuple[str, int], _Bound] = {}
        self._buffers: dict[str, Float32] = {}
        first = self._small(ROWS, ROW_MULTIPLE)
        self._one = _Bound(first.run, first.taken[:1], first.logit[:1], first.probability[:1])

    def array(self, rows: Float32, answer: int) -> Float32 | None:
        """The shortest way from C-contiguous float32 rows (n, d) to one of LOGIT, PROBABILITY and
        PROBA, as a new array.

        None where it takes `score`: as a logit is not finite, or the graph cannot take the rows
        as they are.
        """
        count = len(rows)
        if count == 1:
            run, taken, logit, probability = self._one
            taken[...] = rows
            run()
            finite = math.isfinite(logit.item())
        elif (whole := _whole(count)) <= self._small_rows:
            block = self._small(ROWS, whole)
            block.taken[:count] = rows
            block.run()
            logit, probability = block.logit[:count], block.probability[:count]
            finite = _all_finite(logit)
        elif whole == count <= BLOCK_ROWS and rows.flags.aligned:
            logit, probability = (scores[0] for scores in self._sessions[ROWS].run(rows))
            finite = _all_finite(logit)
        else:
            return None
        if not finite:
            return None
        if answer == PROBA:
            proba = np.empty((count, 2), np.float32)
            self._write_proba(proba, logit, probability)
            return proba
        return (probability if answer == PROBABILITY else logit).copy()

    def score(self, source: Source, start: int, stop: int, outputs: Outputs) -> None:
        """Score the rows from `start` to `stop` of `source` into the same rows of `outputs`.

        Raises NonFiniteError or LogitOverflowError for the first row without a finite logit.
        """
        count, whole = stop - start, _whole(stop - start)
        if source.logit is not None:
            logit = source.logit[start:stop]
            (probability,) = self._sessions[SIGMOID].run(logit)
        elif whole <= self._small_rows:
            block = self._small(source.layout, whole)
            source.copy(start, stop, block.taken)
            block.run()
            logit, probability = block.logit[:count], block.probability[:count]
        else:
            taken = source.block(start, stop)
            if taken is None:
                taken = self._copied(source.layout, whole)
                source.copy(start, stop, taken)
            answers = self._sessions[source.layout].run(taken)
            logit, probability = (answer[0, :count] for answer in answers)
        # NaN and infinities always reach the logit (0·inf is NaN), so n values tell of n·d.
        if not _all_finite(logit):
            raise _row_error(source, start + int(np.isfinite(logit).argmin()))
        if outputs.logit is not None:
            outputs.logit[start:stop] = logit
        if outputs.probability is not None:
            outputs.probability[start:stop] = probability
        if outputs.proba is not None:
            self._write_proba(outputs.proba[start:stop], logit, probability)

    def _write_proba(self, proba: Float32, logit: Float32, probability: Float32) -> None:
        """P(negative) is the sigmoid of the negated logit: as right in its tail as P(positive)."""
        count = len(logit)
        if count > self._small_rows:
            (negative,) = self._sessions[SIGMOID].run(-logit)
        else:
            block = self._small(SIGMOID, _whole(count))
            np.negative(logit, out=block.taken[:count])
            block.run()
            negative = block.probability[:count]
        proba[:, 0] = negative
        proba[:, 1] = probability

    def _small(self, name: str, rows: int) -> _Bound:
        """The small block of `rows`, a multiple of ROW_MULTIPLE, bound once and kept."""
        found = self._bound.get((name, rows))
        if found is None:
            session = self._sessions[name]
            logit, probability = (
                self._buffer(f"{name}, {answer}", self._small_rows)[:rows]
                for answer in ("logit", "probability")
            )
            if name == SIGMOID:
                taken, run = logit, session.bind(logit, probability)
            else:
                values = self._buffer(name, self._small_rows * self._width)
                taken = self._shaped(values, name, rows)
                run = session.bind(taken, logit[None], probability[None])
            found = self._bound[name, rows] = _Bound(run, taken, logit, probability)
        return found

    def _copied(self, layout: str, rows: int) -> Float32:
        """Where a block that cannot be read where it lies is copied to."""
        return self._shaped(self._buffer("copied", rows * self._width), layout, rows)

    def _buffer(self, name: str, values: int) -> Float32:
        """Memory of the lane, at least (values,), made when it is first needed.

        It begins as zeros, so that the rows that fill a block up are numbers from the beginning.
        """
        found = self._buffers.get(name)
        if found is None or found.size < values:
            found = self._buffers[name] = np.zeros(values, np.float32)
        return found

    def _shaped(self, buffer: Float32, layout: str, rows: int) -> Float32:
        shape = (rows, self._width) if layout == ROWS else (self._width, rows)
        return buffer[: rows * self._width].reshape(shape)


def small_rows(width: int) -> int:
    """The most rows of `width` features that make a small block."""
    return max(
        ROW_MULTIPLE, min(_SMALL_ROWS, _SMALL_VALUES // width // ROW_MULTIPLE * ROW_MULTIPLE)
    )


def _all_finite(logit: Float32) -> bool:
    if len(logit) <= _FEW:
        return math.isfinite(sum(logit.tolist()))
    return bool(np.logical_and.reduce(np.isfinite(logit)))  # half the cost of all()


def _row_error(source: Source, row: int) -> RowError:
    """Why the logit of this row is not finite: a value of the row, or the overflow of finite ones.

    Terms of opposite sign that overflow float32 give NaN or an infinity of either sign, whatever
    their true sum: no score could be proven.
    """
    values = source.row(row)
    bad = ~np.isfinite(values)
    if not bad.any():
        return LogitOverflowError(row)
    feature = int(bad.argmax())
    return NonFiniteError(row, source.names[feature], float(values[feature]))


def _whole(rows: int) -> int:
    return -(-rows // ROW_MULTIPLE) * ROW_MULTIPLE
