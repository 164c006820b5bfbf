"""Rows that know their names are matched by name, never scored by position."""

import sqlite3
from collections import (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    defaultdict,
    deque,
    namedtuple,
)
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest

from light.helpers import assert_same_bits
from serve_runtime import InputError

ROWS = np.array([[3, 1], [0, 2], [-5, 40]], np.float32)
SWAPPED = [(float(b), "a", float(a)) for a, b in ROWS]
"""The values in another order, under the names x2, note, x1."""


class LabelledArray:
    """What an xarray.DataArray shows of itself."""

    def __init__(self, values, dims, coords):
        self.values, self.dims, self.coords = np.asarray(values), dims, coords

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return iter(self.values)


class EngineRow(tuple):
    """A tuple with its names in `__fields__`, as engines have them."""

    __fields__ = ("x2", "note", "x1")


class DatabaseRow:
    """A row with `keys()` that is no mapping, as some drivers give it."""

    def __init__(self, values):
        self._values = values

    def keys(self):
        return iter(("x2", "note", "x1"))

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, position):
        return self._values[position]


def series():
    pandas = pytest.importorskip("pandas")
    return [pandas.Series(values, ["x2", "note", "x1"]) for values in SWAPPED]


def sqlite_rows():
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("create table t (x2 real, note text, x1 real)")
        connection.executemany("insert into t values (?, ?, ?)", SWAPPED)
        found = connection.execute("select * from t").fetchall()
    connection.close()
    return found


def itertuples():
    pandas = pytest.importorskip("pandas")
    return list(pandas.DataFrame(SWAPPED, columns=["x2", "note", "x1"]).itertuples())


class KeyedRow:
    """A row that gives its names when it is gone through, and its values by name."""

    def __init__(self, values):
        self._values = dict(zip(Row._fields, values, strict=True))

    def keys(self):
        return self._values.keys()

    def __iter__(self):
        return iter(self._values)

    def __getitem__(self, name):
        return self._values[name]


class Coordinate:
    """A coordinate of a labelled array that has another name than its dimension."""

    def __init__(self, values, dimension):
        self.values, self.dims = np.asarray(values), (dimension,)

    def __array__(self, dtype=None, copy=None):
        return self.values


def polars_structs():
    polars = pytest.importorskip("polars")
    return polars.DataFrame({"x2": ROWS[:, 1], "x1": ROWS[:, 0]}).to_struct("s")


Row = namedtuple("Row", ["x2", "note", "x1"])
KINDS = {
    "named tuples": lambda: [Row(*values) for values in SWAPPED],
    "a tuple of named tuples": lambda: tuple(Row(*values) for values in SWAPPED),
    "a deque of named tuples": lambda: deque(Row(*values) for values in SWAPPED),
    "a sequence of its own": lambda: UserList(Row(*values) for values in SWAPPED),
    "sqlite3.Row": sqlite_rows,
    "pandas Series": series,
    "pandas itertuples": itertuples,
    "other mappings": lambda: [
        MappingProxyType(OrderedDict(zip(Row._fields, values, strict=True))) for values in SWAPPED
    ],
    "records": lambda: list(
        np.array(SWAPPED, [("x2", "<f4"), ("note", "U3"), ("x1", "<f8")])
    ),
    "records of no dimension": lambda: [
        np.array(values, [("x2", "<f4"), ("note", "U3"), ("x1", "<f8")]) for values in SWAPPED
    ],
    "rows of an engine": lambda: [EngineRow(values) for values in SWAPPED],
    "rows of a database": lambda: [DatabaseRow(values) for values in SWAPPED],
    "labelled rows": lambda: [
        LabelledArray([b, a], ("feature",), {"feature": np.array(["x2", "x1"])}) for a, b in ROWS
    ],
    "rows of keys": lambda: [KeyedRow(values) for values in SWAPPED],
    "labels of another name": lambda: [
        LabelledArray([b, a], ("f",), {"name": Coordinate(["x2", "x1"], "f")}) for a, b in ROWS
    ],
    "polars structs": polars_structs,
    "a labelled array": lambda: LabelledArray(
        ROWS[:, ::-1], ("row", "feature"), {"feature": np.array(["x2", "x1"])}
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_rows_with_names_are_matched_by_name(predictor, kind):
    x = KINDS[kind]()
    named = predictor.decision_function([{"x1": float(a), "x2": float(b)} for a, b in ROWS])
    found = predictor.decision_function(x)
    if kind in ("a labelled array", "polars structs"):  # columns, as everything with named columns
        named = predictor.decision_function({"x1": ROWS[:, 0], "x2": ROWS[:, 1]})
    assert_same_bits(found, named)


def test_a_view_of_memory_is_an_array(predictor):
    assert_same_bits(predictor.probability(memoryview(ROWS)), predictor.probability(ROWS))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a labelled array"])
def test_one_row_with_names_is_a_batch_of_one(predictor, kind):
    row = KINDS[kind]()[1]
    expected = predictor.predict_proba([{"x1": 0.0, "x2": 2.0}])
    for x in (row, [row]):
        assert_same_bits(predictor.predict_proba(x), expected)


SINGLE = {
    "numbers": {"x2": 2, "note": "a", "x1": 0.0},
    "flags": {"x1": False, "x2": 2},
    "numpy scalars": {"x1": np.float32(0), "x2": np.int8(2)},
    "arrays of no dimension": {"x1": np.array(0.0), "x2": np.array(2)},
    "decimals": {"x1": Decimal(0), "x2": Decimal("2.0")},
    "fractions": {"x1": Fraction(0), "x2": Fraction(4, 2)},
    "a dict in order": OrderedDict(x1=0, x2=2),
    "a dict of a class of its own": UserDict(x1=0, x2=2),
    "counts": Counter(x1=0, x2=2),
    "several dicts": ChainMap({"x1": 0}, {"x2": 2}),
    "a column that is not needed": {"x1": 0, "x2": 2, "other": [1, 2, 3]},
}


@pytest.mark.parametrize("name", SINGLE)
def test_a_dict_of_single_values_is_a_batch_of_one(predictor, name):
    """One JSON object where a list of them was meant."""
    expected = predictor.scores([{"x1": 0, "x2": 2}])
    for found, wanted in zip(predictor.scores(SINGLE[name]), expected, strict=True):
        assert_same_bits(found, wanted)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"x1": "0", "x2": 2}, "x must be numeric; got the text '0' in row 0, feature 'x1'$"),
        ({"x1": 0, "x2": None}, r"row 0, feature 'x2' is missing \(NaN\)"),
        ({"x1": 0, "y": 2}, r"2 named features; missing: 'x2' \(got: 'x1', 'y'\)"),
        ({"x1": 0, "x2": [2, 3]}, "feature 'x1' must be a column of values; got a int$"),
        ({"x1": [2, 3], "x2": 0}, "feature 'x2' must be a column of values; got a int$"),
        ({"x1": {"a": 1}, "x2": 0}, "feature 'x1' must be a column of values; got a dict$"),
        (Row(1, "a", "b"), "x must be numeric; got the text 'b' in row 0, feature 'x1'$"),
    ],
)
def test_a_single_row_that_cannot_be_scored_is_named(predictor, x, message):
    with pytest.raises(InputError, match=message):
        predictor.probability(x)


def test_rows_with_names_in_an_array_are_matched_by_name(predictor):
    rows = np.empty(3, object)
    rows[:] = [dict(zip(Row._fields, values, strict=True)) for values in SWAPPED]
    assert_same_bits(predictor.probability(rows), predictor.probability(rows.tolist()))


def test_a_name_that_a_dict_would_make_up_is_missing(predictor):
    made_up = defaultdict(int, x1=1)
    for x in (made_up, [made_up], [{"x1": 1, "x2": 2}, made_up]):
        with pytest.raises(InputError, match=r"missing: 'x2' \(got: 'x1'\)"):
            predictor.probability(x)
    assert made_up == {"x1": 1}


def test_a_sequence_has_the_rows_that_it_gives(predictor):
    """Not as many as its length says: the others would be scores of nothing."""

    class Boastful(UserList):
        def __len__(self):
            return 9

    assert len(predictor.probability(Boastful([{"x1": 1, "x2": 2}]))) == 1


def test_a_row_that_lacks_a_name_or_has_none_is_an_error(predictor):
    other = namedtuple("Other", ["x1", "weight"])
    with pytest.raises(InputError, match=r"row 1: .* missing: 'x2' \(got: 'x1', 'weight'\)"):
        predictor.probability([Row(2, "a", 3), other(1, 2)])
    with pytest.raises(InputError, match=r"row 0 must have names, as other rows have; got list"):
        predictor.probability([[1, 2], Row(2, "a", 3)])
    several = np.array([(1, 2), (3, 4)], [("x1", "<f4"), ("x2", "<f4")])
    with pytest.raises(InputError, match=r"each row must hold one number|row 0 has 2 names"):
        predictor.probability([several, several])
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="unique; more than one is named 'x1'"):
        predictor.probability([pandas.Series([1, 2, 3], ["x1", "x2", "x1"])])


def test_labelled_arrays_without_labels_are_arrays(predictor):
    x = LabelledArray(ROWS, ("row", "feature"), {"row": np.arange(3)})
    assert_same_bits(predictor.probability(x), predictor.probability(ROWS))


def test_series_of_different_indexes_are_not_put_side_by_side(predictor):
    pandas = pytest.importorskip("pandas")
    x1, x2 = pandas.Series([1.0, 2.0], [0, 1]), pandas.Series([3.0, 4.0], [1, 0])
    with pytest.raises(InputError, match="'x1' and 'x2' are Series with different indexes: join"):
        predictor.probability({"x1": x1, "x2": x2})
    frame = pandas.DataFrame({"x1": x1, "x2": x2})
    assert_same_bits(
        predictor.probability({"x2": frame["x2"], "x1": frame["x1"]}), predictor.probability(frame)
    )
    assert len(predictor.probability({"x1": x1, "x2": x2.to_numpy()})) == 2


def test_a_labelled_array_that_lies_transposed_is_refused(predictor):
    square = ROWS[:2, ::-1].T
    x = LabelledArray(square, ("feature", "row"), {"feature": np.array(["x2", "x1"])})
    with pytest.raises(
        InputError, match=r"labels of the first dimension, 'feature', .*: pass x\.T$"
    ):
        predictor.probability(x)


def test_labelled_columns_of_different_labels_are_refused(predictor):
    x1 = LabelledArray(ROWS[:, 0], ("row",), {"row": np.arange(3)})
    x2 = LabelledArray(ROWS[:, 1], ("row",), {"row": np.arange(3)})
    assert_same_bits(predictor.probability({"x1": x1, "x2": x2}), predictor.probability(ROWS))
    x2.coords["row"] = np.arange(3)[::-1]
    with pytest.raises(InputError, match="'x1' and 'x2' are Series with different indexes"):
        predictor.probability({"x1": x1, "x2": x2})
