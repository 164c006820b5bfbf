"""`python -m train`, `export`, `report` as programs: streams that break, Ctrl-C while loading."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = "größe\u202e \x1b[31m,y\n" + "".join(f"{i % 7},{int(i % 7 > 3)}\n" for i in range(40))
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")

INTERRUPT = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(5)
"""


@pytest.fixture
def program(repository, tmp_path):
    """Run a module as a program in `tmp_path`; `streams` is what the shell does to its streams."""

    def run(*arguments, streams="", **environment):
        path = os.pathsep.join((str(tmp_path / "first"), str(repository)))
        return subprocess.run(
            ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path} | environment,
            capture_output=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        pytest.param("> /dev/full", b"Error: standard output took no more (No space", marks=FULL),
        (">&-", b"Error: standard output took no more (it is closed): the work is done"),
    ],
)
def test_a_training_that_cannot_speak_is_finished(program, tmp_path, streams, said):
    (tmp_path / "t.csv").write_text(ROWS)
    done = program("train", "t.csv", "--out", "run", "--epochs", "2000", streams=streams)
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    assert done.returncode == 1
    assert done.stderr.startswith(said)


def test_a_training_whose_reader_leaves_is_finished(repository, tmp_path):
    (tmp_path / "t.csv").write_text(ROWS)
    with subprocess.Popen(
        [sys.executable, "-m", "train", "t.csv", "--out", "run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
    assert (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_training_names_anything_in_any_encoding(program, tmp_path, encoding):
    (tmp_path / "t.csv").write_text(ROWS)
    done = program("train", "t.csv", "--out", "run", PYTHONIOENCODING=f"{encoding}:strict")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert text.replace("\n", "").isprintable()
    assert r"\u202e \x1b[31m" in text


@pytest.mark.parametrize(
    ("library", "arguments"),
    [
        ("click", ["train", "--help"]),
        ("click", ["export", "--help"]),
        ("torch", ["train", "--epochs", "1"]),
        ("onnx", ["export", "bundle", "a", "b"]),
        ("torch", ["export", "verify", "a"]),
        ("jinja2", ["report", "a"]),
    ],
)
def test_an_interrupt_while_loading_ends_in_silence(program, tmp_path, library, arguments):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / f"{library}.py").write_text(INTERRUPT)
    done = program(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("module", ["train", "export", "report"])
def test_help_is_shown_in_any_encoding(program, module):
    done = program(module, "--help", PYTHONIOENCODING="cp1252:strict")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Usage: python -m" in done.stdout
