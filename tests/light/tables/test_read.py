import gzip
import io
import os
import sys
import zlib
from pathlib import Path

import pytest

from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.tables.formats import is_parquet  # noqa: E402
from serve_runtime.tables.read import open_table, opened, read_column_names  # noqa: E402

NAMES = ["x1", "x2"]
PLAIN = "x1,x2\n1,2\n3,4.5\n"
# Beyond the lines that are looked at first, and beyond the first block.
LATER, FAR = "1,2\n" * 100, "1,2\n" * 600_000


@pytest.fixture
def table(tmp_path):
    """Write a file, read it as a table, and return its rows as dicts."""

    def read(content, features=NAMES, others=(), *, name="t.csv", header=True):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return rows_of(open_table(str(path), features, others, header=header), features)

    return read


def rows_of(batches, features):
    rows = []
    for batch in batches:
        assert {batch.schema.field(name).type for name in features} == {pa.float32()}
        rows += batch.to_pylist()
    return rows


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "x1,x2\n\n1,2\n\n\n3,4.5\n\n",
        "\n\n" + PLAIN,
        '"x1","x2"\n"1","2"\n"3",4.5\n',
        "x1,x2\n 1, 2\n3 ,45e-1\n",
        "note,x2,x1\nä,2,1\n,4.5,3\n",
        'note,x2,x1\n"a\nb, ""c""",2,1\n,4.5,3\n',
        "note,note,x1,x2\na,b,1,2\na,b,3,4.5\n",
    ],
)
def test_every_spelling_of_a_csv_table_reads_the_same(table, content):
    assert table(content) == [{"x1": 1, "x2": 2}, {"x1": 3, "x2": 4.5}]
    assert table(gzip.compress(content.encode()), name="T.CSV.GZ") == table(content)


@pytest.mark.parametrize(
    "content", ["1,2\n3,4\n", "\ufeff1,2\n3,4\n", '"1","2"\n3,4', "\n1,2\n3,4"]
)
def test_columns_without_a_header_are_numbered(table, content):
    names = ["f1", "f0"]
    assert table(content, names, header=False) == [{"f1": 2, "f0": 1}, {"f1": 4, "f0": 3}]


def test_column_names_are_those_of_the_file(tmp_path):
    (tmp_path / "t.csv").write_text('\ufeffid,"a ""b""",x\n1,2,3\n')
    assert read_column_names(str(tmp_path / "t.csv")) == ["id", 'a "b"', "x"]
    assert read_column_names(str(tmp_path / "t.csv"), header=False) == ["f0", "f1", "f2"]
    pq.write_table(pa.table({"b": [1], "a": [2]}), tmp_path / "t.parquet")
    assert read_column_names(str(tmp_path / "t.parquet")) == ["b", "a"]


def test_the_name_tells_parquet_from_csv():
    assert all(map(is_parquet, ["a.parquet", Path("a.PQ"), "b.csv.parquet"]))
    assert not any(map(is_parquet, ["a.csv", "parquet", "a.parquet.csv", "-"]))


def test_other_columns_are_text_from_csv(table):
    rows = table("id,x1,x2\n00123,1,2\nNA,1,2\n,1,2\n 1.50,1,2\n", others=["id"])
    assert [row["id"] for row in rows] == ["00123", "NA", "", " 1.50"]


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_true_and_false_are_one_and_zero(table, words):
    yes, no = words
    assert table(f"x1,x2\n{yes},1\n{no},2\n") == [{"x1": 1, "x2": 1}, {"x1": 0, "x2": 2}]


@pytest.mark.parametrize("between", ["", "true,2\n" * 100])
def test_a_true_false_column_may_miss_values(table, between):
    rows = table(f"x1,x2\ntrue,1\n{between},2\nfalse,3\n")
    assert [row["x1"] for row in rows[-2:]] == [None, 0]


def test_a_true_false_column_that_turns_into_numbers_says_so(table):
    with pytest.raises(InputError, match=r"x1 \(.*'2'.*") as caught:
        table("x1,x2\n" + "true,1\n" * 100 + "2,1\n")
    assert "'2' is no number" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "NA", "NaN", "nan", "null", "#N/A", "NULL"])
def test_a_missing_value_is_null(table, value):
    assert table(f"x1,x2\n1,{value}\n") == [{"x1": 1, "x2": None}]


@pytest.mark.parametrize("content", ["x1,x2\n", "x1,x2", "x1,x2\n\n\n", "\ufeffx1,x2\r\n"])
def test_a_table_without_rows_is_one_empty_batch(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    (batch,) = open_table(str(tmp_path / "t.csv"), NAMES)
    assert (batch.num_rows, batch.schema.names) == (0, NAMES)


def test_numbers_and_truths_of_parquet_become_float32(tmp_path):
    types = [pa.int8(), pa.int64(), pa.uint32(), pa.float64(), pa.bool_()]
    types += [pa.decimal128(5, 2)]
    path = tmp_path / "t.parquet"
    for kind in types:
        zero_one = pa.array([0, 1, None], pa.int8()).cast(pa.float32()).cast(kind)
        pq.write_table(pa.table({"id": ["a", "b", "c"], "x1": zero_one}), path)
        rows = rows_of(open_table(str(path), ["x1"], ["id"]), ["x1"])
        assert [row["x1"] for row in rows] == [0, 1, None]
        assert [row["id"] for row in rows] == ["a", "b", "c"]


def test_parquet_without_rows_is_one_empty_batch(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x1": pa.array([], pa.int64()), "x2": pa.array([], pa.bool_())}), path)
    (batch,) = open_table(str(path), NAMES)
    assert (batch.num_rows, batch.schema.types) == (0, [pa.float32()] * 2)


def test_standard_input_is_csv(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAIN.encode())))
    assert rows_of(open_table("-", NAMES), NAMES)[1] == {"x1": 3, "x2": 4.5}
    assert not sys.stdin.buffer.closed


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="pipes have no names here")
def test_a_named_pipe_is_read_like_a_file():
    receiving, sending = os.pipe()
    os.write(sending, PLAIN.encode())
    os.close(sending)
    try:
        assert len(rows_of(open_table(f"/dev/fd/{receiving}", NAMES), NAMES)) == 2
    finally:
        os.close(receiving)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv is empty"),
        ("\n\n", "t.csv is empty"),
        ("\ufeff", "t.csv is empty"),
        ("x1,x3\n1,2\n", r"t.csv: .*missing: x2 \(got: x1, x3\)"),
        ("x1;x2\n1;2\n", r"t.csv: values must be separated by commas; its first line has ';' and"),
        ("x1\tx2\n1\t2\n", r"separated by commas; .* has '\\t' and no comma \(x1\tx2\)"),
        ("x1,x2,x1\n1,2,3\n", "t.csv: column names must be unique; more than one is named x1"),
        ("x1,x2\n1,2\n\n\n3\n", "t.csv, line 5: expected 2 values, got 1"),
        ("\n\nx1,x2\n\n1,2,3\n", "t.csv, line 5: expected 2 values, got 3"),
        ('x1,x2,n\n1,2,"a\nb"\n\n1,2\n', "t.csv, line 5: expected 3 values, got 2"),
        ("x1,x2\n" + LATER + "1,2,3\n", "t.csv, line 102: expected 2 values, got 3"),
        ("x1,x2\n\n" + FAR + "1\n", "t.csv, line 600003: expected 2 values, got 1"),
        ("x1,x2\n1,abc\n", r"must be numbers; .* not: x2 \('abc' is no number\)"),
        ("x2,x1\n1,abc\n", r"must be numbers; .* not: x1 \('abc' is no number\)"),
        ("a,b,x1,x2\n0,0,abc,1\n", r"must be numbers; .* not: x1 \('abc' is no number\)"),
        ("x1,x2\n" + FAR + "1,abc\n", r"must be numbers; .* not: x2 \('abc' is no number\)"),
        ('x1,x2\n1,"1,5"\n', r"x2 \('1,5' is no number\)"),
        ("x1,x2\n1,0x1F\n", r"x2 \('0x1F' is no number\)"),
        (PLAIN.encode("utf-16"), "cannot read .*t.csv: 'utf-8' codec can't decode"),
        (b"n,x1,x2\n" + b"a,1,2\n" * 99 + b"\xe9,1,2\n1,2\n", "line 102: expected 3 values, got 2"),
        ("n,x1,x2\n" + "a,1,2\n" * 99 + "a" * 200_000 + ",1,2\n1,2\n", "expected 3 values, got 2"),
    ],
)
def test_a_table_that_cannot_be_read_says_where_and_why(table, content, message):
    with pytest.raises(InputError, match=message):
        table(content)


def test_a_text_that_is_not_utf8_is_told_of_the_column_that_holds_it(table):
    content = b"a,x1,id,x2\n" + b"0,1,b,2\n" * 100 + b"0,1,\xe9,2\n"
    with pytest.raises(InputError, match=r"id \(.*UTF") as caught:
        table(content, others=["id"])
    assert "must be numbers" not in str(caught.value)


def test_a_missing_other_column_is_not_called_a_feature(table):
    with pytest.raises(InputError, match=r"missing: id \(got: x1, x2\)") as caught:
        table(PLAIN, others=["id"])
    assert "3 named features" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "none.csv.gz"])
def test_a_missing_file_or_a_folder_is_named(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(InputError, match=f"{name} does not exist"):
        list(open_table(str(path), NAMES))
    path.mkdir()
    with pytest.raises(InputError, match=f"{name} is a folder, not a file"):
        list(open_table(str(path), NAMES))


def gzipped(damage):
    rows = "".join(f"{i * 7919 % 1009},{i * 31 % 97}\n" for i in range(3000))
    return damage(bytearray(gzip.compress(b"x1,x2\n" + rows.encode())))


def flip(position):
    def damage(content):
        content[position] ^= 0xFF
        return bytes(content)

    return damage


@pytest.mark.parametrize(
    "damage",
    [lambda c: bytes(c[:-20]), lambda c: b"x1,x2\n1,2\n", *map(flip, (0, 12, 20, 100, -6))],
)
def test_damaged_gzip_is_refused(table, damage):
    content = gzipped(damage)
    with pytest.raises((EOFError, OSError, zlib.error), match=r"\w"):
        gzip.decompress(content)
    with pytest.raises(InputError, match=r"cannot read .*t.csv.gz: "):
        table(content, name="t.csv.gz")


def test_a_name_may_hold_another_separator(table):
    assert table("a;b\n1\n", ["a;b"]) == [{"a;b": 1}]


def test_parquet_knows_its_rows_before_they_are_read(tmp_path):
    pq.write_table(pa.table({"x1": [1, 2, 3]}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text(PLAIN)
    for name, rows in (("t.parquet", 3), ("t.csv", None)):
        with opened(str(tmp_path / name)) as source:
            assert source.rows == rows


def test_parquet_that_is_none_is_refused(table, tmp_path):
    for content in (PLAIN.encode(), b"PAR1" * 10):
        with pytest.raises(InputError, match=r"cannot read .*t.parquet: "):
            table(content, name="t.parquet")
    pq.write_table(pa.table({"x1": ["a"], "x2": [1]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"must be numbers; .* not: x1 \(string\)"):
        list(open_table(str(tmp_path / "t.parquet"), NAMES))
    twice = pa.table([[1], [2], [3]], names=["x1", "x2", "x2"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="more than one is named x2"):
        list(open_table(str(tmp_path / "t.parquet"), NAMES))


def test_a_blank_line_in_a_single_column_is_a_missing_value(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("x1\n1\n\n2\n")
    (batch,) = open_table(str(path), ["x1"])
    assert batch.column(0).to_pylist() == [1, None, 2]
