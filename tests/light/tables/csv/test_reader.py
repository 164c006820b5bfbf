import gzip
import re

import pytest

from light.tables.reading import PLAIN
from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from serve_runtime.tables.read import read_batches  # noqa: E402


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
def test_every_spelling_of_a_csv_table_reads_the_same(read_rows, content):
    assert read_rows(content) == [{"x1": 1, "x2": 2}, {"x1": 3, "x2": 4.5}]
    assert read_rows(gzip.compress(content.encode()), name="T.CSV.GZ") == read_rows(content)


@pytest.mark.parametrize(
    "content", ["1,2\n3,4\n", "\ufeff1,2\n3,4\n", '"1","2"\n3,4', "\n1,2\n3,4"]
)
def test_columns_without_a_header_are_numbered(read_rows, content):
    names = ["f1", "f0"]
    assert read_rows(content, names, header=False) == [{"f1": 2, "f0": 1}, {"f1": 4, "f0": 3}]


def test_other_columns_are_text_from_csv(read_rows):
    rows = read_rows("id,x1,x2\n00123,1,2\nNA,1,2\n,1,2\n 1.50,1,2\n", others=["id"])
    assert [row["id"] for row in rows] == ["00123", "NA", "", " 1.50"]


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_true_and_false_are_one_and_zero(read_rows, words):
    yes, no = words
    assert read_rows(f"x1,x2\n{yes},1\n{no},2\n") == [{"x1": 1, "x2": 1}, {"x1": 0, "x2": 2}]


@pytest.mark.parametrize("between", ["", "true,2\n" * 100])
def test_a_true_false_column_may_miss_values(read_rows, between):
    rows = read_rows(f"x1,x2\ntrue,1\n{between},2\nfalse,3\n")
    assert [row["x1"] for row in rows[-2:]] == [None, 0]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NULL", "#N/A", "n/a"])
@pytest.mark.parametrize("before", [0, 1, 63, 64, 65, 300])
@pytest.mark.parametrize("where", ["before", "after"])
def test_truths_may_be_missing_anywhere(read_rows, missing, before, where):
    gaps, truths = f"{missing},1\n" * before, "True,1\nFALSE,1\n"
    rows = gaps + truths * 100 if where == "before" else truths * 100 + gaps
    found = [row["x1"] for row in read_rows("x1,x2\n" + rows)]
    wanted = [1, 0] * 100
    none = [None] * before
    assert found == (none + wanted if where == "before" else wanted + none)


@pytest.mark.parametrize("before", [1, 300])
def test_numbers_may_be_missing_at_first(read_rows, before):
    found = read_rows("x1,x2\n" + "NA,1\n" * before + "1,1\n0.5,1\n" + "NA,1\n" * before)
    assert [row["x1"] for row in found] == [None] * before + [1, 0.5] + [None] * before


@pytest.mark.parametrize("before", [0, 70, 300])
@pytest.mark.parametrize("first", ["NA", "1", "true"])
@pytest.mark.parametrize("mark", ["?", "-", "missing", "maybe"])
def test_a_mark_of_missing_values_is_told(read_rows, before, first, mark):
    with pytest.raises(
        InputError, match=rf", line {before + 2}: .*'x1' \('{re.escape(mark)}'"
    ) as caught:
        read_rows("x1,x2\n" + f"{first},1\n" * before + f"{mark},1\n")
    hint = f"{mark!r} seems to mark a missing value, and every value must be finite"
    assert (hint in str(caught.value)) == (mark != "maybe")


def test_a_true_false_column_that_turns_into_numbers_says_so(read_rows):
    with pytest.raises(InputError, match=r"'x1' \(.*'2'.*") as caught:
        read_rows("x1,x2\n" + "true,1\n" * 100 + "2,1\n")
    assert "'2' is no number" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "NA", "NaN", "nan", "null", "#N/A", "NULL"])
def test_a_missing_value_is_null(read_rows, value):
    assert read_rows(f"x1,x2\n1,{value}\n") == [{"x1": 1, "x2": None}]


def test_a_name_may_hold_another_separator(read_rows):
    assert read_rows("a;b\n1\n", ["a;b"]) == [{"a;b": 1}]


def test_a_blank_line_in_a_single_column_is_a_missing_value(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("x1\n1\n\n2\n")
    (batch,) = read_batches(str(path), ["x1"])
    assert batch.column(0).to_pylist() == [1, None, 2]


@pytest.mark.parametrize(
    "content", ['"x1,x2\n1,2\n3,4.5\n', 'x1,"x2\n1,2\n', '\n"x1,x2\n1,2', 'x1,"x""2\n1,2\n']
)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_quotation_that_the_header_leaves_open_is_an_error(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if "gz" in name else content.encode())
    with pytest.raises(InputError, match=r"line [12]: a quotation mark opens a name that no other"):
        list(read_batches(str(path), ["x1"]))


@pytest.mark.parametrize(
    "content",
    [
        'x1,x2,"note\n1,2,a\n3,4,b"\n',
        'x1,x2,"note\n1,2,a\n3,4,b"\n5,6,c\n',
        '"x1,x2,note\n1",2,a\n3,4,b\n',
        'x1,"x2,note\r1,2,a\r1,2",a\r3,4,b\r',
        'x1,x2,"note\n1,2,"a\n3,4,b\n',
    ],
)
def test_rows_that_became_part_of_a_name_are_an_error(tmp_path, content):
    (tmp_path / "t.csv").write_text(content, newline="")
    with pytest.raises(InputError, match=r"line 1: .*quotation mark"):
        list(read_batches(str(tmp_path / "t.csv"), ["x1"]))


@pytest.mark.parametrize("content", ['"x\n1",x2\n1,2\n', 'x"1,x2\n1,2\n', '"x1",x2\n'])
def test_quotation_marks_in_a_header_may_be_odd_or_span_lines(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    (batch,) = read_batches(str(tmp_path / "t.csv"), ["x2"])
    assert batch.schema.names == ["x2"]


@pytest.mark.parametrize("number_type", [pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize("text", ["1700000123", "20260131", "9007199254740993", "0.1", "1e-30"])
def test_numbers_come_in_the_precision_asked_for(tmp_path, number_type, text):
    (tmp_path / "t.csv").write_text(f"x1,x2\n{text},true\n")
    features = ["x1", "x2"]
    (batch,) = read_batches(str(tmp_path / "t.csv"), features, ["x1"], number_type=number_type)
    assert batch.schema.types == [number_type, number_type, pa.string()]
    assert batch.column(0)[0].as_py() == number_type.to_pandas_dtype()(text)


ODD_TEXTS = [
    *("1", " 1", "1\t", "1\xa0", "1\x0b", "1\x0c", "1\u2003", "\ufeff1", "+1", "0x1", "1e5", "1_0"),
    *("", " ", "NA", " NA ", "nan", "-nan", "N/A", "NULL", "inf", "-Infinity", "1,5", "1;5", "--1"),
    *("true", "tRUE", "False", "0", "1", "yes", "T", "a", '1"', '"', "1\n", "\n", "1e400", ".5"),
]


@pytest.mark.parametrize("first", ["1", "true"])
@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_a_feature_that_is_kept_is_parsed_like_any_other(tmp_path, first, text):
    path = tmp_path / "t.csv"
    quoted = text.replace('"', '""')
    path.write_text(f'x1,x2\n{first},1\n"{quoted}",2\n' + f"{first},3\n" * 70 + f'"{quoted}",4\n')

    def read(kept):
        try:
            return list(read_batches(str(path), ["x1"], kept))
        except InputError as reason:
            return str(reason)

    alone, kept = read([]), read(["x1"])
    if isinstance(alone, str):
        assert kept == alone
    else:
        both = pa.Table.from_batches(kept)
        assert both.column(0).equals(pa.Table.from_batches(alone).column(0))
        assert both.column(1)[1].as_py() == text


@pytest.mark.parametrize("header", [True, False])
def test_a_bom_in_the_first_data_row_is_part_of_its_text(tmp_path, header):
    (tmp_path / "t.csv").write_text(("x,id\n" if header else "\ufeff") + "\ufeff1,a\n2,b\n")
    names = ("x", "id") if header else ("f0", "f1")
    (batch,) = read_batches(str(tmp_path / "t.csv"), (), [names[0]], header=header)
    assert batch.column(0).to_pylist() == ["\ufeff1", "2"]
    with pytest.raises(InputError, match="is no number"):
        list(read_batches(str(tmp_path / "t.csv"), [names[0]], header=header))
