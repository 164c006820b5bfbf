import contextlib
import gzip
import io
import os
import re
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from light.helpers import TABLE, TINY, column, not_under_emulation, run_python, write_model
from serve_runtime import InputError, OutputError, Predictor

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime import score_file  # noqa: E402


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("output", ["none/out.csv", "in.csv/out.csv", "o" * 300 + ".csv"])
def test_an_output_that_cannot_be_written_is_an_error(score, tmp_path, output):
    with pytest.raises(OutputError, match=f"cannot write .*{output}: "):
        score(TABLE, output)
    assert names(tmp_path) == ["in.csv"]


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX")
@pytest.mark.parametrize("output", ["loop.csv", "o\udcff.csv", "o\udcff.parquet", "o\udcff.csv.gz"])
def test_an_odd_output_name_is_an_error_of_ours(score, tmp_path, output):
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    with contextlib.suppress(OutputError, InputError):
        assert score(TABLE, output)[1] == 3
    assert {"in.csv", "loop.csv"} <= set(names(tmp_path)) <= {"in.csv", "loop.csv", output}


@pytest.mark.parametrize("output", ["out.csv", "out.csv.gz", "out.parquet"])
@pytest.mark.skipif(sys.platform == "win32", reason="the size of files has no limit here")
@not_under_emulation("QEMU waits for ever where a file reaches its limit")
def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path, output):
    (tmp_path / "in.csv").write_text("id,x1,x2\n" + "".join(f"{i},1,2\n" for i in range(200_000)))
    code = (
        "import resource, sys\n"
        "from serve_runtime import InputError, OutputError, Predictor, score_file\n"
        "predictor = Predictor(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: score_file(predictor, 'in.csv', sys.argv[2], keep=['id'])\n"
        "except OutputError as reason: print(reason)\n"
    )
    result = run_python("-c", code, TINY, output, cwd=tmp_path)
    assert re.match(f"cannot write {output}: .*File too large", result.stdout), result.stderr
    assert result.stderr == ""
    assert names(tmp_path) == ["in.csv"]


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no null device here")
def test_a_device_takes_csv_whatever_its_name(score, tmp_path):
    assert score(TABLE, "/dev/null")[1] == 3
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("labels", [(0, 1), (False, True), (0.5, 1.5), ("no", "yes"), (-1, 2**40)])
def test_labels_have_their_own_type_in_every_output(card, tmp_path, labels):
    path = write_model(tmp_path / "model.onnx", replace(card, classes=labels))
    (tmp_path / "in.csv").write_text("x1,x2\n1,2\n6,3\n")
    for name in ("out.parquet", "out.csv"):
        score_file(Predictor(path), tmp_path / "in.csv", tmp_path / name)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["label"].type == pa.array(labels).type
    assert table["label"].to_pylist() == list(labels)
    spelled = {False: "false", True: "true"} if isinstance(labels[0], bool) else {}
    assert column("label", tmp_path / "out.csv") == [spelled.get(v, str(v)) for v in labels]


def test_parquet_keeps_the_types_of_kept_columns(predictor, tmp_path):
    kept = {
        "when": pa.array([0, 1], pa.timestamp("us", tz="Europe/Berlin")),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "long": pa.array(["a", None], pa.large_string()),
        "took": pa.array([1, 2], pa.duration("ms")),
    }
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({**kept, "x1": [1, 2], "x2": [3, 4]}), source)
    score_file(predictor, source, tmp_path / "out.parquet", keep=list(kept))
    found, wanted = pq.read_table(tmp_path / "out.parquet"), pq.read_table(source)
    assert found.select(list(kept)).equals(wanted.select(list(kept)))
    assert found.schema.names == [*kept, "probability", "label"]


def test_parquet_has_row_groups_of_ordinary_size(predictor, tmp_path):
    source, rows = tmp_path / "in.parquet", 1_200_000
    pq.write_table(pa.table({"x1": np.zeros(rows), "x2": np.zeros(rows)}), source)
    assert score_file(predictor, source, tmp_path / "out.parquet") == rows
    found = pq.ParquetFile(tmp_path / "out.parquet").metadata
    groups = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
    assert sum(groups) == rows
    assert len(groups) == 3


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
