"""What a fresh process that embeds the predictor has loaded, written, and started."""

import sys

import pytest

from light.helpers import TINY, run_python
from light.mixed import file_of
from light.predictor.test_selftest_encoded import golden_of
from serve_runtime import __all__ as public

CALLS = (
    *("probability", "decision_function", "predict_proba", "predict", "scores", "contributions"),
)
PREDICT = """
from serve_runtime import Predictor
predictor = Predictor(sys.argv[1])
predictor.probability(numpy.zeros((1, 2), numpy.float32))
"""
EVERY_CALL = (
    f"CALLS = {CALLS}"
    """
predictor.selftest()
for x in (
    [[1, 2]], ((1, 2), (3, 4)), [{"x1": 1, "x2": 2}], {"x1": [1.0], "x2": [2]},
    numpy.ones((9, 2)), numpy.ones((70, 2), "i4"), numpy.ones((2, 70), "f4").T,
):
    for call in CALLS:
        getattr(predictor, call)(x)
try: predictor.predict([[1, float("nan")]])
except ValueError: pass
else: sys.exit("NaN was scored")
"""
)

# What costs milliseconds or megabytes, and what numpy and onnxruntime may load by themselves
# (older ones do), but not for us: hashlib loads OpenSSL.
NOT_NEEDED = {
    *("_hashlib", "asyncio", "concurrent.futures", "csv", "ctypes", "decimal", "hashlib"),
    *("importlib.metadata", "logging", "multiprocessing", "pickle", "queue", "random", "shutil"),
    *("socket", "ssl", "subprocess", "tempfile", "unittest", "uuid"),
    *("numpy.ctypeslib", "numpy.f2py", "numpy.fft", "numpy.ma", "numpy.polynomial"),
    *("numpy.random", "numpy.testing"),
    *("click", "onnx", "pandas", "polars", "pyarrow", "pytest", "sklearn", "torch"),
    *("export", "train"),
}


PREDICT_RAW = """
from serve_runtime import Predictor
predictor = Predictor(sys.argv[1])
row = {"age": 1.5, "colour": "rot", "visits": 3, "born": 1.7e9, "code": 3, "room": None}
predictor.probability([row])
"""
EVERY_RAW_CALL = (
    f"CALLS = {CALLS}"
    """
predictor.selftest()
values = list(row.values())
for x in (
    row, [row] * 9, [{**row, "age": None, "code": 2.5}], [values], {n: [v] for n, v in row.items()},
    numpy.array([values], object), {n: numpy.array([v] * 300) for n, v in row.items()},
):
    for call in CALLS:
        getattr(predictor, call)(x)
for bad in ({"code": None}, {"room": 7}, {"age": "x"}, {"visits": None}):
    try: predictor.predict([{**row, **bad}])
    except ValueError: pass
    else: sys.exit(f"{bad} was scored")
"""
)


def loaded(code, cwd, model=TINY):
    """Modules that `code` adds to those of an interpreter with numpy and onnxruntime."""
    lines = (
        "import os, sys; os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')",
        "import numpy, onnxruntime; before = set(sys.modules)",
        code,
        "print(*sorted(set(sys.modules) - before))",
    )
    result = run_python("-c", "\n".join(lines), model, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split()


def test_importing_the_package_loads_nothing_but_itself(tmp_path):
    code = (
        "import sys; before = set(sys.modules)\n"
        "import serve_runtime; dir(serve_runtime)\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("serve_runtime\n", "")


@pytest.mark.parametrize("name", [n for n in public if n.endswith("Error") or n == "ModelCard"])
def test_errors_and_the_card_come_without_numpy_and_onnxruntime(tmp_path, name):
    code = f"import sys; sys.modules.update(numpy=None, onnxruntime=None)\nprint({name!r})\n"
    result = run_python("-c", code + f"from serve_runtime import {name}", cwd=tmp_path)
    assert (result.stdout, result.stderr) == (f"{name}\n", "")


def test_the_first_prediction_loads_nothing_else_heavy(tmp_path):
    found = loaded(PREDICT, tmp_path)
    assert "serve_runtime.predictor" in found
    assert NOT_NEEDED & set(found) == set()
    for package in ("serve_runtime.features.", "serve_runtime.bundle.graph."):
        others = {name.removeprefix(package) for name in found if name.startswith(package)}
        assert others <= {"column", "sigmoid", "spellings"}, "the rest is for models that encode"


def test_no_call_loads_what_the_first_did_not(tmp_path):
    """A module that is loaded late makes some call the one that takes milliseconds."""
    first = loaded(PREDICT, tmp_path)
    assert loaded(PREDICT + EVERY_CALL, tmp_path) == first


def test_raw_rows_load_nothing_late_either(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(file_of(golden=golden_of()))
    first = loaded(PREDICT_RAW, tmp_path, model)
    assert NOT_NEEDED & set(first) == set()
    assert loaded(PREDICT_RAW + EVERY_RAW_CALL, tmp_path, model) == first


@pytest.mark.parametrize("options", [(), ("-W", "error"), ("-X", "dev", "-W", "error"), ("-OO",)])
def test_every_call_writes_nothing(tmp_path, options):
    code = f"import sys, numpy\n{PREDICT}{EVERY_CALL}"
    result = run_python(*options, "-c", code, TINY, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_one_thread_runs_however_many_numpy_started(tmp_path):
    count = """
with open("/proc/self/status") as file:
    print(threading.active_count(), *[line for line in file if line.startswith("Threads:")], end="")
"""
    code = f"import sys, threading, numpy\n{count}{PREDICT}{EVERY_CALL}{count}"
    result = run_python("-c", code, TINY, cwd=tmp_path)
    assert result.stderr == ""
    before, after = result.stdout.splitlines()
    assert before == after
    assert before.startswith("1 Threads:")
