"""What a call allocates beside its result: blocks, never the whole matrix; and it lets go of them.

numpy and Python report to tracemalloc, Arrow counts for itself. onnxruntime's own memory shows in
the resident pages alone.
"""

import sys
import tracemalloc

import numpy as np
import pytest

from light.helpers import NAMES, TINY, not_under_emulation, run_python
from serve_runtime import Predictor

ROWS = 1_000_000
MIB = 1 << 20
ALLOWED = 12 * MIB
"""A block of 4 MiB to copy into, beside the scores of a block and what numpy passes on."""


def peak(call, *arguments, **options):
    """Bytes that a call had at most, and the result that it left."""
    tracemalloc.start()
    try:
        result = call(*arguments, **options)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def frame_of(dtypes):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({n: np.ones(ROWS, kind) for n, kind in zip(NAMES, dtypes, strict=True)})


BATCHES = {
    "float32": lambda: np.ones((ROWS, 2), np.float32),
    "float32, no multiple of 4": lambda: np.ones((ROWS - 1, 2), np.float32),
    "float64": lambda: np.ones((ROWS, 2)),
    "int64": lambda: np.ones((ROWS, 2), np.int64),
    "bool": lambda: np.ones((ROWS, 2), bool),
    "byte-swapped": lambda: np.ones((ROWS, 2), ">f4"),
    "every other row": lambda: np.ones((2 * ROWS, 2), np.float32)[::2],
    "broadcast": lambda: np.broadcast_to(np.float32(1), (ROWS, 2)),
    "Fortran order": lambda: np.ones((ROWS, 2), np.float32, "F"),
    "Fortran order, float64": lambda: np.ones((ROWS, 2), order="F"),
    "dict of many dtypes": lambda: {"x1": np.ones(ROWS), "x2": np.ones(ROWS, np.int16)},
    "structured": lambda: np.ones(ROWS, [("x2", "f4"), ("x1", "f8")]),
    "pandas, one dtype": lambda: frame_of(["f8", "f8"]),
    "pandas, two dtypes": lambda: frame_of(["f8", "i8"]),
    "polars": lambda: pytest.importorskip("polars").DataFrame(
        {"x1": np.ones(ROWS), "x2": np.ones(ROWS, np.float32)}
    ),
    "Arrow": lambda: pytest.importorskip("pyarrow").table(
        {"x1": np.ones(ROWS), "x2": np.ones(ROWS, np.float32)}
    ),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", BATCHES)
def test_a_large_batch_takes_little_beyond_its_result(name, threads):
    predictor, x = Predictor(TINY, threads=threads), BATCHES[name]()
    used, result = peak(predictor.probability, x)
    assert used <= result.nbytes + threads * ALLOWED
    used, result = peak(predictor.predict_proba, x)
    assert used <= result.nbytes + threads * ALLOWED


@pytest.mark.parametrize("name", ["float32", "float64", "Fortran order", "dict of many dtypes"])
def test_with_out_there_is_no_other_result(predictor, name):
    x, out = BATCHES[name](), np.empty((ROWS, 2), np.float32)
    used, result = peak(predictor.predict_proba, x, out=out)
    assert result is out
    assert used <= ALLOWED < out.nbytes * 2


def test_float32_rows_are_read_where_they_lie(predictor):
    x = np.ones((ROWS, 2), np.float32)
    out = np.empty(ROWS, np.float32)
    predictor.probability(x[:8])
    used, _ = peak(predictor.probability, x, out=out)
    assert used <= MIB


@pytest.mark.parametrize("chunk", [1000, 100_000])
def test_arrow_chunks_are_joined_a_few_at_a_time(predictor, chunk):
    pa = pytest.importorskip("pyarrow")
    part = pa.table({"x1": np.ones(chunk), "x2": np.ones(chunk)})
    table = pa.concat_tables([part] * (4 * ROWS // chunk))
    before = pa.total_allocated_bytes()
    peaks = []
    inner = type(predictor._model.engine).score

    def score(self, *arguments):
        peaks.append(pa.total_allocated_bytes() - before)
        inner(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(predictor._model.engine), "score", score)
        used, result = peak(predictor.probability, table)
    assert len(peaks) > 1
    assert max(peaks) <= ALLOWED
    assert used <= result.nbytes + ALLOWED


SOAK = """
import os, sys, threading
import numpy as np
from serve_runtime import Predictor

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

predictor, random = Predictor(sys.argv[1]), np.random.default_rng(1)
laid = [
    lambda x: x,
    lambda x: x.astype(np.float64),
    np.asfortranarray,
    lambda x: np.repeat(x, 2, axis=0)[::2],
    lambda x: {"x1": x[:, 0], "x2": x[:, 1].astype(int)},
    lambda x: x.tolist(),
]
calls = [getattr(predictor, name) for name in (
    "probability", "decision_function", "predict_proba", "predict", "scores")]

def work(count):
    for i in range(count):
        x = random.integers(-9, 9, (int(random.integers(0, 301)), 2)).astype(np.float32)
        if i % 50 == 7 and len(x):
            x[-1, 1] = np.nan
        try:
            calls[i % 5](laid[i % 6](x))
        except ValueError:
            pass

def die_and_be_born(count):
    for _ in range(count):
        threads = [threading.Thread(target=work, args=(3,)) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

{0}
early = resident()
{1}
print(resident() - early)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("work(5000)", "work(15_000)"),
        pytest.param(
            *("die_and_be_born(100)", "die_and_be_born(400)"),
            marks=not_under_emulation("QEMU itself keeps memory of each thread"),
        ),
    ],
)
def test_memory_does_not_grow_over_many_calls_of_changing_sizes(tmp_path, before, after):
    code = SOAK.replace("{0}", before).replace("{1}", after)
    result = run_python("-c", code, TINY, cwd=tmp_path)
    assert result.stderr == ""
    assert int(result.stdout) < 2 * MIB
