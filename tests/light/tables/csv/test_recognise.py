"""Which dialect the first lines of a CSV show, and that it reads what was written."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")

from serve_runtime.tables.csv.recognise import recognise  # noqa: E402
from serve_runtime.tables.dialect import BLANKS, Dialect  # noqa: E402
from serve_runtime.tables.read import Selection, open_table, read_batches  # noqa: E402


def told_by(text, **told):
    return recognise(text.encode("utf-8", "surrogateescape"), True, told)


SEMICOLON = {"separator": ";"}
EUROPEAN = {"separator": ";", "decimal": ","}
CLEAR = [
    ("a;b\n1;2\n", SEMICOLON),
    ("a\tb\n1\t2\n", {"separator": "\t"}),
    ("a|b\n1|x\n", {"separator": "|"}),
    ("a b\n1 x\n2 y\n", {"separator": BLANKS}),
    ("  a   b\n  1   2\n 10   2\n", {"separator": BLANKS}),
    ('18.0   8\t"chevrolet malibu"\n15.0   8\t"buick"\n', {"separator": BLANKS}),
    ("a;b\n1,5;2\n", EUROPEAN),
    ("a;b\r1,5;2\r", EUROPEAN),
    ("\ufeffa;b\r\n\r\n1,5;2\r\n", EUROPEAN),
    ("a;b\n?;x\n,5;NA\n", EUROPEAN),
    ('a;b\n"1,5";x\n', EUROPEAN),
    ("a\tb\n-1,5e3\tx\n", {"separator": "\t", "decimal": ","}),
    ("a b\n1,5 2,5\n3,1 4,2\n", {"separator": BLANKS, "decimal": ","}),
    ("a;b\n1.234,5;2\n", {**EUROPEAN, "thousands": "."}),
    ("a;b\n1.234.567;2,5\n", {**EUROPEAN, "thousands": "."}),
    ("a;b\n1 234,5;2\n", {**EUROPEAN, "thousands": " "}),
    ("a;b\n1'234.5;2\n", {**SEMICOLON, "thousands": "'"}),
    ('a,b\n"1,234.50",2\n', {"thousands": ","}),
    ("a;b\n'1';'x;y'\n'2';'z'\n", {**SEMICOLON, "quote": "'"}),
    ("a,b\n1,'x,y'\n2,'z'\n", {"quote": "'"}),
    ("a, b, c\n1, x, 2\n3, y, 4\n", {"trim": True}),
    ("a,b,c\n1, x, 2\n3,, 4\n", {"trim": True}),
    ('a, b\n1, "x, y"\n2, "z"\n', {"trim": True}),
    ("a | b\n1 | x\n3 | y\n", {"separator": "|", "trim": True}),
    ("a;b;\n1;2;\n", SEMICOLON),
    ("a;b\n1;2;\n3;4;\n", SEMICOLON),
    ("a;b\n" + "1;2\n" * 20 + "1\n", SEMICOLON),
    ("n;o, p;x\na;B, D;1,5\nb;C, D;2\n", EUROPEAN),
    ('t;x\n"a\nb";1,5\n"c";2\n', EUROPEAN),
    ("d;x\n01.02.2024;1,5\n", EUROPEAN),
    ("t;x\n2024-01-01 12:00;1,5\n", EUROPEAN),
    ("a;b", SEMICOLON),
]


@pytest.mark.parametrize(("text", "fields"), CLEAR)
def test_a_clear_dialect_is_recognised(text, fields):
    header = not text[0].isdigit()
    assert told_by(text, header=header) == Dialect(header=header, **fields)


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "a,b\n1,2\n", "a\n1\n", "a;b\n1\n", "id,tags\n1,a;b\n2,c;d\n",
        'id,t\n1,"a;b"\n2,"c;d"\n', "name\nNew York\nLos Angeles\n", "mean radius\n1.5\n",
        "date\n2024-01-01 12:00:00\n2024-01-02 12:00:00\n", 'a,b\n"1,5",2\n', 'a,b\n"1,234",2\n',
        "a,t\n1,don't\n2,'tis\n", "a,t\n1, x\n2,y\n", "a\n1,5\n2,5\n", "a,b\n1\t2,3\n2\t3,4\n",
        "a,b\n2024-01-01 12:00,5\n", "a;b\n1;2\n3\n", "a,b\n1;2,3;4\n",
    ],
)  # fmt: skip
def test_what_is_not_clear_is_read_as_plain_csv(text):
    assert told_by(text) == Dialect()


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n1.234;2\n",  # a point may be either
        "a;b\n1,234;2\n5,678;3\n",  # and so may a comma
        "a;b\n1,5;2.5\n",  # both cannot be
        "a;b\n1,5 kg;2\n",
        "lat;t\n52.5,13.4;1\n",
    ],
)
def test_a_decimal_comma_has_to_be_unmistakable(text):
    assert told_by(text) == Dialect(**SEMICOLON)


def test_without_a_header_numbers_tell_the_separator():
    assert told_by("1,5;2,5\n3,1;4,2\n", header=False) == Dialect(header=False, **EUROPEAN)
    assert told_by("Doe, J\t3\t1\nRoe, K\t4\t2\n", header=False) == Dialect(
        separator="\t", header=False
    )
    assert told_by("A11 6 x\nA12 48 y\n", header=False) == Dialect(separator=BLANKS, header=False)


def test_what_is_told_is_taken_and_the_rest_recognised():
    assert told_by("a:b\n1,5:x\n", separator=":") == Dialect(separator=":", decimal=",")
    assert told_by("a;b\n1.234;x\n", decimal=",") == Dialect(**EUROPEAN)
    assert told_by("a;b\n1,5;x\n", separator=",") == Dialect()
    assert told_by("a;b\n1,234;x\n", thousands=",") == Dialect(separator=";", thousands=",")
    assert told_by("a;b\n'1';x\n", quote='"') == Dialect(**SEMICOLON)
    assert told_by("a, b\n1, x\n", trim=False) == Dialect()
    complete = Dialect(missing=("?",))
    assert told_by("a;b\n1,5;x\n", **complete.to_mapping()) == complete


def test_a_line_that_is_cut_off_is_left_out():
    start = b"a;b\n1,5;2\n2,5;3;4;"
    assert recognise(start, False, {}) == Dialect(**EUROPEAN)
    assert recognise(b"a;b;c", False, {}) == Dialect(**SEMICOLON)


TEXTS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85\ufeff"),
    max_size=6,
)
TABLES = st.lists(
    st.tuples(st.integers(-(10**9), 10**9), st.integers(-9999, 9999), TEXTS), min_size=1, max_size=9
)


@st.composite
def dialects(draw):
    separator = draw(st.sampled_from(",;\t| "))
    decimal = "." if separator == "," else draw(st.sampled_from(".,"))
    groups = {".": "", ",": draw(st.sampled_from(["", "."]))}[decimal]
    quote = draw(st.sampled_from("\"'"))
    trim = separator != BLANKS and draw(st.booleans())
    return Dialect(separator, decimal, groups, quote, trim)


def write(dialect, rows, newline, all_quoted, trailing):
    """A CSV of this dialect with two columns of numbers and one of texts."""
    mark, separator = dialect.quote, dialect.separator
    special = {mark, separator, "\n", " ", "\xa0", "'", '"'}

    def text(value):
        if not all_quoted and value and not set(value) & special:
            return value
        return mark + value.replace(mark, 2 * mark) + mark

    def number(value):
        digits = f"{value / 8:,.3f}".replace(",", "_").replace(".", dialect.decimal)
        return digits.replace("_", dialect.thousands)

    between = {True: f"{separator} ", False: separator}[dialect.trim]
    lines = [["x", "y", "t"], ["1" + number(8000), number(4), text("a")]]
    lines += [[number(x), number(y), text(t)] for x, y, t in rows]
    end = separator if trailing and separator != BLANKS else ""
    return "".join(between.join(line) + end + newline for line in lines)


@given(
    TABLES, dialects(), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.booleans()
)
@settings(max_examples=300, deadline=None)
def test_what_is_written_in_any_dialect_is_read(
    tmp_path_factory, rows, dialect, newline, all_quoted, trailing, packed
):
    path = tmp_path_factory.mktemp("any") / "t.csv"
    content = write(dialect, rows, newline, all_quoted, trailing).encode()
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with open_table(str(path)) as table:
        found = table.dialect
        pairs = list(table.batches(Selection(["x", "y", "t"], [], pa.float64(), texts=["t"])))
    shown = {name: getattr(dialect, name) for name in ("separator", "decimal", "thousands", "trim")}
    assert {name: getattr(found, name) for name in shown} == shown
    read = pa.Table.from_batches([numbers for numbers, _ in pairs]).to_pydict()
    assert read["x"][1:] == [x / 8 for x, _, _ in rows]
    assert read["y"] == [0.5, *(y / 8 for _, y, _ in rows)]
    assert read["t"] == ["a", *(text for _, _, text in rows)]
    again = list(read_batches(str(path), ["y"], ["t"], dialect=found))
    assert pa.Table.from_batches(again).column("t").to_pylist() == read["t"]
