"""What is in a file is told by its bytes: encodings, compression, and files that are no CSV."""

import bz2
import csv
import gzip
import io
import sys
import threading
import zipfile

import pytest

from light.tables.reading import NAMES, PLAIN, rows_of
from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.tables.read import read_batches  # noqa: E402

ROWS = [{"x1": 1, "x2": 2}, {"x1": 3, "x2": 4.5}]


@pytest.fixture(params=["file", "stdin"])
def read(request, tmp_path, monkeypatch):
    """Read bytes as a table, from a file or from standard input."""

    def read(content, name="t.csv", others=(), **options):
        path = str(tmp_path / name)
        (tmp_path / name).write_bytes(content)
        if request.param == "stdin":
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
            path = "-"
        return rows_of(read_batches(path, NAMES, others, **options), NAMES)

    return read


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"]
)
def test_encodings_and_line_ends_read_the_same(read, code, end):
    marks = {"utf-16-be": b"\xfe\xff", "utf-16-le": b"\xff\xfe"}
    text = "n,x1,x2\nä,1,2\n".replace("\n", end)
    more = 'ü,"3",4\n€,5,6\n'.replace("\n", end) * 2000
    content = marks.get(code, b"") + (text + more).encode(code)
    found = read(content, others=["n"])
    assert found == read((text + more).encode(), others=["n"])
    assert len(found) == 4001
    assert [row["n"] for row in found[:3]] == ["ä", "ü", "€"]
    assert read(gzip.compress(content)) == read((text + more).encode())


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.txt", "t"])
def test_gzip_and_plain_text_are_read_under_any_name(read, name):
    assert read(gzip.compress(PLAIN.encode()), name) == ROWS
    assert read(PLAIN.encode(), name) == ROWS


def packed(suffix):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"t{suffix}", PLAIN)
        return file.getvalue()


# The name of a test must not hold the time: each worker would collect another one.
TWICE = gzip.compress(gzip.compress(PLAIN.encode(), mtime=0), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed(".csv"), "is a ZIP archive or an Excel workbook: unpack it, or save the sheet"),
        (pa.compress(PLAIN.encode(), "zstd", asbytes=True), "compressed by zstd: unpack it, or"),
        (TWICE, "compressed by gzip twice: unpack it once"),
        (bz2.compress(PLAIN.encode()), "compressed by bzip2: unpack it, or"),
        (b"\xfd7zXZ\0" + b"x" * 50, "compressed by xz: unpack it, or compress it with gzip"),
        (b"ARROW1\0\0" + b"x" * 50, "is Arrow's own format .*: write it as Parquet"),
        (PLAIN.encode("utf-16-le"), "line 1: the name of column 1 is no text in UTF-8: save"),
        (
            PLAIN.encode("utf-16")[:-1],
            "'utf-16.*' codec can't decode .*truncated data .line 3.: save the",
        ),
        ("é,x1,x2\n1,2,3\n".encode("latin-1"), "line 1: the name of column 1 is no text in UTF-8"),
    ],
)
@pytest.mark.parametrize("twice", [False, True])
def test_what_is_no_csv_is_named_with_a_remedy(read, content, message, twice):
    with pytest.raises(InputError, match=message):
        read(gzip.compress(content) if twice else content)


def test_parquet_is_read_under_another_name(tmp_path):
    table = pa.table({"x1": [1.0, 3.0], "x2": [2.0, 4.5]})
    pq.write_table(table, tmp_path / "t.csv")
    assert rows_of(read_batches(str(tmp_path / "t.csv"), NAMES), NAMES) == ROWS
    (tmp_path / "named.csv").write_text("PAR1,x1,x2\na,1,2\nPAR1,3,4.5\n")
    assert rows_of(read_batches(str(tmp_path / "named.csv"), NAMES), NAMES) == ROWS


def test_parquet_on_standard_input_is_refused(tmp_path, monkeypatch):
    pq.write_table(pa.table({"x1": [1.0], "x2": [2.0]}), tmp_path / "t.parquet")
    content = io.BytesIO((tmp_path / "t.parquet").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    with pytest.raises(InputError, match="- is Parquet, which is read from a file, not from a pi"):
        list(read_batches("-", NAMES))


@pytest.mark.parametrize("before", [0, 200])
def test_a_byte_that_is_no_utf8_matters_where_it_is_read(read, tmp_path, before):
    content = b"n,x1,x2\n" + b"a,1,2\n" * before + b"\xe9,1,2\n" + b"a,1,2\n" * 100
    assert len(read(content)) == before + 101
    line = f", line {before + 2}"
    for others, features, message in (
        (["n"], NAMES, "column 'n' is no text in UTF-8: save the file as UTF-8"),
        ([], ["n"], "features must be numbers"),
    ):
        (tmp_path / "t.csv").write_bytes(content.replace(b"a,", b"1,"))
        with pytest.raises(InputError, match=f"t.csv{line}: {message}"):
            list(read_batches(str(tmp_path / "t.csv"), features, others))


@pytest.mark.parametrize("before", [0, 200, 500_000])
@pytest.mark.parametrize("cell", ["word " * 40_000, 'a ""b""\n' * 700_000, "x" * 5_000_000])
def test_a_column_that_is_not_read_may_hold_any_text(tmp_path, before, cell):
    rows = (
        f"n,x1,x2\n{'a,1,2' + chr(10)}" + "a,1,2\n" * before + f'"{cell}",3,4.5\n' + "a,1,2\n" * 9
    )
    (tmp_path / "t.csv").write_text(rows)
    limit = csv.field_size_limit()
    found = list(read_batches(str(tmp_path / "t.csv"), NAMES))
    assert sum(batch.num_rows for batch in found) == before + 11
    x1 = pa.Table.from_batches(found).column("x1")
    assert x1[before + 1].as_py() == 3
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("before", [0, 100])
def test_a_row_that_is_too_long_is_named(tmp_path, monkeypatch, before):
    monkeypatch.setattr("serve_runtime.tables.csv.byte_stream.ROW_BYTES", 1 << 22)
    cell = "x" * (9 << 20)
    (tmp_path / "t.csv").write_text("x1,n,x2\n" + "1,a,2\n" * before + f"1,{cell},2\n1,a,2\n")
    with pytest.raises(
        InputError, match=f"t.csv, line {before + 2}, column 'n': a row has more th"
    ):
        list(read_batches(str(tmp_path / "t.csv"), NAMES))


def test_many_lines_of_one_row_are_read_in_linear_time(tmp_path):
    """100,000 lines of `","` after an open quotation took 7 s for each doubling before."""
    (tmp_path / "t.csv").write_text('"' + '","\n' * 400_000)
    failed = []

    def read():
        try:
            list(read_batches(str(tmp_path / "t.csv"), NAMES))
        except InputError as reason:
            failed.append(str(reason)[:100_000])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert len(failed) == 1
