"""Rows as a table has them."""

import numpy as np

from serve_runtime.features.raw_rows import RawRows


def test_rows_are_taken_with_numbers_and_texts() -> None:
    rows = RawRows(np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]]), (("a", None, "b"),))

    taken = rows.take([2, 1])

    assert (len(rows), len(taken)) == (3, 2)
    np.testing.assert_array_equal(taken.numbers, [[3.0, np.nan], [6.0, 5.0]])
    assert taken.texts == (("b", None),)
