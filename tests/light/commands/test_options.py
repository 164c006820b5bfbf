import pytest

from light.commands.running import invoke
from light.helpers import TINY, column

EUROPEAN = "id;x1;x2;y\n007;1,5;2;0\n008;6;3;1\n"


@pytest.fixture
def score(tmp_path):
    """Score a text with the given options."""
    pytest.importorskip("pyarrow")

    def run(content, *options, command="score"):
        (tmp_path / "in.csv").write_bytes(content.encode("cp1252"))
        more = ("-o", tmp_path / "out.csv", "--keep", "id")
        more = more if command == "score" else ("--target", "y")
        return invoke(command, TINY, tmp_path / "in.csv", *more, *options)

    return run


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (EUROPEAN, []),
        (EUROPEAN, ["--separator", ";", "--decimal", ","]),
        (EUROPEAN, ["--separator", "semicolon", "--thousands", ""]),
        (EUROPEAN.replace(";", "\t"), ["--separator", "tab"]),
        (EUROPEAN.replace(";", "\t"), ["--separator", "\\t"]),
        (EUROPEAN.replace(";", "  "), ["--separator", "blanks", "--decimal", ","]),
        (EUROPEAN.replace(";", ":"), ["--separator", ":"]),
        (EUROPEAN.replace("1,5", "1.001,5"), ["--thousands", ".", "--decimal", ","]),
        (EUROPEAN.replace("id", "id;é"), ["--encoding", "cp1252", "--missing", "?"])
    ],
)  # fmt: skip
def test_options_tell_the_dialect(score, tmp_path, content, options):
    content = content.replace("7;", "7;x;").replace("8;", "8;x;") if "é" in content else content
    result = score(content, *options)
    assert result.exit_code == 0, result.output
    assert column("id", tmp_path / "out.csv") == ["007", "008"]
    result = score(content, *options, command="evaluate")
    assert result.exit_code == 0, result.output
    assert "rows               2" in result.output


def test_columns_of_a_table_without_a_header_are_told(score, tmp_path):
    content = EUROPEAN.partition("\n")[2]
    result = score(content)
    hint = "If its first line is data ('007'), say --no-header, and --columns for their names"
    assert (result.exit_code, hint in result.output) == (1, True)
    result = score(content, "--no-header")
    told = "missing: 'x1', 'x2' (got: 'f0', 'f1', 'f2', 'f3'); say how its columns are called with"
    assert (result.exit_code, told in result.output) == (1, True)
    for command in ("score", "evaluate"):
        result = score(content, "--columns", "id,x1,x2", "--columns", "y", command=command)
        assert result.exit_code == 0, result.output
    assert column("id", tmp_path / "out.csv") == ["007", "008"]
    result = score(content, "--columns", "id,x1")
    assert "in.csv has 4 columns, and 2 names are told for them" in result.output
    result = score(EUROPEAN, "--columns", "id,x1,x2,y")
    assert "its first line holds the names of its columns: say --header" in result.output


def test_the_first_line_of_another_table_is_no_header(score):
    for content in ("a;b\nred;blue\n", "red;blue\ngreen;blue\n"):
        result = score(content, "--separator", ";")
        assert "). If its first line is data, say --no-header, and --columns" in result.output
    result = score(EUROPEAN.replace("x1", "x3"))
    assert "missing: 'x1'" in result.output
    assert "first line" not in result.output


@pytest.mark.parametrize("missing", ["?", "-,?", "?,'-'"])
def test_marks_of_missing_values_are_told(score, missing):
    result = score(EUROPEAN.replace("6", "?"), "--missing", missing)
    assert (result.exit_code, "data row 2, feature 'x1' is missing" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--separator", "ab"], "separator must be one character"),
        (["--decimal", ";"], "decimal must be . or ,"),
        (["--thousands", "."], "thousands must be empty or one of"),
        (["--encoding", "klingon"], "encoding must be one that Python knows"),
        (["--missing", '"?'], "names must be written as in CSV"),
    ],
)
@pytest.mark.parametrize("command", ["score", "evaluate"])
def test_what_no_dialect_has_is_a_wrong_command(score, options, message, command):
    result = score(EUROPEAN, *options, command=command)
    assert (result.exit_code, message in result.output) == (2, True)


def test_another_encoding_is_told_of(score):
    result = score(EUROPEAN.replace("007", "é"), "--separator", ";")
    assert result.exit_code == 1
    assert "line 2: column 'id' is no text in UTF-8" in result.output
    assert "--encoding cp1252" in result.output
