import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from light.commands.running import TABLE, invoke, run_command
from light.helpers import TINY, column, write_model
from light.mixed import file_of
from light.predictor.test_selftest_encoded import golden_of

# What is told of TABLE.
REST = "1 (50.0%) labelled 1\nall rows lie within the training ranges\n"


def test_score_writes_a_file_and_tells_how_many_rows(table, tmp_path):
    path = tmp_path / "out.csv"
    result = invoke("score", TINY, table, "-o", path, "--keep", "id", "--threads", "2")
    assert (result.exit_code, result.output) == (0, f"2 rows scored into {path}: {REST}")
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
    assert (result.exit_code, result.output) == (
        0,
        f"2 rows scored into {tmp_path}/out.csv: {REST}",
    )


def test_score_takes_a_glob_and_a_folder_and_resumes(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("a", "b"):
        Path("data", f"{name}.csv").write_text(TABLE)
    assert invoke("score", TINY, "data/*.csv", "-o", "out.parquet").output == (
        "4 rows scored into out.parquet: 2 (50.0%) labelled 1\n"
        "all rows lie within the training ranges\n"
    )
    Path("data/b.csv").write_text("x1,x2\n1,NA\n")
    result = invoke("score", TINY, "data", "-o", "out", "--parts", "parquet")
    assert result.exit_code == 1
    assert (
        result.output.splitlines()[-1]
        == "out keeps the files that are finished: go on with --resume"
    )
    Path("data/b.csv").write_text(TABLE)
    command = ["score", TINY, "data", "-o", "out", "--parts", "parquet", "--resume"]
    assert invoke(*command).output == f"2 rows scored into out: {REST}"
    assert invoke(*command).output == "0 rows scored into out\n"
    assert sorted(path.name for path in Path("out").glob("*.parquet")) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(
    ("rows", "report"),
    [
        ("", ""),
        ("1,2\n", "1 row: 0 (0.0%) labelled 1|all rows lie within the training ranges|"),
        (
            "1,2\n" * 999 + "6,3\n" * 201 + "6,3.5\n",
            "1,201 rows: 202 (16.8%) labelled 1|1 row lies outside the training ranges; first: "
            "in.csv: data row 1201, feature 'x2' is 3.5 (trained on 1.0 to 3.0)|",
        ),
        (
            "1,2\n-1e4,0.1\n7,0\n",
            "3 rows: 1 (33.3%) labelled 1|2 rows lie outside the training ranges; first: "
            "in.csv: data row 2, feature 'x1' is -10000.0 (trained on 1.0 to 6.0)|",
        ),
    ],
)
@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out/"])
def test_score_tells_labels_and_values_unlike_training(table, monkeypatch, rows, report, output):
    monkeypatch.chdir(table.parent)
    table.write_text("x1,x2\n" + rows)
    result = invoke("score", TINY, "in.csv", "-o", output)
    expected = report.replace(":", f" scored into {output}:", 1).replace("|", "\n")
    assert result.output == (expected or f"0 rows scored into {output}\n")


def test_score_names_the_positive_label_as_text(card, table):
    path = write_model(table.parent / "model.onnx", replace(card, classes=("no", "yes")))
    result = invoke("score", path, table, "-o", table.parent / "out.csv")
    assert ": 1 (50.0%) labelled 'yes'\n" in result.output


RAW_HEADER = "age,colour,visits,born,code,room\n"
RAW_REPORTS = {
    "39.5,rot,2,1700000500,3,bath\n": "all rows lie within the training ranges|",
    "39.5,rot,2,1700000500,3,bath\n,?,2,1700000500,3,\n": (
        "values that are missing: 3; levels that training did not see: 0|"
        "all rows lie within the training ranges|"
    ),
    "39.5,Rot,2,1700000500,3.0,bath \n" * 2: (
        "values that are missing: 0; levels that training did not see: 6 "
        "(in 'colour', 'code', 'room')|"
        "all rows lie within the training ranges|"
    ),
    "39.5,rot,2,1699999999,3,bath\n" + ",teal,2,,4,hall\n" * 1200: (
        "values that are missing: 2,400; levels that training did not see: 1,200 "
        "(in 'code')|"
        "1 row lies outside the training ranges; first: in.csv: data row 1, feature 'born' is "
        "1699999999.0 (trained on 1700000000.0 to 1700090000.0)|"
    ),
}


@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out/"])
@pytest.mark.parametrize("rows", RAW_REPORTS)
def test_score_tells_gaps_and_levels_unlike_training(tmp_path, monkeypatch, rows, output):
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(file_of(golden=golden_of()))
    Path("in.csv").write_text(RAW_HEADER + rows)
    result = invoke("score", "model.onnx", "in.csv", "-o", output, "--separator", ",")
    assert result.exit_code == 0, result.output
    first, told = result.output.split("\n", 1)
    count = rows.count("\n")
    assert first.startswith(f"{count:,} row{'s' * (count > 1)} scored into {output}: ")
    assert told == RAW_REPORTS[rows].replace("|", "\n")


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "-"])
@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 130, b""), (signal.SIGTERM, 128 + signal.SIGTERM, b"")],
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
        assert process.wait(30) == 130
        assert b"Traceback" not in process.stderr.read()


def test_score_from_a_pipe_writes_only_scores_to_stdout(table, tmp_path):
    result = run_command("score", TINY, "-", "-o", "-", cwd=tmp_path, prefix=f"< {table}")
    lines = result.stdout.splitlines()
    assert (result.returncode, lines[0], len(lines)) == (0, '"probability","label"', 3)
    assert result.stderr == f"2 rows scored into -: {REST}"


def test_score_through_click_takes_standard_streams(table):
    result = invoke("score", TINY, "-", "-o", "-", input=TABLE)
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == '"probability","label"'


@pytest.mark.parametrize(
    ("options", "header"),
    [
        (["--names", "probability=p,label=predicted"], ["p", "predicted"]),
        (["--names", "label=y", "--names", "probability=p"], ["p", "y"]),
        (["--names", "label=y", "--keep", "label"], ["label", "probability", "y"]),
        (["--names", '"probability=p, of ""1"""'], ['p, of "1"', "label"]),
        (["--names", "probability=a=b"], ["a=b", "label"]),
    ],
)
def test_score_columns_get_other_names(table, tmp_path, options, header):
    table.write_text("x1,x2,label\n1,2,old\n")
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", *options)
    assert result.exit_code == 0, result.output
    with (tmp_path / "out.csv").open(newline="") as file:
        assert next(csv.reader(file)) == header


@pytest.mark.parametrize(
    "names", ["p", "probability=", "score=p", "=p", "label=a,label=b", "probability"]
)
def test_names_that_are_no_pair_are_a_wrong_command(table, tmp_path, names):
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", "--names", names)
    assert result.exit_code == 2
    assert "must be probability=NAME or label=NAME, each at most once" in result.output


def test_quiet_leaves_the_scores_and_says_nothing(table, tmp_path):
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_json_says_what_the_report_says(table, tmp_path):
    table.write_text("x1,x2\n1,2\n1e6,3\n")
    out = tmp_path / "out.csv"
    for options in (["--json"], ["--json", "-q"]):
        result = invoke("score", TINY, table, "-o", out, *options)
        assert (result.exit_code, result.stderr) == (0, "")
        told = json.loads(result.stdout)
        assert (told["output"], told["rows"], told["rows_outside"]) == (str(out), 2, 1)
        assert told["first_outside"] | {"trained_on": 0} == {
            "source": str(table), "row": 2, "feature": "x1", "value": 1e6, "trained_on": 0,
        }  # fmt: skip
        assert told["positives"] == out.read_text().count(f",{told['classes'][1]}\n")


def test_json_of_no_rows_is_whole_too(table, tmp_path):
    table.write_text("x1,x2\n")
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", "--json")
    told = json.loads(result.stdout)
    assert (told["rows"], told["positives"], told["first_outside"]) == (0, 0, None)


def test_a_failure_writes_no_json(table, tmp_path):
    table.write_text("x1,x2\n1,b\n")
    result = invoke("score", TINY, table, "-o", tmp_path / "out.csv", "--json", "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/proc/self/fd/1"])
def test_json_beside_scores_on_standard_output_is_refused(table, output):
    result = invoke("score", TINY, table, "-o", output, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--json and -o {output} would both write to standard output" in result.stderr
