import pickle

import pytest

import serve_runtime
from light.helpers import TINY, run_python
from serve_runtime import (
    InputError,
    LevelError,
    LogitOverflowError,
    NonFiniteError,
    RowError,
    ServeError,
)

ALL = [
    "ArtifactError",
    "CardError",
    "ClosedError",
    "Contributions",
    "GoldenRow",
    "InputError",
    "LevelError",
    "LogitOverflowError",
    "MissingDependencyError",
    "ModelCard",
    "NonFiniteError",
    "OutputError",
    "Predictor",
    "ProviderError",
    "RowError",
    "RuntimeVersionError",
    "SelfTest",
    "SelfTestError",
    "ServeError",
    "score_batches",
    "score_file",
]
HEAVY = ["torch", "onnx", "onnxruntime", "numpy", "click", "pandas", "polars", "pyarrow", "sklearn"]
PREDICT = (
    "import sys; from serve_runtime import Predictor; p = Predictor(sys.argv[1])\n"
    "p.predict([[1, 2]]); p.predict_proba({'x1': [1], 'x2': [2]}); p.selftest()\n"
)
LOADED = f"print(sorted({{name.split('.')[0] for name in sys.modules}} & set({HEAVY})))\n"
# Shows the variable at the moment of the import, and goes no further.
HOOK = """
import os, sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            sys.exit("found " + os.environ["ORT_DISABLE_TELEMETRY"])
sys.meta_path.insert(0, Hook())
import serve_runtime
assert os.environ.get("ORT_DISABLE_TELEMETRY") == {before!r}
serve_runtime.Predictor
"""


def test_the_public_names_are_these():
    assert serve_runtime.__all__ == ALL == sorted(ALL)
    assert dir(serve_runtime) == ALL


@pytest.mark.parametrize("name", ALL)
def test_every_public_name_is_there_under_its_name(name):
    if name.startswith("score_"):
        pytest.importorskip("pyarrow")
    found = getattr(serve_runtime, name)
    assert found.__name__ == name
    assert found.__doc__
    assert found.__module__.startswith("serve_runtime.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'serve_runtime' has no attribute 'Nope'"):
        serve_runtime.Nope  # noqa: B018


@pytest.mark.parametrize(
    ("name", "caught_as"),
    [
        ("ArtifactError", ValueError),
        ("CardError", ValueError),
        ("ClosedError", ValueError),
        ("InputError", ValueError),
        ("MissingDependencyError", ImportError),
        ("OutputError", OSError),
        ("ProviderError", RuntimeError),
        ("RuntimeVersionError", RuntimeError),
        ("SelfTestError", RuntimeError),
    ],
)
def test_errors_are_ours_and_what_callers_already_catch(name, caught_as):
    error = getattr(serve_runtime, name)("the reason")
    assert isinstance(error, ServeError)
    assert isinstance(error, caught_as)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), "the reason")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RowError(3, " is odd"), "row 3 is odd"),
        (NonFiniteError(3, "x1", float("inf")), "row 3, feature 'x1' is inf as float32; every"),
        (
            NonFiniteError(3, "x1", float("nan"), may_miss=True),
            "row 3, feature 'x1' is missing (NaN); the model was trained to refuse that: fill the "
            'value before scoring, or train with columns.missing = "median"',
        ),
        (
            NonFiniteError(3, "x1", float("inf"), may_miss=True),
            "row 3, feature 'x1' is inf as float32; every value must be finite: drop",
        ),
        (LevelError(3, "x1", "red"), "row 3, feature 'x1' has the level 'red', which training did"),
        (LevelError(3, "x1", None), "row 3, feature 'x1' is missing; the model was trained to"),
        (LogitOverflowError(3), "row 3 is so large that its weighted terms overflow float32"),
    ],
)
def test_errors_of_a_row_are_input_errors_with_its_number(error, message):
    assert isinstance(error, InputError)
    moved = error.at(7, "in.csv: data row 8")
    for found, row, text in (
        (error, 3, message),
        (moved, 7, message.replace("row 3", "in.csv: data row 8")),
    ):
        copy = pickle.loads(pickle.dumps(found))
        assert (type(copy), copy.row, str(copy)) == (type(error), row, str(found))
        assert str(found).startswith(text)


def test_every_public_error_stands_in_the_tree_of_errors():
    tree = serve_runtime.errors.__doc__.split()
    for name in ALL:
        assert not name.endswith("Error") or tree.count(name) == 1


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    result = run_python("-c", "import sys, serve_runtime\n" + LOADED, cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_predicting_loads_numpy_and_onnxruntime_only(tmp_path):
    result = run_python("-c", PREDICT + LOADED, TINY, cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("['numpy', 'onnxruntime']\n", "")


def test_loading_and_predicting_print_nothing(tmp_path):
    result = run_python("-W", "error", "-c", PREDICT, TINY, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_refused_model_prints_nothing(tmp_path):
    code = (
        "import sys; from serve_runtime import Predictor, ServeError\n"
        "try: Predictor(sys.argv[1])\n"
        "except ServeError: sys.exit(7)\n"
    )
    (tmp_path / "model.onnx").write_bytes((TINY / "model.onnx").read_bytes()[:-9])
    result = run_python("-c", code, tmp_path / "model.onnx", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (7, "", "")


@pytest.mark.parametrize(("host", "found"), [(None, "1"), ("0", "0"), ("1", "1")])
def test_telemetry_is_off_unless_the_host_decided(tmp_path, host, found):
    code = HOOK.format(before=host)
    result = run_python("-c", code, cwd=tmp_path, ORT_DISABLE_TELEMETRY=host)
    assert (result.returncode, result.stderr) == (1, f"found {found}\n")


def test_a_card_is_readable_without_numpy_and_onnxruntime(tmp_path, card):
    code = (
        "import sys; sys.modules.update(numpy=None, onnxruntime=None)\n"
        "from serve_runtime import ModelCard\n"
        "print(ModelCard.from_json(sys.argv[1]).classes)\n"
    )
    result = run_python("-c", code, card.to_json(), cwd=tmp_path)
    assert (result.stdout, result.stderr) == ("(0, 1)\n", "")


def test_files_without_pyarrow_name_the_extra(tmp_path):
    code = "import sys; sys.modules['pyarrow'] = None\nfrom serve_runtime import score_file"
    result = run_python("-c", code, cwd=tmp_path)
    assert "MissingDependencyError: files and Arrow batches need pyarrow" in result.stderr
