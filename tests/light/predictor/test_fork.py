"""A predictor works on both sides of a fork, and both sides end as any process does."""

import multiprocessing
import os
import sys

import numpy as np
import pytest

from light.helpers import TINY, assert_same_bits, run_python
from light.mixed import file_of
from light.predictor.test_selftest_encoded import golden_of
from serve_runtime import Predictor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PLAIN = """
import gc, os, sys, threading
import numpy as np
from serve_runtime import Predictor

def rows(count):
    return np.random.default_rng(count).normal(0, 3, (count, 2)).astype(np.float32)

BATCHES = [rows(1), rows(50), rows(999), rows(300_000), np.asfortranarray(rows(300_000)),
           rows(300_001).astype(float), {"x1": [1], "x2": [2.5]}]
"""
"""Rows of plain numbers, for a Predictor of the bundle in sys.argv[1]."""

RAW = """
import gc, os, sys, threading
import numpy as np
from serve_runtime import Predictor

def rows(count):
    rng = np.random.default_rng(count)
    return {
        "age": np.where(rng.random(count) < 0.1, np.nan, rng.integers(0, 99, count)),
        "colour": rng.choice(["rot", "blau", "", "teal", "new"], count).astype(object),
        "visits": rng.integers(0, 9, count),
        "born": 1.7e9 + rng.integers(0, 90_000, count),
        "code": rng.choice(["-1", "3", "True", "9"], count),
        "room": rng.choice(np.array(["bath", None, "attic"]), count),
    }

one = {name: values[0] for name, values in rows(1).items()}
BATCHES = [rows(1), rows(50), rows(999), rows(100_000), one, [one] * 5,
           [list(one.values())] * 70]
"""
"""Raw rows of light.mixed."""

SCORES = """
def scores(predictor):
    return [predictor.predict_proba(x).tobytes() for x in BATCHES]

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

predictor = Predictor(sys.argv[1], threads=2)
expected = scores(predictor)
"""

IN_FRESH_PROCESSES = {
    "a child scores the same and so does its parent afterwards": """
child = os.fork()
same = scores(predictor) == expected
if not child:
    sys.exit(0 if same else 7)
assert same and ended(child) == 0 and scores(predictor) == expected
""",
    "a chain of forks": """
child, depth = os.fork(), 1
while not child and depth < 4:
    assert scores(predictor) == expected
    child, depth = os.fork(), depth + 1
if not child:
    sys.exit(0 if scores(predictor) == expected else 7)
assert ended(child) == 0
assert scores(predictor) == expected
""",
    "a fork of a parent that has not scored a large batch": """
predictor = Predictor(sys.argv[1], threads=2)
predictor.probability(rows(1))
child = os.fork()
if not child:
    sys.exit(0 if scores(predictor) == expected else 7)
assert ended(child) == 0
""",
    "a child has helpers of its own": """
child = os.fork()
if not child:
    assert threading.active_count() == 1
    assert scores(predictor) == expected
    assert threading.active_count() == 2
    sys.exit(0)
assert ended(child) == 0
""",
    "a fork while another thread holds the engine's lock": """
held, done = threading.Event(), threading.Event()
def hold():
    with predictor._model.engine._lock:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start(); held.wait()
child = os.fork()
if not child:
    os._exit(0 if scores(predictor) == expected else 7)
assert ended(child) == 0
done.set(); thread.join()
""",
    "a child that never scores": """
child = os.fork()
if not child:
    sys.exit(0)
assert ended(child) == 0
""",
    "a child that lets the predictor go, before and after it scores": """
for score_first in (False, True):
    child = os.fork()
    if not child:
        assert not score_first or scores(predictor) == expected
        predictor.close()
        del predictor
        gc.collect()
        sys.exit(0)
    assert ended(child) == 0
assert scores(predictor) == expected
""",
    "a predictor that was let go and is not collected yet": """
gc.disable()
del predictor
child = os.fork()
if not child:
    gc.collect()
    assert scores(Predictor(sys.argv[1], threads=2)) == expected
    sys.exit(0)
assert ended(child) == 0
""",
    "a child that reloads and pickles": """
import pickle
child = os.fork()
if not child:
    assert predictor.reload() is False
    assert scores(pickle.loads(pickle.dumps(predictor))) == expected
    predictor.selftest()
    sys.exit(0)
assert ended(child) == 0
""",
    "forks while other threads score, reload and open": """
stop = threading.Event()

def busy(call):
    while not stop.is_set():
        call()

calls = [lambda: scores(predictor), lambda: predictor.probability(rows(3)), predictor.reload,
         lambda: Predictor(sys.argv[1]).probability(rows(1))]
threads = [threading.Thread(target=busy, args=(call,)) for call in calls]
for thread in threads: thread.start()
children = []
for _ in range(8):
    child = os.fork()
    if not child:
        os._exit(0 if scores(predictor) == expected and not predictor.reload() else 7)
    children.append(child)
codes = [ended(child) for child in children]
stop.set()
for thread in threads: thread.join()
assert codes == [0] * 8, codes
assert scores(predictor) == expected
""",
    "a child forked by a thread": """
codes = []
def fork():
    child = os.fork()
    if not child:
        os._exit(0 if scores(predictor) == expected else 7)
    codes.append(ended(child))
thread = threading.Thread(target=fork)
thread.start(); thread.join()
assert codes == [0]
""",
}


@pytest.mark.parametrize("name", IN_FRESH_PROCESSES)
def test_forks_in_a_fresh_process(tmp_path, name):
    code = PLAIN + SCORES + IN_FRESH_PROCESSES[name]
    result = run_python("-c", code, TINY, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "name",
    [
        "a child scores the same and so does its parent afterwards",
        "a child has helpers of its own",
        "a child that reloads and pickles",
        "forks while other threads score, reload and open",
    ],
)
def test_forks_with_a_model_that_encodes_its_columns(tmp_path, name):
    (tmp_path / "model.onnx").write_bytes(file_of(golden=golden_of()))
    code = RAW + SCORES + IN_FRESH_PROCESSES[name]
    result = run_python("-c", code, tmp_path / "model.onnx", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def rows(count):
    return np.random.default_rng(count).normal(0, 3, (count, 2)).astype(np.float32)


inherited = None


def score_inherited(count):
    return inherited.predict_proba(rows(count))


def score_passed(predictor, count):
    return predictor.predict_proba(rows(count))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_forked_workers_score_with_the_parents_predictor(monkeypatch):
    predictor = Predictor(TINY, threads=2)
    counts = [1, 5, 300, 1001, 270_000]
    expected = [predictor.predict_proba(rows(count)) for count in counts]
    monkeypatch.setattr(sys.modules[__name__], "inherited", predictor)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for got, want in zip(pool.map(score_inherited, counts), expected, strict=True):
            assert_same_bits(got, want)
    assert_same_bits(predictor.predict_proba(rows(270_000)), expected[-1])


def test_a_spawned_worker_scores_with_a_pickled_predictor():
    predictor = Predictor(TINY, threads=2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for count in (1, 270_000):
            got = pool.apply(score_passed, (predictor, count))
            assert_same_bits(got, predictor.predict_proba(rows(count)))
