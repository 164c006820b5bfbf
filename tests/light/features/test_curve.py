import numpy as np
import pytest

from serve_runtime.error_budgets import LARGEST
from serve_runtime.errors import CardError
from serve_runtime.features.column import CATEGORY, Column, is_numeric
from serve_runtime.features.curve import Curve, after, single_values
from serve_runtime.features.encoding import Encoding

NAN = float("nan")
CURVE = Curve(
    np.array([-1, 2, np.nextafter(np.float32(2), np.float32(3))], np.float32),
    np.array([0.5, 0.5, 7, 1.25], np.float32),
    np.array([-2, 0.25, 0, 0.1], np.float32),
)
LONG = tuple(map(float, range(1025)))


def test_segments_begin_at_their_knots():
    below, above = np.float32(-np.inf), np.float32(np.inf)
    x = np.array([-3, np.nextafter(np.float32(-1), below), -1, 0, 2, 4, NAN], np.float32)
    expected = np.array([4.5, 0.5, 0.5, 0.75, 7, 0, NAN], np.float32)
    expected[1] = np.float32(0.5) + np.float32(-2) * (x[1] - np.float32(-1))
    last = CURVE.knots[2]
    assert last == np.nextafter(np.float32(2), above)
    expected[5] = np.float32(1.25) + np.float32(0.1) * (np.float32(4) - last)
    found = CURVE.at(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_subnormal_numbers_are_after_nothing():
    smallest = 2.0**-126
    values = np.array([0, -0.0, -smallest, smallest, 1, -1, LARGEST], np.float32)
    beyond = float(np.nextafter(np.float32(smallest), np.float32(1)))
    expected = [smallest, smallest, 0, beyond, 1 + 2.0**-23, -1 + 2.0**-24, np.inf]
    with np.errstate(all="raise"):
        assert after(values).tolist() == expected


def test_single_values_are_followed_by_a_knot():
    one, more = 1.0, 1 + 2.0**-23
    assert single_values((-3.0, 0.0, 2.0**-126, one, more, 1 + 2.0**-22)).tolist() == [0, one, more]
    assert single_values((0.0,)).tolist() == []


def test_a_missing_bent_number_counts_as_its_fill():
    knots = tuple(CURVE.knots.tolist())
    columns = (
        Column("x", low=0.0, high=1.0, missing="indicator"),
        Column("y", low=0.0, high=1.0, missing="median", knots=knots),
    )
    none = np.zeros(2, np.float32)
    encoding = Encoding(columns, np.array([0, 2], np.float32), none, np.empty(0), (), (CURVE,))
    assert encoding.bent == (1,)
    numbers = np.array([[0, 0], [NAN, 0]], np.float32)
    found = encoding.offset(1.0, [], numbers)
    np.testing.assert_array_equal(found, np.array([8, 1.75], np.float32))
    curve = Curve(CURVE.knots, CURVE.value, CURVE.value)
    other = Encoding(columns, encoding.fill, none, np.empty(0), (), (curve,))
    assert other.values() != encoding.values()


def test_a_model_with_a_bent_number_encodes_it():
    column = Column("x", low=0.0, high=1.0, knots=(0.5,))
    assert not is_numeric([column])
    document = {**column.to_document(), "knots": [0.5]}
    assert Column.from_document(document) == column


@pytest.mark.parametrize(
    "knots", [(1.0, 1.0), (2.0, 1.0), (0.1,), (NAN,), (1e300,), (1,), (2.0**-127,), LONG]
)
def test_knots_are_ascending_float32_numbers(knots):
    with pytest.raises(CardError, match="ascending float32"):
        Column("x", low=0.0, high=1.0, knots=knots)
    with pytest.raises(CardError, match="no knots"):
        Column("x", CATEGORY, levels=("a",), counts=(1,), knots=(1.0,))
