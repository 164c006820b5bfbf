"""Values that are no numbers are named by their cell; whatever stands beside them is not blamed."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light.helpers import NAMES, assert_same_bits
from serve_runtime import InputError

BAD = {
    "text": ("?", r"the text '\?'"),
    "text that spells a number": ("7", "the text '7'"),
    "no text": ("", "the text ''"),
    "bytes": (b"7", "the text b'7'"),
    "date": (datetime.date(2020, 1, 1), "a date"),
    "numpy date": (np.datetime64("2020-01-01", "ns"), "a datetime64"),
    "numpy duration": (np.timedelta64(5, "ns"), "a timedelta64"),
    "complex": (1j, "a complex"),
    "numpy complex": (np.complex64(1j), "a complex64"),
    "list": ([1], "a list"),
    "dict": ({"a": 1}, "a dict"),
    "class": (int, "a type"),
    "record": (np.zeros((), "V4")[()], "a void"),
}
GOOD = [1, 2.5, True, np.float32(3), np.int8(4), Decimal("5.5"), 2**70, Fraction(1, 3)]


def cells(value, row, column):
    """Rows of numbers of many types, and `value` in one cell."""
    rows = [[GOOD[(2 * i + j) % len(GOOD)] for j in range(2)] for i in range(5)]
    rows[row][column] = value
    return rows


def objects(rows):
    array = np.empty((len(rows), 2), object)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            array[i, j] = value
    return array


SHAPES = {
    "lists": lambda rows: rows,
    "tuples": lambda rows: tuple(map(tuple, rows)),
    "list of dicts": lambda rows: [dict(zip(NAMES, row, strict=True)) for row in rows],
    "objects": objects,
    "objects, Fortran order": lambda rows: np.asfortranarray(objects(rows)),
    "dict of lists": lambda rows: {n: [row[i] for row in rows] for i, n in enumerate(NAMES)},
    "dict of objects": lambda rows: {n: objects(rows)[:, i] for i, n in enumerate(NAMES)},
    "pandas": lambda rows: pytest.importorskip("pandas").DataFrame(
        {n: pytest.importorskip("pandas").Series(objects(rows)[:, i], dtype=object)
         for i, n in enumerate(NAMES)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bad", BAD)
def test_the_cell_that_is_no_number_is_named(predictor, shape, bad):
    value, got = BAD[bad]
    for row, column in ((0, 0), (3, 1), (4, 0)):
        x = SHAPES[shape](cells(value, row, column))
        place = f"x must be numeric; got {got} in row {row}, feature '{NAMES[column]}'$"
        if shape in ("dict of lists", "dict of objects", "pandas"):
            place = f"feature '{NAMES[column]}' must be numeric; got {got} in row {row}$"
        with pytest.raises(InputError, match=place):
            predictor.probability(x)


@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_of_many_types_are_scored_together(predictor, shape):
    expected = np.array(cells(1, 0, 0), np.float64)
    if shape in ("dict of lists", "dict of objects", "pandas"):
        expected = dict(zip(NAMES, expected.T, strict=True))
    x = SHAPES[shape](cells(1, 0, 0))
    assert_same_bits(predictor.decision_function(x), predictor.decision_function(expected))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (10**400, "OverflowError: int too large"),
        (Fraction(10**400), "OverflowError: integer division"),
        (Decimal("sNaN"), "ValueError: cannot convert signaling NaN"),
    ],
)
@pytest.mark.parametrize("shape", ["lists", "list of dicts", "objects"])
def test_a_number_without_a_float_is_named(predictor, shape, value, reason):
    kind = type(value).__name__
    place = rf"reading a {kind} in row 3, feature 'x2' raised {reason}"
    with pytest.raises(InputError, match=f"^x must be numeric; {place}"):
        predictor.probability(SHAPES[shape](cells(value, 3, 1)))


def test_a_long_text_is_told_by_its_beginning(predictor):
    with pytest.raises(InputError, match=r"got the text 'aaa.*…") as caught:
        predictor.probability([["a" * 10_000, 1]])
    assert len(str(caught.value)) < 300


def test_rows_of_other_lengths_are_named(predictor):
    with pytest.raises(InputError, match=r"rectangular; row 0 has 2 values, row 2 has 3$"):
        predictor.probability([[1, 2], [3, 4], [5, "6", 7]])


@given(
    st.lists(st.tuples(*[st.one_of(st.floats(-9, 9, width=32), st.none())] * 2), min_size=1),
    st.randoms(use_true_random=False),
)
def test_none_and_na_are_missing_in_every_shape(predictor, rows, random):
    pandas = pytest.importorskip("pandas")
    absent = [random.choice([None, pandas.NA, pandas.NaT, float("nan")]) for _ in range(64)]
    given_rows = [[absent.pop() if v is None else v for v in row] for row in rows[:30]]
    first = next(((i, j) for i, row in enumerate(rows[:30]) for j in (0, 1) if row[j] is None), 0)
    for shape in ("lists", "list of dicts", "objects", "dict of lists", "pandas"):
        x = SHAPES[shape](given_rows)
        if not first:
            assert len(predictor.probability(x)) == len(given_rows)
            continue
        with pytest.raises(
            InputError, match=rf"row {first[0]}, feature '{NAMES[first[1]]}' is mis"
        ):
            predictor.probability(x)
