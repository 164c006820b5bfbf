"""How commands fail: exit codes, messages, and standard streams that break."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from light.commands.running import TABLE, invoke, run_command
from light.helpers import TINY, run_python


@pytest.mark.parametrize(
    "arguments", [["score", "none", "-", "-o", "-"], ["inspect", "none"], ["selftest", "none"]]
)
def test_a_missing_bundle_exits_with_1_and_says_so(tmp_path, monkeypatch, arguments):
    if arguments[0] == "score":
        pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert (result.exit_code, result.output) == (
        1,
        "Error: none does not exist: give a bundle folder or a model.onnx\n",
    )


def test_a_damaged_bundle_exits_with_1(bundle):
    (bundle / "model.onnx").write_bytes(b"")
    for arguments in (["inspect", bundle], ["selftest", bundle]):
        result = invoke(*arguments)
        assert result.exit_code == 1
        assert "is not the file that was exported" in result.output


def test_an_unwritable_output_exits_with_1(table, tmp_path):
    result = invoke("score", TINY, table, "-o", tmp_path / "none" / "out.csv")
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot write ")


def test_a_reader_that_leaves_early_ends_the_command_quietly(table, tmp_path):
    table.write_text("x1,x2\n" + "1,2\n" * 600_000)
    with subprocess.Popen(
        [sys.executable, "-m", "serve_runtime", "score", TINY, table, "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b'"probability","label"\n'
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_standard_output_exits_with_1_and_a_reason(table, tmp_path):
    result = run_command("score", TINY, table, "-o", "-", cwd=tmp_path, prefix="> /dev/full")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "No space left" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_standard_stream_exits_with_1_and_a_reason(table, tmp_path, closed):
    source = "-" if closed == "<&-" else table
    result = run_command("score", TINY, source, "-o", "-", cwd=tmp_path, prefix=closed)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="the size of files has no limit here")
def test_an_unbuffered_output_that_is_cut_short_is_an_error(table, tmp_path):
    """A write that takes a part of what it is given says so, and nobody may overlook it."""
    table.write_text("x1,x2\n" + "1,2\n" * 10_000)
    command = [sys.executable, "-u", "-m", "serve_runtime", "score", TINY, table, "-o", "-"]
    result = subprocess.run(
        ["sh", "-c", 'ulimit -f 61; exec "$@" > out.csv', "sh", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "File too large" in result.stderr


def test_score_without_pyarrow_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from serve_runtime.cli import main; main(['score', sys.argv[1], '-', '-o', '-'])"
    )
    result = run_python("-c", code, TINY, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: files and Arrow batches need pyarrow, the extra [files] of serve-runtime: "
        "pip install pyarrow\n"
    )


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x1\n1\n", [], r"the model needs 2 named features; missing: 'x2' (got: 'x1')"),
        ("x1,x2\n1,\n", [], "data row 1, feature 'x2' is missing (NaN)"),
        ("x1,x2\n1,b\n", [], "these columns are not: 'x2' ('b' is no number)"),
        ("1,2\n", ["--no-header"], "missing: 'x1', 'x2' (got: 'f0', 'f1')"),
        (TABLE, ["--keep", "label"], "cannot keep 'label'"),
        (TABLE, ["--keep", "nobody"], "missing: 'nobody'"),
        ("", [], "is empty"),
    ],
)
def test_bad_input_exits_with_1_a_reason_and_no_output(table, tmp_path, content, options, message):
    table.write_text(content)
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", *options)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]
