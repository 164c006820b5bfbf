"""Tables of text, for a terminal and for Markdown."""

from export.text_table import TextTable

TABLE = TextTable(
    ("name", "n", "share"), [("a", "1,234,567", "1%"), ("longer name", "7", "100.0%")]
)


def test_columns_are_as_wide_as_their_widest_cells() -> None:
    assert TABLE.text().split("\n") == [
        "name                 n   share",
        "a            1,234,567      1%",
        "longer name          7  100.0%",
    ]


def test_a_line_does_not_end_in_blanks() -> None:
    text = TextTable(("a", "b"), [("x", ""), ("y", "2")]).text()
    assert text == "a  b\nx\ny  2"


def test_the_same_in_markdown() -> None:
    assert TABLE.markdown().split("\n") == [
        "| name | n | share |",
        "| --- | --: | --: |",
        "| a | 1,234,567 | 1% |",
        "| longer name | 7 | 100.0% |",
    ]


def test_a_table_without_rows_is_its_heading() -> None:
    table = TextTable(("a", "bc"), [])
    assert table.text() == "a  bc"
    assert table.markdown() == "| a | bc |\n| --- | --: |"


def test_a_width_wraps_headings_and_the_first_column() -> None:
    table = TextTable(("scored by", "logit error"), [("onnxruntime, rows, 1 thread", "0.0249")])
    assert table.text(25).split("\n") == [
        "scored by        logit",
        "                 error",
        "onnxruntime,    0.0249",
        "rows, 1 thread",
    ]
