import numpy as np

from serve_runtime.bundle.affine import Affine
from serve_runtime.error_budgets import LARGEST, MOST_OFFSET
from serve_runtime.features.column import CATEGORY, PRECISE, Column
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding, sha256_of

NAN = np.float32("nan")
COLUMNS = (
    Column("when", PRECISE, 1e9, 1e9 + 9),
    Column("colour", CATEGORY, levels=("blue", "red"), counts=(1, 1)),
    Column("age", low=1.0, high=9.0, missing="indicator", gaps=1),
)
ENCODING = Encoding(
    COLUMNS,
    fill=np.array([4.5, NAN], np.float32),
    gap=np.array([0.25, 0], np.float32),
    center=np.array([1e9]),
    tables=(np.array([0, 0.1, -0.2, NAN, 0], np.float32),),
)


def test_numbers_come_before_precise_ones():
    assert [column.name for column in ENCODING.numbers] == ["age", "when"]
    assert [column.name for column in ENCODING.categories] == ["colour"]
    assert ENCODING.terms == 2


def test_missing_numbers_are_filled():
    numbers = np.array([[1, NAN], [NAN, 2]], np.float32)
    np.testing.assert_array_equal(
        ENCODING.filled(numbers), np.array([[1, 4.5], [NAN, 2]], np.float32)
    )


def test_the_offset_is_summed_in_float32_in_order():
    codes, numbers = [np.array([0, 1, 2, 3])], np.zeros((2, 4), np.float32)
    numbers[0, 1] = NAN
    bias = np.float32(0.3)
    tenth = np.float32(0.1)
    expected = [bias, (bias + tenth) + np.float32(0.25), bias + np.float32(-0.2), NAN]
    found = ENCODING.offset(float(bias), codes, numbers)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_every_constant_is_in_the_digest():
    affine = Affine(np.ones(2, np.float32), 0.5)
    found = {sha256_of(affine, None), sha256_of(affine, ENCODING)}
    for name in ("fill", "gap", "center"):
        changed = getattr(ENCODING, name).copy()
        changed[0] += 1
        found.add(sha256_of(affine, Encoding(**{**vars(ENCODING), name: changed})))
    table = ENCODING.tables[0].copy()
    table[2] = 7
    found.add(sha256_of(affine, Encoding(**{**vars(ENCODING), "tables": (table,)})))
    assert len(found) == 6


def test_offsets_of_bent_numbers_have_one_limit():
    column = Column("x", low=0.0, high=1.0, knots=(1.0,))
    curve = Curve(*(np.ones(size, np.float32) for size in (1, 2, 2)))
    empty = np.zeros(1, np.float32)
    encoding = Encoding((column,), empty, empty, np.empty(0), (), (curve,))
    assert (encoding.terms, encoding.bent) == (1, (0,))
    assert encoding.largest_unbent(-2.0) == 2
    assert encoding.largest_offset(-2.0) == MOST_OFFSET == LARGEST / 4 + 2.0**102


def test_sums_that_overflow_are_infinite_without_a_warning():
    column = Column("c", CATEGORY, levels=("a",), counts=(1,))
    largest = np.full(column.codes, np.finfo(np.float32).max)
    encoding = Encoding(
        (Column("x", low=0.0, high=1.0, missing="indicator"), column, column),
        np.zeros(1, np.float32), largest[:1], np.empty(0), (largest, largest),
    )  # fmt: skip
    assert encoding.largest_offset(-2.0) == 3 * float(largest[0]) + 2
    codes = [np.ones(2, np.int32)] * 2
    for state in ("raise", "warn"):
        with np.errstate(all=state):
            found = encoding.offset(0.0, codes, np.array([[NAN, 0]], np.float32))
        assert np.isinf(found).all()
