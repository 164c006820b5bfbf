"""One model in onnxruntime: a row, or a batch of any size cut into blocks for one or more threads.

Each thread takes the next block, and scores it with sessions of one thread, so that onnxruntime
itself starts none: nothing spins between calls, and nothing is lost in a fork.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from serve_runtime.arrays import COLUMNS, ROWS, Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.inference.block_scorer import (
    BLOCK_ROWS,
    PROBA,
    ROW_MULTIPLE,
    Lane,
    Outputs,
    small_rows,
)
from serve_runtime.inference.sessions import LINEAR, check_providers
from serve_runtime.inputs.blocks import COPIED_VALUES, Source

if TYPE_CHECKING:
    from serve_runtime.inference.thread_team import Helpers
from serve_runtime.inference.sessions import Sessions

_PARALLEL_VALUES = 1 << 19
"""Waking a thread costs about as much as scoring this many values."""

_KEPT_LANES = 16
"""Lanes that wait for the next call. With more callers at a time than this, some make their own."""


class Engine:
    """Scores with the model `affine`; any number of threads may share it, and it may be forked.

    Raises ProviderError or RuntimeVersionError where onnxruntime cannot serve as asked.
    """

    def __init__(self, affine: Affine, threads: int, providers: Sequence[str]) -> None:
        self._affine, self._threads = affine, threads
        self._providers = check_providers(providers)
        self._width = len(affine.weight)
        self._start()
        self._lanes.append(self._lane())  # onnxruntime's errors come now
        _ENGINES.add(self)

    def _start(self) -> None:
        self._sessions = Sessions(self._affine, self._providers)
        self._lanes: deque[Lane] = deque(maxlen=_KEPT_LANES)
        self._lock = threading.Lock()
        self._helpers: Helpers | None = None

    def array(self, rows: Float32, answer: int) -> Float32 | None:
        """The shortest way from C-contiguous float32 rows (n, d) to one answer, as a new array.

        None where it takes `score`, which says what is wrong, or has more than one thread work.
        """
        if self._threads > 1 and rows.size >= _PARALLEL_VALUES:
            return None
        lanes = self._lanes
        try:
            lane = lanes.pop()
        except IndexError:
            lane = self._lane()
        try:
            return lane.array(rows, answer)
        finally:
            lanes.append(lane)

    def score(self, source: Source, outputs: Outputs) -> None:
        """Score every row of `source` into `outputs`.

        Raises NonFiniteError or LogitOverflowError for the first row that cannot be scored.
        """
        values = source.rows * self._width
        at_once = source.rows <= BLOCK_ROWS and values <= source.at_once
        parallel = self._threads > 1 and values >= _PARALLEL_VALUES and not at_once
        if source.layout == COLUMNS and source.rows > BLOCK_ROWS and not parallel:
            source.logit = self._linear(source, outputs)
        blocks = self._blocks(source, parallel)
        remaining, failed = iter(blocks), list[BaseException]()

        def work() -> None:
            lane = None
            try:
                lane = self._lane()
                # A block that is taken is scored: it may hold an earlier error.
                while not failed and (block := next(remaining, None)):
                    lane.score(source, *block, outputs)
            except BaseException as reason:  # an interrupt too must stop the other threads
                failed.append(reason)
            finally:
                if lane is not None:
                    self._lanes.append(lane)

        try:
            self._team().run(work) if parallel and len(blocks) > 1 else work()
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

    def _linear(self, source: Source, outputs: Outputs) -> Float32 | None:
        """The logits of long columns that can be read where they lie, all at once.

        It spares copying them: a block of them would have gaps. The rest of the graph follows block
        by block, in cache.
        """
        columns = source.block(0, source.rows)
        if columns is None or self._affine.center is not None:
            return None
        logit = next((given for given in outputs[:PROBA] if given is not None), None)
        if logit is None or not logit.flags.carray or np.may_share_memory(logit, columns):
            logit = np.empty(source.rows, np.float32)
        self._sessions[LINEAR].bind(columns, logit[None])()
        return logit

    def _blocks(self, source: Source, parallel: bool) -> list[tuple[int, int]]:
        """The first row of each block, and the first row behind it."""
        rows, width = source.rows, self._width
        in_place = source.in_place and (source.layout == ROWS or rows <= BLOCK_ROWS)
        if rows <= small_rows(width) or (in_place and source.layout == COLUMNS):
            return [(0, rows)] if rows else []
        copied = max(COPIED_VALUES, source.at_once)
        step = BLOCK_ROWS if in_place else min(BLOCK_ROWS, copied // width)
        if parallel:
            step = min(step, -(-rows // (2 * self._threads)))
        step = max(step - step % ROW_MULTIPLE, ROW_MULTIPLE)
        # What is read in place cannot be filled up: the last rows are a small block of their own.
        last = rows - rows % ROW_MULTIPLE if in_place else rows
        return list(pairwise(dict.fromkeys((*range(0, last, step), last, rows))))

    def _lane(self) -> Lane:
        try:
            return self._lanes.pop()
        except IndexError:
            return Lane(self._sessions, self._width)

    def _team(self) -> "Helpers":
        with self._lock:
            if self._helpers is None:
                from serve_runtime.inference.thread_team import (
                    Helpers,  # which one thread is spared
                )

                self._helpers = Helpers(self._threads - 1)
            return self._helpers

    def _forked(self) -> None:
        """In the child: begin anew. A session that is destroyed there can crash, so none is."""
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object((self._sessions, self._lanes, self._helpers)))
        self._start()


_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_ENGINES):
        engine._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
