"""Values of other dialects than plain CSV, from every kind of source."""

import gzip
import io
import re
import sys

import pytest

from light.tables.reading import NAMES, rows_of
from serve_runtime import InputError
from serve_runtime.tables.dialect import Dialect

pa = pytest.importorskip("pyarrow")

from serve_runtime.tables.read import Selection, dialect_of_first, open_table, read_batches  # noqa: E402

ROWS = [{"x1": 1, "x2": 2.5}, {"x1": None, "x2": -1234.5}]
SPELLED = {
    "semicolons": "x1;n;x2\n1;a;2.5\n;b;-1234.5\n",
    "decimal commas": "x1;n;x2\n1;a;2,5\n;b;-1234,5\n",
    "thousands": "x1;n;x2\n1;a;2,5\n;b;-1.234,5\n",
    "quoted commas": 'x1,n,x2\n1,a,"2.5"\n,b,"-1,234.5"\n',
    "tabs": "x1\tn\tx2\r\n1\ta\t2.5\r\n\tb\t-1234.5\r\n",
    "bars": "x1 | n | x2\n1 | a | 2.5\n | b | -1234.5\n",
    "blanks": " x1 n  x2\n  1 a  2.5\n NA b  -1234.5\n",
    "blank after": "x1, n, x2\n1, a, 2.5\n, b, -1234.5\n",
    "quoted with blanks": 'x1, "n", x2\n1, "a", 2.5\n, "b", "-1234.5"\n',
    "apostrophes": "'x1','n','x2'\n1,'a',2.5\n,'b',-1234.5\n",
    "byte order mark": "\ufeffx1;n;x2\n1;a;2,5\n;b;-1234,5\n\n\n",
    "at the end": "x1;n;x2;\n1;a;2,5;\n;b;-1234,5;\n",
}


@pytest.mark.parametrize("content", SPELLED.values(), ids=SPELLED)
def test_the_same_rows_are_read_in_every_dialect(read_rows, content, monkeypatch):
    assert read_rows(content) == ROWS
    assert read_rows(gzip.compress(content.encode()), name="t.csv.gz") == ROWS
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert rows_of(read_batches("-", NAMES), NAMES) == ROWS
    kept = read_rows(content, others=["n"])
    assert [row["n"] for row in kept] == ["a", "b"]


@pytest.mark.parametrize("content", SPELLED.values(), ids=SPELLED)
@pytest.mark.parametrize("texts", [["n"], ["n", "x1"]])
def test_a_column_of_texts_is_a_dictionary(tmp_path, content, texts):
    (tmp_path / "t.csv").write_text(content, newline="")
    with open_table(str(tmp_path / "t.csv")) as table:
        assert table.types == {}
        ((batch, kept),) = table.batches(
            Selection(["n", "x2", "x1"], ["n"], texts=texts, precise=["x2"])
        )
    number, text = pa.float32(), pa.dictionary(pa.int32(), pa.string())
    assert batch.schema.types == [text, pa.float64(), text if "x1" in texts else number]
    assert batch.column("n").to_pylist() == ["a", "b"]
    assert batch.column("x2").to_pylist() == [2.5, -1234.5]
    if "x1" in texts:
        assert batch.column("x1").to_pylist()[0] == "1"
    assert kept.schema.types == [pa.string()]


LONG = 70_000


def test_many_blocks_are_read_alike(tmp_path):
    rows = [f'{i}, "t, {i % 7}", a b, {i}.5' for i in range(LONG)]
    (tmp_path / "t.csv").write_text("i, q, t, x\n" + "\n".join(rows * 2) + "\n")
    with open_table(str(tmp_path / "t.csv")) as table:
        assert table.dialect == Dialect(trim=True)
        pairs = table.batches(Selection(["i", "q", "t", "x"], [], pa.float64(), texts=["q", "t"]))
        found = pa.Table.from_batches([batch for batch, _ in pairs]).to_pydict()
    assert found["i"] == [*range(LONG)] * 2
    assert found["q"] == [f"t, {i % 7}" for i in range(LONG)] * 2
    assert set(found["t"]) == {"a b"}
    assert found["x"] == [i + 0.5 for i in range(LONG)] * 2


@pytest.mark.parametrize("missing", ["?", " ", "-", "n.a."])
@pytest.mark.parametrize("before", [0, 1, 100])
def test_texts_for_missing_values_are_null(tmp_path, missing, before):
    (tmp_path / "t.csv").write_text("x1,n\n" + "1,2\n" * before + f"{missing},{missing}\n2,NA\n")
    batches = read_batches(str(tmp_path / "t.csv"), ["x1"], ["n"], dialect={"missing": [missing]})
    rows = rows_of(batches, ["x1"])
    assert [row["x1"] for row in rows] == [1] * before + [None, 2]
    assert [row["n"] for row in rows][-2:] == [missing, "NA"]


LATER = "1;2\n" * 100
BAD = [
    ("x1;x2\n1;2\n1.5;3\n", {"decimal": ","}, r"'x1' \('1.5' is no number\).* say --decimal \. \("),
    ("x1;x2\n1,5;2.5\n", {}, r"'x1' \('1,5' is no number\).* of another spelling, say --decimal ,"),
    (f"x1;x2\n{LATER}1,5;3\n", {}, r"line 102: .*'x1' \('1,5' is no number\).* say --decimal ,"),
    ('x1,x2\n"1,234",3\n', {}, r"'x1' \('1,234' is no number\).* say --decimal , \(decimal\)"),
    (
        f"x1;x2\n{LATER}1.234,5;3\n", {"decimal": ","},
        r"line 102: .*'1.234,5' is no number\).* say --thousands \. \(thous"
    ),
    (
        f"x1;x2\n{LATER}12.34;3\n", {"decimal": ",", "thousands": "."},
        r"line 102: .*'12.34' is no number\).* say --decimal \."
    ),
    (f"x1;x2\n{LATER}1;2;3\n", {}, "line 102: expected 2 values, got 3"),
    (f"x1  x2\n{LATER.replace(';', ' ')}1 2 3\n", {}, "line 102: expected 2 values, got 3"),
    (f"x1, x2\n{LATER.replace(';', ', ')}1, 2, 3\n", {}, "line 102: expected 2 values, got 3"),
    ("x1;x2;n\n" + "1;2;'a'\n" * 99 + "1;2;'b\n1;3;c\n", {}, "line 101: a quotation mark"),
    ('x1;x2;n\n1;2;a\n1;2;"b\n1;3;c\n', {}, "line 3: a quotation mark opens a value that no other"),
    ('x1, x2, n\n1, 2, a\n1, 2, "b\n1, 3, c\n', {}, "line 3: a quotation mark opens a value that"),
    ('x1 x2 n\n1 2 a\n1  2 "b\n1 3 c\n', {}, "line 3: a quotation mark opens a value that no"),
    ('x1;"x2\n1;2\n', {"separator": ";"}, "line 1: a quotation mark opens a name that no other"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "told", "message"), BAD)
def test_what_cannot_be_read_tells_the_option(tmp_path, content, told, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_batches(str(tmp_path / "t.csv"), NAMES, dialect=told))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16", "utf-8"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_encoding_is_told(tmp_path, encoding, packed):
    content = ("größe;x\n" + "é;1,5\n" * 3000).encode(encoding)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(content) if packed else content)
    with open_table(str(path), dialect={"encoding": encoding}) as table:
        pairs = list(table.batches(Selection(["größe", "x"], [], texts=["größe"])))
    found = pa.Table.from_batches([batch for batch, _ in pairs]).to_pydict()
    assert found == {"größe": ["é"] * 3000, "x": [1.5] * 3000}


def test_a_byte_order_mark_counts_more_than_an_encoding(tmp_path):
    for content in ("\ufeffé;x\n1;2\n".encode(), "é;x\n1;2\n".encode("utf-16")):
        (tmp_path / "t.csv").write_bytes(content)
        with open_table(str(tmp_path / "t.csv"), dialect={"encoding": "cp1252"}) as table:
            assert table.names == ["é", "x"]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"n,x1\n" + b"a,1\n" * 99 + b"b\xe9,1\n", "utf-8", "line 101: column 'n' is no text in UTF"
         "-8: save the file as UTF-8, or say .* --encoding cp1252 .its first other byte is 0xe9"),
        (b"\xe9,n,x1\n1,2,3\n", "utf-8", "name of column 1 is no text .* --encoding cp1252 .*0xe9"),
        (b"n,x1\n" + b"a,1\n" * 99 + b"b\x81,1\n", "cp1252", "'charmap' codec .* 0x81 .*line 101"),
        (b"n,x1\n1,2\n\xe9,3\n", "ascii", "'ascii' codec .* 0xe9 .*line 3.*: save .* --encoding"),
        (b"n,x1\n1,2\n", "utf-16", "t.csv has no byte order mark: say --encoding utf-16-le"),
    ],
)  # fmt: skip
def test_text_in_another_encoding_is_told_of(tmp_path, content, encoding, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_batches(str(tmp_path / "t.csv"), ["x1"], ["n"], dialect={"encoding": encoding}))


def test_texts_with_blanks_are_refused_where_others_have_none(tmp_path):
    (tmp_path / "t.csv").write_text("n, x1\na, 1\nb, 2\n")
    path = str(tmp_path / "t.csv")
    with (
        pytest.raises(InputError, match="blanks stand around its values"),
        open_table(path, dialect=Dialect()) as table,
    ):
        list(table.batches(Selection([" x1"], [], texts=[" x1"])))
    assert rows_of(read_batches(path, [" x1"], dialect=Dialect()), [" x1"]) == [
        {" x1": 1},
        {" x1": 2},
    ]


def test_many_tables_are_read_like_the_first(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    for path, text in zip(paths, ("x1;x2\n1,5;2\n", "x1;x2\n1.5;2\n"), strict=True):
        with open(path, "w") as file:
            file.write(text)
    told = dialect_of_first(paths, {"missing": ["?"]}, encoding_is_assumed=False)
    assert told == Dialect(";", ",", missing=("?",))
    assert rows_of(read_batches(paths[0], NAMES, dialect=told), NAMES) == [{"x1": 1.5, "x2": 2}]
    with pytest.raises(InputError, match=re.escape("b.csv, line 2") + ".*say --decimal"):
        list(read_batches(paths[1], NAMES, dialect=told))
    assert dialect_of_first(paths[:1], {"missing": ["?"]}, encoding_is_assumed=False) == {
        "missing": ["?"]
    }
