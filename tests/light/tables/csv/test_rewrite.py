"""Rows without blanks around values, and with one blank for each run of them."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow")

from serve_runtime.tables.csv.rewrite import Rewriter, Rewritten, needs_rewriting
from serve_runtime.tables.dialect import BLANKS, Dialect

TRIM = Dialect(trim=True)
BLANK = Dialect(separator=BLANKS)
CASES = [
    (TRIM, "a , b\n1,  x y \r\n", "a,b\n1,x y\r\n"),
    (TRIM, '\t1 ,\t"a , ""b" , 2 \n', '1,"a , ""b",2\n'),
    (TRIM, '6" x , "y\n , z" ,1', '6" x,"y\n , z",1'),
    (TRIM, " , ,\n  \n", ",,\n\n"),
    (TRIM, "a \r b , c\r", "a\rb,c\r"),
    (Dialect(separator=";", quote="'", trim=True), "a ; 'b ; c' ; d's ;\n", "a;'b ; c';d's;\n"),
    (Dialect(separator="\t", trim=True), "a \t b\t\tc\n", "a\tb\t\tc\n"),
    (BLANK, "  a \t b\n 1   2  \n\n", "a b\n1 2\n\n"),
    (BLANK, '1  "a  b"   2\r\n"c\r\n  d"\n', '1 "a  b" 2\n"c\r\n  d"\n'),
    (BLANK, "a  b\rc  d\r", "a b\nc d\n"),
]


@pytest.mark.parametrize(("dialect", "text", "expected"), CASES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_blanks_are_removed_in_any_blocks(dialect, text, expected, size):
    class Blocks(io.BytesIO):
        def read1(self, count=-1):
            return self.read(size)

    content = text.encode()
    below = Blocks(content[3:])
    stream = io.BufferedReader(Rewritten(content[:3], below, dialect, 1 << 20))
    assert stream.read().decode() == expected
    stream.close()
    assert below.closed


def test_only_what_arrow_cannot_read_is_rewritten():
    assert not needs_rewriting(Dialect())
    assert not needs_rewriting(Dialect(separator=";", decimal=",", quote="'", thousands="."))
    assert needs_rewriting(TRIM)
    assert needs_rewriting(BLANK)


def test_a_row_that_is_too_long_is_passed_on():
    content = b'a, b\n1, "x\n' + b"y\n" * 5000
    found = io.BufferedReader(Rewritten(b"", io.BytesIO(content), TRIM, 1 << 10)).read()
    assert found.startswith(b"a,b\n")
    assert found.endswith(content[-9000:])


def test_rows_that_are_there_are_given_before_more_are_read():
    class NoMore(io.BytesIO):
        def read1(self, count=-1):
            raise AssertionError

    stream = io.BufferedReader(Rewritten(b"a , b\n1 , 2\n3 , ", NoMore(), TRIM, 1 << 20))
    assert (stream.readline(), stream.readline()) == (b"a,b\n", b"1,2\n")


VALUES = st.text(st.sampled_from("ab ,;\"'\t\n"), max_size=5)


@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=6), st.data())
@settings(deadline=None)
def test_rows_are_those_of_the_csv_module(rows, data):
    blanks = st.sampled_from(["", " ", "  ", "\t"])
    lines = [
        ",".join(
            data.draw(blanks) + '"' + value.replace('"', '""') + '"' + data.draw(blanks)
            for value in row
        )
        for row in rows
    ]
    found = Rewriter(TRIM)(("\n".join(lines) + "\n").encode())[0].decode()
    assert list(csv.reader(io.StringIO(found, newline=""))) == rows
