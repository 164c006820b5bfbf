import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from light.helpers import TINY, column, moved, run_python, write_model
from serve_runtime.cli import main

TABLE = "id,x1,x2\n007,1,2\n008,6,3\n"
COMMANDS = ["score", "inspect", "selftest"]


def invoke(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


def run_command(*arguments, cwd, prefix=""):
    """The command in a process of its own; `prefix` is what the shell does to its streams."""
    command = [sys.executable, "-m", "serve_runtime", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {prefix}', "sh", *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def table(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "in.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, flag):
    result = invoke(command, flag)
    assert result.exit_code == 0
    assert f"Usage: main {command} [OPTIONS] BUNDLE" in result.output
    assert f"serve-runtime {command} bundles/churn" in result.output


def test_the_help_lists_every_command():
    result = invoke("--help")
    assert result.exit_code == 0
    assert set(main.commands) == set(COMMANDS)
    assert all(f"  {command} " in result.output for command in COMMANDS)


def test_the_version_names_the_command():
    result = invoke("--version")
    assert (result.exit_code, result.output.split(",")[0]) == (0, "serve-runtime")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["score"],
        ["score", TINY, "in.csv"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--threads", "0"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--threads", "all"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--keep", '"a'],
        ["score", TINY, "in.csv", "-o", "out", "--parts", "xlsx"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--no-such-option"],
        ["inspect"],
        ["selftest", TINY, "more"],
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage: main" in result.output


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


def test_score_writes_a_file_and_tells_how_many_rows(table, tmp_path):
    path = tmp_path / "out.csv"
    result = invoke("score", TINY, table, "-o", path, "--keep", "id", "--threads", "2")
    assert (result.exit_code, result.output) == (0, f"2 rows scored into {path}\n")
    assert column("id", path) == ["007", "008"]
    assert column("label", path) == ["0", "1"]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--keep", "id,a"], ["id", "a"]),
        (["--keep", "id", "--keep", "a"], ["id", "a"]),
        (["--keep", '"weight, kg"'], ["weight, kg"]),
        (["--keep", 'a,"weight, kg"', "--keep", "id"], ["a", "weight, kg", "id"]),
        (["--keep", '"say ""hi"""'], ['say "hi"']),
        (["--keep", '5" pipe'], ['5" pipe']),
        (["--keep", ""], []),
    ],
)
def test_columns_to_keep_are_named_as_in_csv(table, tmp_path, options, kept):
    table.write_text(
        'id,a,"weight, kg","say ""hi""","5"" pipe",x1,x2\n1,2,3,4,5,1,2\n', encoding="utf-8"
    )
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", *options)
    assert result.exit_code == 0, result.output
    with (tmp_path / "out.csv").open(newline="") as file:
        assert next(csv.reader(file)) == [*kept, "probability", "label"]


def test_threads_may_be_auto(table, tmp_path):
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", "--threads", "auto")
    assert (result.exit_code, result.output) == (0, f"2 rows scored into {tmp_path}/out.csv\n")


def test_score_takes_a_glob_and_a_folder_and_resumes(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("a", "b"):
        Path("data", f"{name}.csv").write_text(TABLE)
    assert invoke("score", TINY, "data/*.csv", "-o", "out.parquet").output == (
        "4 rows scored into out.parquet\n"
    )
    Path("data/b.csv").write_text("x1,x2\n1,NA\n")
    result = invoke("score", TINY, "data", "-o", "out", "--parts", "parquet")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "out keeps the parts before it: go on with --resume"
    Path("data/b.csv").write_text(TABLE)
    command = ["score", TINY, "data", "-o", "out", "--parts", "parquet", "--resume"]
    assert invoke(*command).output == "2 rows scored into out\n"
    assert sorted(path.name for path in Path("out").glob("*.parquet")) == ["a.parquet", "b.parquet"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_a_terminal_shows_progress_and_is_left_clean(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.csv").write_text("x1,x2\n" + "1,2\n" * 600_000)
    controller, terminal = os.openpty()
    # A line after every batch: how many there are does not depend on the machine's speed.
    program = "from serve_runtime import cli; cli._LINE_SECONDS = 0; cli.main()"
    command = [sys.executable, "-c", program, "score", TINY, "data", "-o", "out.csv"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while more := os.read(controller, 1 << 16):
                shown += more
    os.close(controller)
    assert process.returncode == 0
    assert re.search(rb"\r\x1b\[K[\d,]+ rows, [01] of 2 files, [\d,]+ rows/s", shown)
    assert shown.endswith(b"\r\x1b[K1200000 rows scored into out.csv\r\n")


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "-"])
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 1, b"\nAborted!\n"), (signal.SIGTERM, 128 + signal.SIGTERM, b"")],
)
def test_a_signal_ends_a_wait_for_input_and_leaves_nothing(tmp_path, output, number, code, told):
    pytest.importorskip("pyarrow")
    command = [sys.executable, "-m", "serve_runtime", "score", TINY, "-", "-o", output]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"x1,x2\n" + b"1,2\n" * 300_000)  # more than is read at once
        process.stdin.flush()  # the pipe is empty again but for its buffer: reading has begun
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stderr.read() == told
        process.stdin.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_an_interrupt_ends_a_wait_for_whoever_reads_the_output(table):
    table.write_text("x1,x2\n" + "1,2\n" * 600_000)
    command = [sys.executable, "-m", "serve_runtime", "score", TINY, table, "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'"probability","label"\n'
        process.send_signal(signal.SIGINT)  # nobody reads on, and the pipe is full
        assert process.wait(30) == 1
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.skipif(os.name != "posix", reason="the size of files has no limit here")
def test_an_output_that_was_cut_short_is_an_error_without_buffering_too(table, tmp_path):
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


def test_score_reads_a_pipe_and_writes_only_scores_to_standard_output(table, tmp_path):
    result = run_command("score", TINY, "-", "-o", "-", cwd=tmp_path, prefix=f"< {table}")
    lines = result.stdout.splitlines()
    assert (result.returncode, lines[0], len(lines)) == (0, '"probability","label"', 3)
    assert result.stderr == "2 rows scored into -\n"


def test_score_through_click_takes_standard_streams(table):
    result = invoke("score", TINY, "-", "-o", "-", input=TABLE)
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == '"probability","label"'


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x1\n1\n", [], r"the model needs 2 named features; missing: x2 (got: x1)"),
        ("x1,x2\n1,\n", [], "data row 1, feature 'x2' is missing (NaN)"),
        ("x1,x2\n1,b\n", [], "these columns are not: x2 ('b' is no number)"),
        ("1,2\n", ["--no-header"], "missing: x1, x2 (got: f0, f1)"),
        (TABLE, ["--keep", "label"], "cannot keep label"),
        (TABLE, ["--keep", "nobody"], "missing: nobody"),
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


def test_inspect_tells_what_the_card_says(card):
    result = invoke("inspect", TINY)
    assert result.exit_code == 0
    shown = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert shown["model"] == f"{TINY} (model.onnx: rows, model.columnar.onnx: columns)"
    assert shown["labels"] == "0 (negative), 1 (positive)"
    assert shown["threshold"] == "positive where probability >= 0.5"
    assert shown["rows"] == "6"
    assert shown["data_sha256"] == card.training["data_sha256"]
    assert "accuracy 1" in shown["training"].split(", ")
    assert shown["golden"] == f"rows  {len(card.golden)}"
    assert shown["features"] == "2"
    assert (shown["x1"], shown["x2"]) == ("[1, 6]", "[1, 3]")


def test_inspect_prints_the_card_itself(card):
    result = invoke("inspect", TINY / "model.onnx", "--json")
    assert (result.exit_code, result.output) == (0, card.to_json() + "\n")


def test_inspect_shows_a_card_without_training_facts(card, tmp_path):
    path = write_model(tmp_path / "model.onnx", replace(card, training={}))
    result = invoke("inspect", path)
    assert result.exit_code == 0
    assert f"model        {path} (model.onnx: rows)\n" in result.output


def test_selftest_tells_the_share_of_the_budget(card):
    result = invoke("selftest", TINY)
    assert result.exit_code == 0
    assert result.output.startswith(f"{len(card.golden)} golden rows within budget: ")


def test_selftest_tells_whether_bits_differ_from_the_exports(card, tmp_path):
    golden = list(card.golden)
    logit = np.nextafter(np.float32(golden[1].logit), np.float32(np.inf))
    golden[1] = replace(golden[1], logit=float(logit))
    path = write_model(tmp_path / "model.onnx", replace(card, golden=tuple(golden)))
    assert "some bits differ from the export's" in invoke("selftest", path).output
    same = invoke("selftest", TINY / "model.columnar.onnx").output
    assert same.endswith("; every bit is that of the export\n")


def test_a_failed_selftest_exits_with_1(card, tmp_path):
    wrong = moved(card.golden[0], 1)
    path = write_model(tmp_path / "model.onnx", replace(card, golden=(wrong,)))
    result = invoke("selftest", path)
    assert result.exit_code == 1
    assert result.output.startswith("Error: golden row 0, rows layout: ")


def test_a_damaged_bundle_exits_with_1(bundle):
    (bundle / "model.onnx").write_bytes(b"")
    for arguments in (["inspect", bundle], ["selftest", bundle]):
        result = invoke(*arguments)
        assert result.exit_code == 1
        assert "is not the file that was exported" in result.output


def test_the_module_is_the_command(tmp_path):
    result = run_command("--help", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: serve-runtime [OPTIONS] COMMAND")
