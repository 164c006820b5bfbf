import contextlib
import gzip
import io
import os
import socket
import stat
import sys

import pytest

from serve_runtime import OutputError

from .helpers import TABLE, column

pytest.importorskip("pyarrow")

from serve_runtime import score_file


def test_the_input_is_never_the_output(score, predictor, tmp_path):
    with pytest.raises(OutputError, match=r"in.csv is the input itself: write to another file"):
        score(TABLE, "in.csv")
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    for name in ("link.csv", "hard.csv", "../" + tmp_path.name + "/in.csv"):
        with pytest.raises(OutputError, match="is the input itself"):
            score_file(predictor, tmp_path / "in.csv", tmp_path / name)
    assert (tmp_path / "in.csv").read_text() == TABLE


@pytest.mark.parametrize("output", ["none/out.csv", "in.csv/out.csv", "folder"])
def test_an_output_that_cannot_be_written_is_an_error(score, tmp_path, output):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"cannot write .*{output}: "):
        score(TABLE, output)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "in.csv"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_or_device_is_never_replaced_by_a_file(score, tmp_path):
    path = tmp_path / "out.csv"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with contextlib.suppress(OutputError):
            score(TABLE)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="sockets have no names here")
def test_an_output_that_cannot_be_opened_is_an_error_of_ours(score, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as taken:
        taken.bind("out.csv")
        with pytest.raises(OutputError, match=r"cannot write .*out.csv: "):
            score(TABLE)


def test_a_linked_output_is_written_where_it_leads(score, tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to("real.csv")
    score(TABLE)
    assert (tmp_path / "out.csv").is_symlink()
    assert len(column("label", tmp_path / "real.csv")) == 3


def test_an_output_named_gz_is_gzip(score):
    path, _ = score(TABLE, "out.csv.gz")
    plain, _ = score(TABLE, "out.csv")
    assert gzip.decompress(path.read_bytes()) == plain.read_bytes()


def test_standard_input_to_standard_output(predictor, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TABLE.encode())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    assert score_file(predictor, "-", "-", keep=["id"]) == 3
    lines = sys.stdout.buffer.getvalue().decode().splitlines()
    assert lines[0] == '"id","probability","label"'
    assert [line.split(",")[0] for line in lines[1:]] == ['"00123"', '"NA"', '""']
