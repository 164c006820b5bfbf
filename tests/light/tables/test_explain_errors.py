import gzip
import zlib

import pytest

from light.tables.reading import PLAIN
from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


# Beyond the lines that are looked at first, and beyond the first block.
LATER, FAR = "1,2\n" * 100, "1,2\n" * 600_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv is empty"),
        ("\n\n", "t.csv is empty"),
        ("\ufeff", "t.csv is empty"),
        ("x1,x3\n1,2\n", r"t.csv: .*missing: 'x2' \(got: 'x1', 'x3'\)"),
        ("x1;x2\n1;2\n3\n", r"first line is one column, 'x1;x2', as .* by ',' here: say --separ"),
        ("x1\tx2\n1\n", r"'x1\\tx2', as it is separated by ',' here: say --separator tab"),
        ("x1,x2,x1\n1,2,3\n", "t.csv: column names must be unique; more than one is named 'x1'"),
        ("x1,x2\n1,2\n\n\n3\n", "t.csv, line 5: expected 2 values, got 1"),
        ("\n\nx1,x2\n\n1,2,3\n", "t.csv, line 5: expected 2 values, got 3"),
        ('x1,x2,n\n1,2,"a\nb"\n\n1,2\n', "t.csv, line 5: expected 3 values, got 2"),
        ("x1,x2\n" + LATER + "1,2,3\n", "t.csv, line 102: expected 2 values, got 3"),
        ("x1,x2\n\n" + FAR + "1\n", "t.csv, line 600003: expected 2 values, got 1"),
        ("x1,x2\n1,abc\n", r"must be numbers; .* not: 'x2' \('abc' is no number\)"),
        ("x2,x1\n1,abc\n", r"must be numbers; .* not: 'x1' \('abc' is no number\)"),
        ("a,b,x1,x2\n0,0,abc,1\n", r"must be numbers; .* not: 'x1' \('abc' is no number\)"),
        ("x1,x2\n" + FAR + "1,abc\n", r"must be numbers; .* not: 'x2' \('abc' is no number\)"),
        ('x1,x2\n1,"1,5"\n', r"'x2' \('1,5' is no number\)"),
        ("x1,x2\n1,0x1F\n", r"'x2' \('0x1F' is no number\)"),
        (b"n,x1,x2\n" + b"a,1,2\n" * 99 + b"\xe9,1,2\n1,2\n", "line 102: expected 3 values, got 2"),
        ("n,x1,x2\n" + "a,1,2\n" * 99 + "a" * 200_000 + ",1,2\n1,2\n", "expected 3 values, got 2"),
    ],
)
def test_a_table_that_cannot_be_read_says_where_and_why(read_rows, content, message):
    with pytest.raises(InputError, match=message):
        read_rows(content)


def test_text_that_is_not_utf8_is_told_of_its_column(read_rows):
    content = b"a,x1,id,x2\n" + b"0,1,b,2\n" * 100 + b"0,1,\xe9,2\n"
    with pytest.raises(InputError, match="line 102: column 'id' is no text in UTF-8") as caught:
        read_rows(content, others=["id"])
    assert "must be numbers" not in str(caught.value)


def test_a_missing_other_column_is_not_called_a_feature(read_rows):
    with pytest.raises(InputError, match=r"missing: 'id' \(got: 'x1', 'x2'\)") as caught:
        read_rows(PLAIN, others=["id"])
    assert "3 named features" not in str(caught.value)


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
    [lambda c: bytes(c[:-20]), *map(flip, (0, 12, 20, 100, -6))],
)
def test_damaged_gzip_is_refused(read_rows, damage):
    content = gzipped(damage)
    with pytest.raises((EOFError, OSError, zlib.error), match=r"\w"):
        gzip.decompress(content)
    with pytest.raises(InputError, match=r"cannot read .*t.csv.gz: "):
        read_rows(content, name="t.csv.gz")
