import io
import os
import sys
from pathlib import Path

import pytest

from light.tables.reading import NAMES, PLAIN, rows_of
from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.tables.read import Selection, open_table, read_batches  # noqa: E402


def column_names(source, **options):
    with open_table(source, **options) as table:
        return table.names


def test_column_names_are_those_of_the_file(tmp_path):
    (tmp_path / "t.csv").write_text('\ufeffid,"a ""b""",x\n1,2,3\n')
    assert column_names(str(tmp_path / "t.csv")) == ["id", 'a "b"', "x"]
    assert column_names(str(tmp_path / "t.csv"), header=False) == ["f0", "f1", "f2"]
    pq.write_table(pa.table({"b": [1], "a": [2]}), tmp_path / "t.parquet")
    assert column_names(str(tmp_path / "t.parquet")) == ["b", "a"]


@pytest.mark.parametrize("content", ["x1,x2\n", "x1,x2", "x1,x2\n\n\n", "\ufeffx1,x2\r\n"])
def test_a_table_without_rows_is_one_empty_batch(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    (batch,) = read_batches(str(tmp_path / "t.csv"), NAMES)
    assert (batch.num_rows, batch.schema.names) == (0, NAMES)


def test_standard_input_is_csv(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAIN.encode())))
    assert rows_of(read_batches("-", NAMES), NAMES)[1] == {"x1": 3, "x2": 4.5}
    assert not sys.stdin.buffer.closed


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="pipes have no names here")
def test_a_named_pipe_is_read_like_a_file():
    receiving, sending = os.pipe()
    os.write(sending, PLAIN.encode())
    os.close(sending)
    try:
        assert len(rows_of(read_batches(f"/dev/fd/{receiving}", NAMES), NAMES)) == 2
    finally:
        os.close(receiving)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "none.csv.gz"])
def test_a_missing_file_or_a_folder_is_named(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(InputError, match=f"{name} does not exist"):
        list(read_batches(str(path), NAMES))
    path.mkdir()
    with pytest.raises(InputError, match=f"{name} is a folder, not a file"):
        list(read_batches(str(path), NAMES))


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"5,6\n"),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.utime(path, ns=(0, 0)),
    ],
    ids=["grown", "truncated", "touched"],
)
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, name, change):
    path = write_two_rows(tmp_path / name)

    def read_all():
        with open_table(str(path)) as table:
            list(table.batches(Selection(NAMES, [])))
            change(path)

    with pytest.raises(InputError, match=rf"{name} was changed while it was read: it had \d+ byt"):
        read_all()


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_that_is_replaced_is_read_to_its_end(tmp_path, name):
    path = write_two_rows(tmp_path / name)
    with open_table(str(path)) as table:
        other = write_two_rows(tmp_path / f"other-{name}")
        other.replace(path)
        assert sum(numbers.num_rows for numbers, _ in table.batches(Selection(NAMES, []))) == 2


def write_two_rows(path):
    if path.suffix == ".csv":
        path.write_text(PLAIN)
    else:
        pq.write_table(pa.table({"x1": [1.0, 3.0], "x2": [2.0, 4.5]}), path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_folder_may_be_a_category(tmp_path, name):
    path = str(write_two_rows(tmp_path / name))
    folders = {"day": pa.scalar(7), "town": pa.scalar("Bo"), "none": pa.scalar(None, pa.string())}
    columns = ["town", "x1", "day", "none"]
    with open_table(path, folder_columns=folders) as table:
        found = list(table.batches(Selection(columns, ["day"], texts=["town", "day", "none"])))
    ((batch, kept),) = found
    assert batch.to_pydict() == {
        "town": ["Bo", "Bo"], "x1": [1, 3], "day": ["7", "7"], "none": [None, None]
    }  # fmt: skip
    assert {str(batch.schema.field(name).type) for name in ("town", "day", "none")} == {
        "dictionary<values=string, indices=int32, ordered=0>"
    }
    assert kept.to_pydict() == {"day": [7, 7]}
    with open_table(path, folder_columns=folders) as table:
        ((batch, _),) = table.batches(Selection(["day", "x1"], [], precise=["day"], texts=["x1"]))
    assert batch.schema.types[0] == pa.float64()
