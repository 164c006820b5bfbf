"""The header, and what may be wrong with it."""

import pytest

from serve_runtime import InputError

pa = pytest.importorskip("pyarrow")

from serve_runtime.tables.dialect import Dialect  # noqa: E402
from serve_runtime.tables.read import Selection, open_table, read_batches  # noqa: E402


def table(tmp_path, text, **options):
    (tmp_path / "t.csv").write_text(text, newline="")
    with open_table(str(tmp_path / "t.csv"), **options) as found:
        batches = [rows for rows, _ in found.batches(Selection(found.names, [], texts=found.names))]
        return found.names, pa.Table.from_batches(batches).to_pydict()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "text", ["a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n", "a,b,\r\n\r\n1,2,\r\n3,4,\r\n\r\n"]
)
def test_a_separator_may_end_each_line(tmp_path, text, separator):
    names, columns = table(tmp_path, text.replace(",", separator))
    assert (names, columns) == (["a", "b"], {"a": ["1", "3"], "b": ["2", "4"]})
    names, columns = table(tmp_path, text.replace(",", separator)[4:], header=False)
    assert names == ["f0", "f1"]


def test_a_value_after_the_last_separator_is_an_error(tmp_path):
    rows = "1,2,\n" * 100
    with pytest.raises(InputError, match="line 102: expected 2 values, got 3"):
        table(tmp_path, "a,b\n" + rows + "1,2,3\n")
    with pytest.raises(InputError, match="line 102: expected 2 values, got 3"):
        table(tmp_path, "a,b,\n" + rows + "1,2,3\n")
    with pytest.raises(InputError, match="line 102: expected 3 values, got 2"):
        table(tmp_path, "a,b,\n" + rows + "1,2\n")
    with pytest.raises(InputError, match="line 3: expected 2 values, got 3"):
        table(tmp_path, "a,b\n1,2\n1,2,\n")


def test_a_column_without_a_name_is_kept_where_it_has_values(tmp_path):
    assert table(tmp_path, ",,\n1,2,\n", header=False)[0] == ["f0", "f1"]
    assert table(tmp_path, "a;b;;\n1;2;;\n") == (["a", "b"], {"a": ["1"], "b": ["2"]})
    assert table(tmp_path, "a;b\n1;2;;\n3;4;;\n")[1] == {"a": ["1", "3"], "b": ["2", "4"]}
    assert table(tmp_path, "|\n1|\n") == ([""], {"": ["1"]})
    assert table(tmp_path, "a,\n1,\n2,x\n") == (["a", ""], {"a": ["1", "2"], "": ["", "x"]})


@pytest.mark.parametrize(
    ("text", "told", "message"),
    [
        ("a;b\n1;2\n", {"separator": ","}, r"'a;b', as .*ted by ',' here.* --separator ';'"),
        ("a,b\n1,2\n", {"separator": ";"}, r"'a,b', as .*ted by ';' here.* --separator ','"),
        ("a\tb\n1\t2\n", {"separator": ";"}, "say --separator tab"),
        ("a;b\n1;2\n", {"separator": " "}, "as it is separated by blanks here"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", [True, False])
def test_another_separator_is_told(tmp_path, text, told, message, header):
    (tmp_path / "t.csv").write_text(text)
    names = ["a", "b"] if header else ["f0", "f1"]
    with pytest.raises(InputError, match=message):
        list(read_batches(str(tmp_path / "t.csv"), names, header=header, dialect=told))


def test_blanks_around_names_belong_to_none(tmp_path):
    names, columns = table(tmp_path, 'id, "the, age" , sex\n1, 2, M\n3, , " F"\n')
    assert names == ["id", "the, age", "sex"]
    assert columns == {"id": ["1", "3"], "the, age": ["2", ""], "sex": ["M", " F"]}


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_first_line_may_tell_the_separator(tmp_path, separator, mark):
    rows = f"{mark}sep=,\r\na,b\r\n1,x\r\n2,y\r\n".replace(",", separator)
    assert table(tmp_path, rows) == (["a", "b"], {"a": ["1", "2"], "b": ["x", "y"]})
    names, columns = table(tmp_path, rows, header=False)
    assert (names, columns["f0"]) == (["f0", "f1"], ["a", "1", "2"])
    with pytest.raises(InputError, match="line 5: expected 2 values, got 1"):
        table(tmp_path, rows + "3\r\n")
    with pytest.raises(InputError, match="line 4: a quotation mark opens a value"):
        table(tmp_path, rows.replace("y", '"y'))


def test_names_of_rows_are_an_error(tmp_path):
    with pytest.raises(InputError, match="line 2: expected 2 values, got 3"):
        table(tmp_path, '"x" "y"\n"1" 5 6\n"2" 7 8\n')


def test_a_dialect_names_the_columns_of_a_table_without_a_header(tmp_path):
    (tmp_path / "a.csv").write_text("1;2\n3;4\n")
    told = {"header": False, "names": ["x1", "x2"]}
    with open_table(str(tmp_path / "a.csv"), dialect=told) as table:
        assert table.names == ["x1", "x2"]
        assert table.dialect == Dialect(";", header=False, names=("x1", "x2"))
        (pair,) = table.batches(Selection(["x2"], []))
        assert pair[0].to_pydict() == {"x2": [2, 4]}
    with open_table(str(tmp_path / "a.csv"), header=True, dialect=told) as table:
        assert table.names == ["1", "2"]
    with (
        pytest.raises(
            InputError, match=r"a\.csv has 2 columns, and 1 names are told for them: 'x'"
        ),
        open_table(str(tmp_path / "a.csv"), dialect={**told, "names": ["x"]}),
    ):
        pass
    with pytest.raises(InputError, match="names are for tables without a header"):
        Dialect(names=("x1",))
