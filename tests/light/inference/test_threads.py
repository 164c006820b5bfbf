"""A predictor of several threads, and one that several threads share."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from light.helpers import NAMES, TINY, assert_same_bits
from light.wide import write_bundle
from serve_runtime import Predictor
from serve_runtime import predictor as predictor_module
from serve_runtime.errors import ClosedError, NonFiniteError
from serve_runtime.inference import engine
from serve_runtime.inference.block_scorer import BlockScorer
from serve_runtime.inputs.batch_limits import LIMITS

METHODS = ["probability", "decision_function", "predict_proba", "predict", "scores"]


@pytest.fixture
def small_blocks(cut_blocks):
    cut_blocks(rows=32, values=64)


def rows(count):
    return np.random.default_rng(count).normal(0, 3, (count, 2)).astype(np.float32)


def as_columns(x):
    return dict(zip(NAMES, x.T, strict=True))


LAID = [lambda x: x, lambda x: x.astype(np.float64), np.asfortranarray, as_columns]


def ours():
    return {t for t in threading.enumerate() if t.name.startswith("serve-runtime")}


@pytest.fixture
def no_threads():
    """Threads of predictors that were let go before have ended."""
    gc.collect()
    for thread in ours():
        thread.join(0.5)


def threads_used(predictor, x, monkeypatch):
    """Names of the threads that score blocks of `x`; each waits until all of them have begun."""
    seen, met = set(), threading.Barrier(predictor._model.engine._threads)
    inner = BlockScorer.score

    def score(self, *arguments):
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            met.wait(30)
        inner(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(BlockScorer, "score", score)
        predictor.probability(x)
    return seen


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("laid", LAID)
@pytest.mark.usefixtures("small_blocks")
def test_as_many_threads_work_as_were_asked_for(threads, laid, monkeypatch):
    x = laid(rows(502))  # no multiple of 4, which one thread would score in one run
    used = threads_used(Predictor(TINY, threads=threads), x, monkeypatch)
    assert len(used) == threads
    assert threading.get_ident() in used


def test_a_batch_of_one_block_is_cut_for_many_threads(tmp_path, monkeypatch):
    _, folder = write_bundle(tmp_path / "wide", np.ones(64))
    x = np.ones((9001, 64), np.float32)
    assert len(x) < LIMITS.block_rows
    assert len(threads_used(Predictor(folder, threads=3), x, monkeypatch)) == 3


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.usefixtures("small_blocks")
def test_auto_is_as_many_threads_as_are_available(cores, monkeypatch):
    monkeypatch.setattr(predictor_module, "available_cpus", lambda: cores)
    predictor = Predictor(TINY, threads="auto")
    assert len(threads_used(predictor, rows(500).astype(float), monkeypatch)) == cores


@pytest.mark.usefixtures("no_threads")
def test_threads_are_started_by_the_first_large_batch_only():
    before = ours()
    single, double = Predictor(TINY), Predictor(TINY, threads=2)
    for x in (rows(1), rows(1000), rows(200_000)):
        single.predict_proba(x)
    for x in (rows(1), rows(1000), rows(200_000)):
        double.predict_proba(x)
        assert ours() == before
    double.predict_proba(rows(300_000))
    assert len(ours() - before) == 1


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.usefixtures("no_threads")
def test_a_dropped_predictor_leaves_no_threads_or_sessions(closed):
    before = ours()
    predictor = Predictor(TINY, threads=3)
    predictor.predict_proba(rows(300_000))
    helpers = ours() - before
    assert helpers  # one or two: the first may have been idle again
    held = weakref.ref(predictor._model.engine)
    session = weakref.ref(next(iter(predictor._model.engine._sessions.values())))
    if closed:
        predictor.close()
    else:
        del predictor
    for _ in range(3000):  # a helper that came late has yet to see that there is no work left
        gc.collect()
        if held() is None:
            break
        time.sleep(0.01)
    assert (held(), session()) == (None, None)
    for thread in helpers:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("small_blocks")
def test_threads_that_share_a_predictor_get_their_own_answers(threads):
    """Small, middle and large batches, good and bad ones, all methods and layouts, at once."""
    predictor, alone = Predictor(TINY, threads=threads), Predictor(TINY)
    work = []
    for i in range(160):
        x = rows(1 + (i * 37) % 300)
        if bad := i % 9 == 4:
            x[len(x) // 2, 1] = np.nan
        work.append((LAID[i % 4](x), METHODS[i % 5], len(x) // 2 if bad else None))

    def answer(of, x, method):
        try:
            return getattr(of, method)(x)
        except NonFiniteError as reason:
            return reason.row

    expected = [answer(alone, x, method) for x, method, _ in work]
    assert [e for e in expected if isinstance(e, int)] == [b for *_, b in work if b is not None]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = pool.map(lambda job: answer(predictor, *job[:2]), work)
            for got, want in zip(found, expected, strict=True):
                np.testing.assert_array_equal(got, want)


def test_what_many_threads_at_once_needed_is_not_all_kept(monkeypatch):
    """Each of 40 scores with buffers of its own."""
    predictor, met, inner = Predictor(TINY), threading.Barrier(40), BlockScorer.score_array
    expected = predictor.predict_proba(rows(7))

    def array(self, *arguments):
        met.wait(20)
        return inner(self, *arguments)

    monkeypatch.setattr(BlockScorer, "score_array", array)
    with ThreadPoolExecutor(40) as pool:
        for got in pool.map(predictor.predict_proba, [rows(7)] * 40):
            assert_same_bits(got, expected)
    assert len(predictor._model.engine._pool) == engine._POOLED_SCORERS


@pytest.mark.parametrize("laid", LAID)
@pytest.mark.usefixtures("small_blocks")
def test_a_call_in_flight_survives_a_close(laid, monkeypatch):
    predictor = Predictor(TINY, threads=2)
    x = laid(rows(502))
    expected = Predictor(TINY).predict_proba(x)
    inner = BlockScorer.score

    def score(self, *arguments):
        predictor.close()
        inner(self, *arguments)

    monkeypatch.setattr(BlockScorer, "score", score)
    assert_same_bits(predictor.predict_proba(x), expected)
    with pytest.raises(ClosedError, match="this Predictor is closed"):
        predictor.predict_proba(x)
