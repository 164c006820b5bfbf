"""What becomes of the outputs that are there, and of those that others make meanwhile."""

import gzip
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from light.commands.running import invoke, run_command
from light.helpers import TABLE, TINY, column
from light.outputs.blocks import names
from serve_runtime import OutputError
from serve_runtime.scoring import score_folder
from serve_runtime.scoring.score_writer import table_writer

pytest.importorskip("pyarrow")

from serve_runtime import score_file

SCORES = '"probability","label"\n'


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.csv").write_text(TABLE)
    return folder


@pytest.mark.parametrize("output", ["out.csv", "out.csv.gz", "out.parquet"])
def test_an_output_keeps_the_mode_of_what_it_replaces(score, tmp_path, output):
    (tmp_path / output).write_text("old")
    (tmp_path / output).chmod(0o600)
    path, rows = score(TABLE, output)
    assert (rows, mode(path), path.read_bytes() != b"old") == (3, 0o600, True)


def test_files_in_a_folder_keep_their_modes(predictor, data, tmp_path):
    out = tmp_path / "out"
    score_file(predictor, data, out)
    (out / "a.csv").chmod(0o600)
    (out / score_folder.RECORD).chmod(0o640)
    os.utime(data / "a.csv", ns=(1, 1))
    assert score_file(predictor, data, out, resume=True) == 3
    assert (mode(out / "a.csv"), mode(out / score_folder.RECORD)) == (0o600, 0o640)


def test_the_command_says_what_was_written_in_place(table, tmp_path, monkeypatch):
    path, access = tmp_path / "closed" / "out.csv", os.access
    path.parent.mkdir()
    path.write_text("old")
    monkeypatch.setattr(
        os, "access", lambda p, m: os.fspath(p) != str(path.parent) and access(p, m)
    )
    result = invoke("score", TINY, table, "-o", path)
    assert (result.exit_code, len(column("label", path))) == (0, 3)
    assert result.stderr.splitlines()[0].startswith(f"{path} was written in place, since ")
    assert result.stderr.splitlines()[1].startswith(f"3 rows scored into {path}: ")


@pytest.mark.skipif(sys.platform == "win32", reason="streams have no names here")
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    ("output", "redirection"),
    [("/dev/stdout", ">> out.csv"), ("/dev/fd/1", ">> out.csv"), ("/dev/fd/3", "3>> out.csv")],
)
def test_a_stream_by_name_is_not_opened_again(table, tmp_path, output, redirection, link):
    if link:
        (tmp_path / "stream.csv").symlink_to(output)
        output = "stream.csv"
    (tmp_path / "out.csv").write_text("what was there\n")
    result = run_command("score", TINY, table, "-o", output, cwd=tmp_path, prefix=redirection)
    assert (result.returncode, result.stdout) == (0, "")
    lines = (tmp_path / "out.csv").read_text().splitlines(keepends=True)
    assert lines[:2] == ["what was there\n", SCORES]
    assert len(lines) == 5
    assert (tmp_path / "stream.csv").is_symlink() == link


@pytest.mark.skipif(sys.platform == "win32", reason="streams have no names here")
def test_a_stream_that_is_not_open_is_an_error(table, tmp_path):
    result = run_command("score", TINY, table, "-o", "/dev/fd/77", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "Error: cannot write /dev/fd/77: [Errno 9] Bad file descriptor\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_named_gz_takes_gzip(table, tmp_path):
    os.mkfifo(tmp_path / "out.csv.gz")
    command = [sys.executable, "-m", "serve_runtime", "score", TINY, table, "-o", "out.csv.gz"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        content = (tmp_path / "out.csv.gz").read_bytes()
    assert process.returncode == 0
    assert gzip.decompress(content).decode().startswith(SCORES)


@pytest.mark.skipif(os.name != "posix", reason="there are no locks here")
@pytest.mark.parametrize(
    ("output", "left"),
    [("out.csv", ".out.csv.part"), ("out.parquet", ".out.parquet.part"), ("out/", ".in.csv.part")],
)
def test_what_a_killed_scoring_left_is_removed(tmp_path, output, left):
    path, into = tmp_path / "in.csv", tmp_path / "out" if output == "out/" else tmp_path
    os.mkfifo(path)
    command = [sys.executable, "-m", "serve_runtime", "score", TINY, path, "-o", output]
    with subprocess.Popen(command, cwd=tmp_path) as process, path.open("wb"):  # it waits for more
        deadline = time.monotonic() + 30
        while not (into / left).exists() and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert (into / left).exists()
    path.unlink()
    path.write_text(TABLE)
    options = ["--resume"] if output == "out/" else []
    assert invoke("score", TINY, path, "-o", f"{tmp_path}/{output}", *options).exit_code == 0
    expected = [score_folder.RECORD, "in.csv"] if options else ["in.csv", output]
    assert names(into) == expected


def test_a_record_that_was_never_finished_is_no_obstacle(predictor, data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".{score_folder.RECORD}.part").write_text("half")
    score_file(predictor, data, tmp_path / "out")
    assert names(tmp_path / "out") == [score_folder.RECORD, "a.csv", "b.csv", "c.csv"]


def test_a_file_that_somebody_made_meanwhile_is_kept(predictor, data, tmp_path):
    out = tmp_path / "out"

    def make(progress):
        if progress.tables == 1:
            (out / "b.csv").write_text("theirs")

    with pytest.raises(OutputError, match=r"b.csv appeared .* kept as .*b\.csv\.new: ") as caught:
        score_file(predictor, data, out, progress=make)
    assert caught.value.__notes__ == [
        f"{out} keeps the files that are finished: go on with --resume"
    ]
    assert (out / "b.csv").read_text() == "theirs"
    (out / "b.csv").unlink()
    assert score_file(predictor, data, out, resume=True) == 6
    assert len(column("label", out / "b.csv")) == len(column("label", out / "b.csv.new")) == 3


def test_two_processes_do_not_score_into_one_folder(predictor, data, tmp_path):
    out = tmp_path / "out"

    def second(progress):
        if progress.tables == 1:
            for resume in (False, True):
                result = run_command(
                    "score", TINY, data, "-o", out, *["--resume"] * resume, cwd=tmp_path
                )
                refused.append((result.returncode, result.stderr))

    refused = []
    assert score_file(predictor, data / "a.csv", f"{out}/", progress=second) == 3
    message = f"Error: another process is scoring into {out}: wait until it ends, or choose another"
    assert refused == [(1, f"{message} folder\n")] * len(refused)
    assert len(refused) >= 2
    assert names(out) == [score_folder.RECORD, "a.csv"]


def test_a_writer_says_nothing_of_a_file_that_it_replaced(tmp_path):
    said = []
    with table_writer(str(tmp_path / "out.csv"), notice=said.append):
        pass
    assert said == []
