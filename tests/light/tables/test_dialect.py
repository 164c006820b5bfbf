import pytest

from serve_runtime import InputError
from serve_runtime.tables.dialect import (
    Dialect,
    gap_marker,
    told_before_card,
    told_fields,
)


def test_a_mapping_holds_a_whole_dialect():
    dialect = Dialect(";", ",", ".", "'", True, "latin-1", ("?", " "))
    assert dialect.to_mapping()["missing"] == ["?", " "]
    assert Dialect(**dialect.to_mapping()) == dialect
    assert told_fields(dialect) == dialect.to_mapping()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"separator": ""}, "separator must be one character, .*; got ''"),
        ({"separator": "::"}, "separator must be one character"),
        ({"separator": "a"}, "separator must be one character"),
        ({"separator": "."}, "separator must be one character"),
        ({"separator": '"'}, "separator must be one character"),
        ({"separator": "§"}, "separator must be one character"),
        ({"separator": 9}, "separator must be a text; got 9"),
        ({"decimal": ";"}, "decimal must be . or , ; got ';'"),
        ({"thousands": "."}, "thousands must be empty or one of .*, and not the decimal mark"),
        ({"thousands": "x"}, "thousands must be empty or one of"),
        ({"quote": "`"}, "quote must be"),
        ({"trim": 1}, "trim must be true or false; got 1"),
        ({"encoding": "nonsense"}, "encoding must be one that Python knows, .*; got 'nonsense'"),
        ({"encoding": "hex"}, "encoding must be one that Python knows"),
        ({"encoding": "utf\0"}, "encoding must be one that Python knows"),
        ({"missing": "?"}, r'missing must be a list of texts, such as \["\?"\]; got'),
        ({"missing": [1]}, "missing must be a list of printable texts; got 1"),
        ({"missing": ["\n"]}, "missing must be a list of printable texts"),
        ({"seperator": ";"}, "a dialect has the fields 'separator', .*; got 'seperator'"),
    ],
)
def test_what_no_dialect_has_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        told_fields(fields)


def test_a_dialect_is_a_mapping_or_nothing():
    assert told_fields(None) == {}
    assert told_fields({"encoding": "CP1252"}) == {"encoding": "cp1252"}
    with pytest.raises(InputError, match=r"a dialect has the fields .*; got ';'"):
        told_fields(";")


def test_what_is_told_counts_more_than_the_card():
    card = Dialect(";", ",", ".", missing=("?",), encoding="latin-1").to_mapping()
    assert told_before_card(None, card) == card
    assert told_before_card({"decimal": ","}, {}) == {"decimal": ","}
    assert told_before_card({"encoding": "utf-8"}, card) == {**card, "encoding": "utf-8"}
    other = {"encoding": "iso8859-1", "missing": ["?"], "header": True, "names": []}
    assert told_before_card({"separator": ","}, card) == {**other, "separator": ","}
    without = Dialect(header=False, names=("x1", "x2")).to_mapping()
    assert told_before_card({}, without) == without
    assert "names" not in told_before_card({"header": True}, without)
    assert told_before_card({"separator": ";"}, card) == card
    assert told_before_card(Dialect(), card) == Dialect().to_mapping()


@pytest.mark.parametrize("text", ["?", "-", " ", "n.a.", "missing", "N/A", "--", "."])
def test_one_mark_among_numbers_is_obvious(text):
    assert gap_marker([text, text]) == text


@pytest.mark.parametrize("texts", [[], ["?", "-"], ["low"], ["?", "low"], ["12 kg"]])
def test_other_texts_among_numbers_are_no_mark(texts):
    assert gap_marker(texts) is None
