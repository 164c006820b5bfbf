"""Where onnxruntime is not installed, or damaged, the message says what to do."""

from light.helpers import TINY, run_python

PREDICT = (
    "import sys\n"
    "sys.path.insert(0, '.')\n"
    "{before}\n"
    "import serve_runtime\n"
    "try: serve_runtime.Predictor\n"
    "except serve_runtime.MissingDependencyError as reason: print(reason)\n"
)
REMEDY = (
    "pip install onnxruntime, or instead of it the build for your device, such as onnxruntime-gpu; "
    "never two builds, since they overwrite one another's files\n"
)


def test_without_onnxruntime_the_message_says_what_to_install(tmp_path):
    code = PREDICT.format(before="sys.modules['onnxruntime'] = None")
    result = run_python("-c", code, cwd=tmp_path)
    assert result.stderr == ""
    assert result.stdout == f"scoring needs onnxruntime, which is not installed: {REMEDY}"


def test_what_an_uninstalled_build_left_is_no_onnxruntime(tmp_path):
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text("")
    result = run_python("-c", PREDICT.format(before=""), cwd=tmp_path)
    assert result.stderr == ""
    assert result.stdout.startswith("onnxruntime is damaged, it has no InferenceSession: where ")
    assert result.stdout.endswith(f"Uninstall every build that `pip list` shows, then {REMEDY}")


def test_an_onnxruntime_that_lacks_something_else_says_so(tmp_path):
    (tmp_path / "onnxruntime.py").write_text("import coloredlogs_of_old")
    result = run_python("-c", PREDICT.format(before=""), cwd=tmp_path)
    assert "ModuleNotFoundError: No module named 'coloredlogs_of_old'" in result.stderr


def test_inspect_needs_no_onnxruntime(tmp_path):
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from serve_runtime.cli import main\n"
        "main(['inspect', sys.argv[1]])\n"
    )
    result = run_python("-c", code, TINY, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    line = f"this machine scoring needs onnxruntime, which is not installed: {REMEDY}"
    assert line in result.stdout
    assert "threshold    positive where probability >= 0.5" in result.stdout
