"""The codes of a category's values in columns of every kind."""

import datetime
from decimal import Decimal
from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from serve_runtime import RowError
from serve_runtime.features.codes import LevelCodes
from serve_runtime.features.column import CATEGORY, Column

COLUMN = Column(
    "size", CATEGORY, missing="level", gaps=1, missing_texts=("?",),
    levels=("-0.5", "3", "True", "l", "m"), counts=(1,) * 5, rare=("xl",), rare_count=1,
)  # fmt: skip
TEXTS = Column("colour", CATEGORY, levels=("blue", "red"), counts=(1, 1))
NAN = float("nan")
UNKNOWN, HALF, THREE, TRUE, L, M, MISSING, RARE = range(8)


def codes_of(values, column=COLUMN):
    return LevelCodes(column).of_column(values).all().tolist()


class Colour(str, Enum):  # noqa: UP042  a StrEnum prints its value
    """Prints its name, and is its value."""

    RED = "l"


def test_a_text_is_its_level_to_the_last_blank():
    found = codes_of(["l", "m", " l", "L", "xl", "3", "3.0", "?", "", None])
    assert found == [L, M, UNKNOWN, UNKNOWN, RARE, THREE, UNKNOWN, MISSING, MISSING, MISSING]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((value, THREE) for value in (3, 3.0, np.int8(3), np.float16(3), Decimal("3.00"))),
        *((value, HALF) for value in (-0.5, np.float32(-0.5), Decimal("-0.50"))),
        *((value, TRUE) for value in (True, np.bool_(True))),
        *((value, UNKNOWN) for value in (1, 1.0, 0, False, 2**70, float("inf"))),
        *((value, MISSING) for value in (float("nan"), np.float32("nan"), pd.NA, pd.NaT)),
        *((value, MISSING) for value in (Decimal("nan"), Decimal("sNaN"), np.ma.masked)),
        *((value, L) for value in (np.str_("l"), Colour.RED)),
    ],
)
def test_a_value_is_its_canonical_text(value, code):
    assert codes_of([value, "m"]) == [code, M]
    assert codes_of((value,)) == [code]
    if value is not np.ma.masked:
        array = np.empty(1, object)
        array[0] = value
        assert codes_of(array) == [code]


@pytest.mark.parametrize(
    ("column", "codes"),
    [
        (np.array([3, 1], np.uint8), [THREE, UNKNOWN]),
        (np.array([-0.5, np.nan, 3], np.float32), [HALF, MISSING, THREE]),
        (np.array([True, False]), [TRUE, UNKNOWN]),
        (np.array(["l", "", "?"], "U1"), [L, MISSING, MISSING]),
        (np.array(["l", "m"], np.dtypes.StringDType()), [L, M]),
        (np.ma.array(["l", "m"], mask=[0, 1]), [L, MISSING]),
        (np.ma.array([3, 3], mask=[0, 1]), [THREE, MISSING]),
        (np.ma.array([True, True], mask=[0, 1]), [TRUE, MISSING]),
        (pd.Series([3, None], dtype="Int64"), [THREE, MISSING]),
        (pd.Series([-0.5, None], dtype="Float32"), [HALF, MISSING]),
        (pd.Series([True, None], dtype="boolean"), [TRUE, MISSING]),
        (pd.Series([3, -0.5, None]).astype("category"), [THREE, HALF, MISSING]),
        (pd.Series(pd.arrays.SparseArray([3, -0.5, np.nan])), [THREE, HALF, MISSING]),
        (pd.Series(["m", "l"], dtype=pd.CategoricalDtype(["zz", "l", "m"])), [M, L]),
        (pd.Series([3, None], dtype="int8[pyarrow]"), [THREE, MISSING]),
        (pl.Series([3, None]), [THREE, MISSING]),
        (pl.Series([-0.5, None], dtype=pl.Float32), [HALF, MISSING]),
        (pl.Series([True, None]), [TRUE, MISSING]),
        (pl.Series([None, None]), [MISSING, MISSING]),
        (pl.Series([None, "l"], dtype=pl.Enum(["m", "l"])), [MISSING, L]),
        (pl.Series([None, None], dtype=pl.Categorical), [MISSING, MISSING]),
        (pl.Series([Decimal("3.0"), Decimal("-0.5")]), [THREE, HALF]),
        (pa.array([3, None], pa.int16()), [THREE, MISSING]),
        (pa.array([-0.5, None], pa.float32()), [HALF, MISSING]),
        (pa.array([True, None]), [TRUE, MISSING]),
        (pa.nulls(2), [MISSING, MISSING]),
        (pa.array([True, None]).cast(pa.int8()).cast(pa.bool8()), [TRUE, MISSING]),
        (pa.array([Decimal("3.00"), None]), [THREE, MISSING]),
        (pa.chunked_array([["l"], [None, "m"]]), [L, MISSING, M]),
        (pa.chunked_array([], pa.string()), []),
        (pa.array([], pa.string()), []),
        (pa.array([], pa.string()).dictionary_encode(), []),
        (pa.array(["l", None]).cast(pa.dictionary(pa.uint8(), pa.string())), [L, MISSING]),
        (pa.array(["?", "", "xl"], pa.large_string()), [MISSING, MISSING, RARE]),
    ],
)
def test_a_column_of_any_kind(column, codes):
    assert codes_of(column) == codes


def test_float32_levels_are_the_shortest_texts_of_float32():
    column = Column("c", CATEGORY, levels=("1.1",), counts=(1,))
    single = np.float32(1.1)
    for values in (
        [single], np.array([single]), pa.array([single], pa.float32()),
        pd.Series([single]), pd.Series([single], dtype="Float32"), pl.Series(np.array([single])),
        pd.Series([single], dtype="float[pyarrow]"),
        pd.Series([single]).astype("category"), np.ma.array([single]),
        pd.Series([single], dtype="float[pyarrow]").astype("category"),
    ):  # fmt: skip
        assert codes_of(values, column) == [1]
    with_null = pa.DictionaryArray.from_arrays([0, 1], pa.array([single, None], pa.float32()))
    assert codes_of(with_null, column) == [1, column.missing_code]


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_widened_float_is_the_level_that_it_was(kind):
    levels = ("0.1", "0.2", "1.5")
    column = Column("rate", CATEGORY, levels=levels, counts=(1,) * 3)
    narrow = np.array([0.1, 0.2, 1.5, 0.7], kind)
    for values in (
        narrow, narrow.tolist(), narrow.astype(np.float64), narrow.astype(np.float32),
        narrow.astype(object), pa.array(narrow.tolist()), pl.Series(narrow.tolist()),
        pd.Series(narrow.tolist(), dtype="category"), pd.Series(narrow.tolist(), dtype="Float64"),
    ):  # fmt: skip
        assert codes_of(values, column) == [1, 2, 3, UNKNOWN]


def test_a_narrowed_float_that_lost_nothing_is_its_level():
    exact = float(np.float32(0.1))
    column = Column("rate", CATEGORY, levels=("0.1", str(exact)), counts=(1, 1))
    assert codes_of([0.1, exact, np.float32(0.1)], column) == [1, 2, 1]
    alone = Column("rate", CATEGORY, levels=(str(exact),), counts=(1,))
    assert codes_of([0.1, np.float32(0.1), 1e300], alone) == [UNKNOWN, 1, UNKNOWN]
    near = Column("rate", CATEGORY, levels=("0.12345679",), counts=(1,))
    assert codes_of([0.12345678901, np.float32(0.12345678901)], near) == [UNKNOWN, 1]


def test_whole_numbers_beside_gaps_keep_all_their_digits():
    column = Column("c", CATEGORY, levels=(str(2**53 + 1),), counts=(1,))
    for values in (
        np.ma.array([2**53 + 1, 0], mask=[0, 1]), pd.Series([2**53 + 1, None], dtype="Int64"),
        pd.Series([2**53 + 1, None], dtype="int64[pyarrow]"), pl.Series([2**53 + 1, None]),
        pa.array([2**53 + 1, None]),
    ):  # fmt: skip
        assert codes_of(values, column) == [1, column.missing_code]


def test_an_unused_value_of_a_dictionary_is_no_matter():
    frame = pd.Series(["l", None], dtype=pd.CategoricalDtype(["l", datetime.date(2026, 1, 1)]))
    assert codes_of(frame) == [L, MISSING]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["l", b"m"], "row 1, feature 'size' is a category: a bytes is no level; got a bytes"),
        (np.array([b"l"]), "row 0, .* a bytes_ is no level; got .*"),
        (["l", ["m"]], "row 1, .* a list is no level; got a list"),
        (["l", datetime.date(2026, 1, 2)], "row 1, .* a date is no level; got a date"),
        (np.array(["2026-01-02"], "M8[D]"), "a datetime64 is no level"),
        (np.array(["2026-01-02"], "M8[ns]"), "a datetime64 is no level"),
        (pd.Series(pd.to_datetime(["2026-01-02"])), "a datetime64 is no level"),
        (pl.Series([None, datetime.date(2026, 1, 2)]), "row 1, .* a date is no level; got a date"),
        (pa.array([None, datetime.date(2026, 1, 2)]), "row 1, .* a datetime64 is no level"),
        (pa.array([b"l"]), "row 0, .* a bytes is no level; got a bytes"),
        (pa.array([["l"]], pa.list_(pa.string())), "a list is no level"),
        ([1j], "a complex is no level"),
        (np.array([1], "m8[s]"), "a timedelta64 is no level"),
    ],
)
def test_what_is_no_level_is_named(column, message):
    with pytest.raises(RowError, match=message):
        codes_of(column)


@pytest.mark.parametrize(
    "column",
    [
        ["red", 7], np.array([7.5]), pd.Series([7]), pa.array([7]), pl.Series([7]), [2**70],
        pd.Series(["red", 7]).astype("category"),
    ],
)  # fmt: skip
def test_numbers_for_a_category_of_texts_are_refused(column):
    message = "row ., .*its levels are texts such as 'blue', not numbers; got "
    with pytest.raises(RowError, match=message):
        codes_of(column, TEXTS)


def column_of(levels, **more):
    return Column("c", CATEGORY, levels=levels, counts=(1,) * len(levels), **more)


@pytest.mark.parametrize(
    ("levels", "values", "message"),
    [
        (("False", "True"), [True, 1], "row 1, .* levels are true and false such as 'False', not "
         "numbers; got 1"),
        (("false", "true"), [True], "row 0, .*its level 'true' is another spelling of True: pass "
         "the text"),
        (("0", "1"), np.array([True]), "levels are numbers such as '0', not true and false"),
        (("a", "b"), [True], "levels are texts such as 'a', not true and false"),
        (("02134", "10001"), [10001, 2134], "row 1, .*its level '02134' is another spelling of "
         "2134: pass the text; got 2134"),
        (("02134", "10001"), pd.Series([10001, 2134.0]), "row 1, .*its level '02134'"),
        (("02134", "10001"), pa.array([2134], pa.int32()), "row 0, .*its level '02134'"),
        (("3.00", "4.00"), [Decimal("3.00")], "row 0, .*its level '3.00' is another spelling of 3"),
        (("3.0", "x"), [3], "row 0, .*its level '3.0' is another spelling of 3"),
        ((" 3", "3,5"), [3.0], "row 0, .*its level ' 3' is another spelling of 3"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_than_the_levels(levels, values, message):
    with pytest.raises(RowError, match=message):
        codes_of(values, column_of(levels))


def test_texts_are_unknown_where_numbers_are_refused():
    assert codes_of(["02134", "2134", "10001", 10001], column_of(("02134", "10001"))) == [
        1,
        0,
        2,
        2,
    ]
    assert codes_of(["a", 5, "5"], column_of(("4", "a"))) == [2, 0, 0]
    assert codes_of([4.5, float("inf"), 10**400], column_of(("3", "4"), levels_are="numbers")) == [
        *(UNKNOWN, UNKNOWN, UNKNOWN)
    ]


@pytest.mark.parametrize(
    "values",
    [
        ["3", "3.0", "4.0", "5", None], [3, 3.0, np.int64(4), 5, None], np.array([3, 3, 4, 5, NAN]),
        pd.Series([3, 3, 4, 5, None]), pd.Series([3, 3, 4, 5, None], dtype="Int64"),
        pd.Series([3, "3.0", 4.0, "5", None]), pl.Series([3, 3, 4, 5, None]),
        pa.array(["3.0", "3", "4.0", "5.0", ""]).dictionary_encode(), pa.array([3.0, 3, 4, 5, NAN]),
    ],
)  # fmt: skip
def test_numbers_are_one_level_in_each_spelling(values):
    column = column_of(("3", "4"), missing="level", gaps=1, levels_are="numbers")
    assert codes_of(values, column) == [1, 1, 2, UNKNOWN, 3]


def test_few_rows_with_a_dictionary_of_many_values():
    levels = [f"{number}" for number in range(5000)]
    values = ["m", None, "3", "4999", "m"]
    codes = [M, MISSING, THREE, UNKNOWN, M]
    every = [*levels, "m"]
    place = [None if value is None else every.index(value) for value in values]
    arrow = pa.DictionaryArray.from_arrays(pa.array(place), pa.array(every))
    category = pd.Series(values, dtype=pd.CategoricalDtype(every))
    numbers = pd.Series([3.0, None, 4], dtype=pd.CategoricalDtype(list(map(float, range(5000)))))
    assert codes_of(arrow) == codes_of(category) == codes
    assert codes_of(arrow.slice(1, 1)) == codes_of(category[1:2]) == [MISSING]
    assert codes_of(arrow.slice(2)) == codes_of(category[2:]) == codes[2:]
    assert codes_of(arrow.slice(0, 0)) == codes_of(category[:0]) == []
    assert codes_of(numbers) == [THREE, MISSING, UNKNOWN]
    assert codes_of(pa.array(numbers.astype(float)).dictionary_encode())[0] == THREE


def test_the_row_of_a_later_piece_is_named():
    column = pa.chunked_array([["l", "m"], ["l", "m"]]).cast(pa.binary())
    column = pa.chunked_array([pa.array(["l", "m"]).cast(pa.binary()).slice(0, 0), *column.chunks])
    with pytest.raises(RowError, match=r"^row 0, "):
        codes_of(column)
    numbers = pa.chunked_array([[None, None], [None, 7]], pa.int8())
    with pytest.raises(RowError, match=r"^row 3, .* not numbers; got 7"):
        codes_of(numbers, TEXTS)


def test_missing_numbers_in_a_category_of_texts_are_missing():
    assert codes_of(np.array([np.nan]), TEXTS) == [TEXTS.missing_code]


def test_an_index_outside_its_dictionary_is_refused():
    for index in (-1, 2):
        broken = pa.DictionaryArray.from_arrays(pa.array([0, index]), ["l", "m"], safe=False)
        with pytest.raises(IndexError, match="a dictionary of 2 values has no index"):
            codes_of(broken)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64()])
def test_a_negative_index_of_a_long_dictionary_is_refused(kind):
    levels = [str(level) for level in range(70_000)]
    broken = pa.DictionaryArray.from_arrays(pa.array([0, -1], kind), levels, safe=False)
    with pytest.raises(IndexError, match="has no index from -1 to 0"):
        codes_of(broken)


@pytest.mark.parametrize("unknown", [0, 1, 3, 4, 50])
@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "values"])
@pytest.mark.parametrize("gaps", [False, True])
def test_rows_of_a_code_are_counted(unknown, kind, gaps):
    """However many values of a dictionary have the code, and in whatever type the positions are."""
    distinct = ["blue", "red", *(f"other {number}" for number in range(unknown))]
    rng = np.random.default_rng(unknown)
    texts = rng.choice(distinct, 500).astype(object)
    texts[:100] = np.where(gaps, None, texts[:100])
    column = texts.tolist()
    if kind != "values":
        column = pa.array(column).dictionary_encode()
        column = pa.DictionaryArray.from_arrays(column.indices.cast(kind), column.dictionary)
    found = LevelCodes(TEXTS).of_column(column)
    for code in range(TEXTS.codes):
        assert found.count(code) == np.count_nonzero(found.all() == code)
    assert found.count(TEXTS.missing_code) == 100 * gaps
    assert found.count(0) == sum(str(text).startswith("other") for text in column)
