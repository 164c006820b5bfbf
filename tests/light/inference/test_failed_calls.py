"""What a call that fails leaves behind: no thread at work, no batch in memory, the right error."""

import gc
import threading
import time
import weakref
from contextlib import suppress

import numpy as np
import pytest

from light.helpers import TINY
from serve_runtime import Predictor
from serve_runtime.errors import NonFiniteError
from serve_runtime.inference import engine
from serve_runtime.inference.block_plan import COPIED, BatchPlan, Block
from serve_runtime.inference.block_scorer import BlockScorer
from serve_runtime.inference.engine import Engine
from serve_runtime.inference.thread_team import ThreadTeam

TWO_BLOCKS = [Block(0, 32, COPIED), Block(32, 64, COPIED)]


@pytest.fixture
def small_blocks(cut_blocks, monkeypatch):
    cut_blocks(rows=32, values=64)
    return monkeypatch


def test_an_earlier_block_is_finished_after_a_later_failed(small_blocks):
    """One thread takes the first block and waits until the other has failed in the second."""
    predictor = Predictor(TINY, threads=2)
    pool = predictor._model.engine._pool

    class Blocks(list):
        def __iter__(self):
            return self

        def __next__(self):
            if not self:
                raise StopIteration
            block = self.pop(0)
            for _ in range(5000):  # the other's scorer comes back when it has failed
                if block.start or pool:
                    break
                time.sleep(0.001)
            return block

    plan = BatchPlan(Blocks(TWO_BLOCKS), parallel=True)
    small_blocks.setattr(engine, "plan_batch", lambda *_, **__: plan)
    x = np.ones((64, 2))
    x[[3, 40], 0] = np.nan
    pool.clear()
    with pytest.raises(NonFiniteError, match=r"^row 3, "):
        predictor.probability(x)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("small_blocks")
def test_an_error_that_is_dropped_drops_the_batch(threads, order, dtype):
    """A cycle through its traceback would keep a batch of any size until the next collection."""
    predictor = Predictor(TINY, threads=threads)
    x = np.full((203, 2), np.nan, dtype, order).view(type("Mine", (np.ndarray,), {}))
    alive = weakref.ref(x)
    gc.collect()
    gc.disable()
    try:
        with suppress(NonFiniteError):
            predictor.probability(x)
        del x
        assert alive() is None, "the batch lives on"
    finally:
        gc.enable()


def test_a_helper_without_memory_for_its_buffers_fails_the_call(small_blocks):
    def scorer(engine):
        if threading.current_thread() is not caller:
            failed.set()
            raise MemoryError("no buffers")
        failed.wait(20)
        return make(engine)

    caller, failed, make = threading.current_thread(), threading.Event(), Engine._scorer
    predictor = Predictor(TINY, threads=2)
    with small_blocks.context() as patched:
        patched.setattr(Engine, "_scorer", scorer)
        with pytest.raises(MemoryError, match="no buffers"):
            predictor.probability(np.ones((2000, 2)))
    assert len(predictor.probability(np.ones((2000, 2)))) == 2000


def test_an_interrupt_of_the_wait_leaves_nothing_to_do(small_blocks):
    """A second Ctrl-C: whoever scores a block ends with it."""

    def run(team, work):
        raise KeyboardInterrupt("twice")

    predictor = Predictor(TINY, threads=2)
    blocks = iter(TWO_BLOCKS)
    plan = BatchPlan(blocks, parallel=True)
    small_blocks.setattr(engine, "plan_batch", lambda *_, **__: plan)
    small_blocks.setattr(ThreadTeam, "run", run)
    with pytest.raises(KeyboardInterrupt, match="twice"):
        predictor.probability(np.ones((64, 2)))
    assert list(blocks) == []


def test_whatever_stops_one_thread_stops_the_call(small_blocks):
    def stop(*_):
        raise KeyboardInterrupt("now")

    predictor = Predictor(TINY, threads=2)
    with small_blocks.context() as patched:
        patched.setattr(BlockScorer, "score", stop)
        with pytest.raises(KeyboardInterrupt, match="now"):
            predictor.probability(np.ones((2000, 2)))
    assert len(predictor.probability(np.ones((2000, 2)))) == 2000
