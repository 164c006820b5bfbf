"""One model in onnxruntime, for a batch of any size and any number of threads.

A batch is cut into blocks (see block_plan), and each thread takes the next one and scores it with
a session of one thread. So onnxruntime starts no threads of its own: nothing spins between calls,
and no thread is lost in a fork.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.inference.block_plan import plan_batch
from serve_runtime.inference.block_scorer import PROBA, BlockScorer, Outputs
from serve_runtime.inference.inner_blocks import least_rows
from serve_runtime.inference.onnxruntime_library import Provider, check_providers
from serve_runtime.inference.sessions import LOGITS_ONLY, SIGMOID, Sessions
from serve_runtime.inputs.batch_limits import LIMITS, Limits
from serve_runtime.inputs.blocks import BatchInput

if TYPE_CHECKING:
    from serve_runtime.features.encoding import Encoding
    from serve_runtime.inference.encoded_scorer import EncodedScorer
    from serve_runtime.inference.thread_team import ThreadTeam
    from serve_runtime.inputs.encoded import EncodedInput
    from serve_runtime.inputs.encoded_row import RowEncoder

_POOLED_SCORERS = 16
"""Block scorers kept for the next call. Where more threads than this call at once, the others
make their own and drop it."""


class Engine:
    """Scores batches with the model `affine`, of encoded rows where there is an `encoding`; any
    number of threads may share it, and it may be used after a fork.

    Raises ProviderError or RuntimeVersionError where onnxruntime cannot serve as asked.
    """

    def __init__(
        self,
        affine: Affine,
        threads: int,
        providers: Sequence[Provider],
        limits: Limits = LIMITS,
        encoding: "Encoding | None" = None,
    ) -> None:
        self._affine, self._threads, self._encoding = affine, threads, encoding
        check_providers(providers)
        self._providers = tuple(providers)
        width = len(affine.weight)
        self._n_features = width if encoding is None else len(encoding.columns)
        self._limits = limits._replace(least_rows=max(limits.least_rows, least_rows(width)))
        self._start()
        self._pool.append(self._scorer())  # so that onnxruntime's errors are raised here
        _ENGINES.add(self)

    def _start(self) -> None:
        encoded = self._encoding is not None
        self._sessions = Sessions(self._affine, self._providers, offset=encoded)
        self._pool: deque[BlockScorer] = deque(maxlen=_POOLED_SCORERS)
        self._lock = threading.Lock()
        self._team: ThreadTeam | None = None

    def score_array(self, rows: Float32, kind: int) -> Float32 | None:
        """Scores of C-contiguous float32 rows (n, d) as a new array, with the least overhead.

        `kind` is LOGIT, PROBABILITY, PROBA or BOTH. None where `score` has to do it: with several
        threads, or to say what is wrong.
        """
        if self._threads > 1 and rows.size >= self._limits.parallel_values:
            return None
        pool = self._pool
        try:
            scorer = pool.pop()
        except IndexError:
            scorer = self._scorer()
        try:
            return scorer.score_array(rows, kind)
        finally:
            pool.append(scorer)

    def score_row(self, row: Mapping[str, Any], encoder: "RowEncoder", kind: int) -> Float32 | None:
        """Scores of one raw row as a new array, with the least overhead. None where `score` has to
        do it: to say what is wrong, or since `encoder` leaves the row to others."""
        for encode in (encoder.encode, encoder.encode_filled):
            if (encoded := encode(row)) is None:
                continue
            scorer = cast("EncodedScorer", self._scorer())
            try:
                found = scorer.score_one(*encoded, kind)
            finally:
                self._pool.append(scorer)
            if found is not None:
                return found
        return None

    def sigmoid(self, logits: Float32) -> Float32:
        """Probabilities (n,) of `logits` (n,), n of 2 or more: what every score ends with."""
        (probability,) = self._sessions[SIGMOID].run(logits)
        return probability

    def score(self, batch: BatchInput, outputs: Outputs) -> None:
        """Score every row of `batch` into `outputs`.

        Raises NonFiniteError, LevelError or LogitOverflowError for the first row that cannot be
        scored.
        """
        plan = plan_batch(
            batch,
            self._n_features,
            threads=self._threads,
            centered=self._affine.center is not None,
            limits=self._limits,
        )
        logits = self._logits(batch, outputs) if plan.logits_first else None
        remaining, failed = iter(plan.blocks), list[BaseException]()

        def work() -> None:
            scorer = None
            try:
                scorer = self._scorer()
                # A thread finishes its block even if another one has failed: an earlier row in it
                # may be bad, and the first bad row is the one that is reported.
                while not failed and (block := next(remaining, None)):
                    scorer.score(batch, block, logits, outputs)
            except BaseException as reason:  # an interrupt too must stop the other threads
                failed.append(reason)
            finally:
                if scorer is not None:
                    self._pool.append(scorer)

        try:
            self._thread_team().run(work) if plan.parallel else work()
        except BaseException as reason:  # an interrupt while waiting for the others
            failed.append(reason)
        if failed:
            deque(remaining, maxlen=0)  # a second interrupt did not wait for the other threads
            # Blocks are taken in order, so every row before the first of these has been scored.
            first = min(failed, key=lambda reason: getattr(reason, "row", -1))
            try:
                raise first
            finally:  # or it would keep this frame, and the frame the batch, until a collection
                failed.clear()
                del first

    def _logits(self, batch: BatchInput, outputs: Outputs) -> Float32:
        """The logits (n,) of columns that onnxruntime reads where they lie, all in one run.

        They go into an output that is wanted anyway where it has the room, else into a new array.
        """
        columns = batch.block(0, batch.rows)
        logit = next((wanted for wanted in outputs[:PROBA] if wanted is not None), None)
        if logit is None or not logit.flags.carray or np.may_share_memory(logit, columns):
            logit = np.empty(batch.rows, np.float32)
        further = []
        if self._encoding is not None:
            further.append(cast("EncodedInput", batch).offsets()[None])
        self._sessions[LOGITS_ONLY].bind(columns, logit[None], further=further)()
        return logit

    def _scorer(self) -> BlockScorer:
        try:
            return self._pool.pop()
        except IndexError:
            bias, encoding = self._affine.bias, self._encoding
            if encoding is not None:
                # Not for models of plain numbers; loaded with the first scorer, that of __init__.
                from serve_runtime.inference.encoded_scorer import EncodedScorer

                return EncodedScorer(self._sessions, encoding, bias, self._limits)
            return BlockScorer(self._sessions, self._n_features, bias, self._limits)

    def _thread_team(self) -> "ThreadTeam":
        with self._lock:
            if self._team is None:
                from serve_runtime.inference.thread_team import ThreadTeam  # not for one thread

                self._team = ThreadTeam(self._threads - 1)
            return self._team

    def _forked(self) -> None:
        """Start anew in a child process, which must not destroy the parent's sessions: that can
        crash. So they are leaked."""
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object((self._sessions, self._pool, self._team)))
        self._start()


_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_ENGINES):
        engine._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
