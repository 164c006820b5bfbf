from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.features.encoding import MOST_COMBINATIONS, Encoding
from serve_runtime.features.level_sums import LevelSums

NONE = np.empty(0, np.float32)


def encoding_of(levels, seed=0):
    """An Encoding of categories of so many levels each."""
    rng = np.random.default_rng(seed)
    columns, tables = [], []
    for i, count in enumerate(levels):
        texts = tuple(f"{level:05}" for level in range(count))
        columns.append(Column(f"c{i}", CATEGORY, levels=texts, counts=(1,) * count))
        tables.append(rng.standard_normal(columns[-1].codes).astype(np.float32))
    return Encoding(tuple(columns), NONE, NONE, np.empty(0), tuple(tables))


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((), []),
        ((3,), [(0,)]),
        ((20_000,), [(0,)]),
        ((3, 4, 5), [(0, 1, 2)]),
        ((20_000, 3, 4), [(0,), (1, 2)]),
        ((3, 20_000, 4, 5), [(0,), (1,), (2, 3)]),
        ((125, 125, 2), [(0, 1), (2,)]),
        ((126, 125), [(0,), (1,)]),
        ((5, 7, 3, 5, 7, 9, 11, 3), [(0, 1, 2, 3), (4, 5, 6, 7)]),
    ],
)
def test_groups_are_as_large_as_their_combinations_allow(levels, expected):
    encoding = encoding_of(levels)
    groups = [tuple(group) for group in encoding.groups]
    assert groups == expected
    sizes = [len(table) for table in encoding.tables]
    for group, after in pairwise(groups):
        combinations = np.prod([sizes[category] for category in group])
        assert len(group) == 1 or combinations <= MOST_COMBINATIONS
        assert combinations * sizes[after[0]] > MOST_COMBINATIONS


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_row_has_the_sums_of_the_encoding(data):
    levels = data.draw(
        st.lists(st.sampled_from([0, 1, 2, 9, 40, 125, 300]), min_size=1, max_size=8)
    )
    rows = data.draw(st.sampled_from([1, 3, 16_383, 16_384, 40_000, 70_001]))
    bias = np.array([data.draw(st.floats(-9, 9, width=32))], np.float32)
    rng = np.random.default_rng(rows)
    encoding = encoding_of(levels, rows)
    codes, terms = [], []
    for column, table in zip(encoding.categories, encoding.tables, strict=True):
        # Distinct values of a column: unknown ones among them, or fewer than there are levels.
        m = data.draw(st.integers(2, 2 * len(table)))
        values = np.append(rng.integers(0, len(table), m - 1), column.missing_code)
        kind = data.draw(st.sampled_from([np.int16, np.int32, np.int64, np.uint16, np.uint32]))
        low = 0 if np.dtype(kind).kind == "u" else data.draw(st.sampled_from([-1, 0]))
        positions = rng.integers(low, m - 1, rows).astype(kind)
        codes.append(values[positions])
        terms.append((table[values], positions))
    expected = encoding.offset(float(bias[0]), codes, np.empty((0, rows), np.float32))
    sums = LevelSums(bias, terms, encoding.groups)
    found = np.empty(rows, np.float32)
    sums.write(0, rows, found)
    assert found.tobytes() == expected.tobytes()
    start, stop = sorted(data.draw(st.tuples(st.integers(0, rows), st.integers(0, rows))))
    sums.write(start, stop, found[: stop - start])
    assert found[: stop - start].tobytes() == expected[start:stop].tobytes()
    some, found = rng.integers(0, rows, 5), np.empty(5, np.float32)
    sums.write_at(some, found)
    assert found.tobytes() == expected[some].tobytes()


def test_a_column_may_have_no_value_at_all():
    encoding = encoding_of((2, 3))
    positions = np.full(20_000, -1)
    tables = [table[[column.missing_code]] for column, table in zip(
        encoding.categories, encoding.tables, strict=True)]  # fmt: skip
    sums = LevelSums(np.float32([0.5]), [(table, positions) for table in tables], encoding.groups)
    found = np.empty(20_000, np.float32)
    sums.write(0, 20_000, found)
    assert set(found.tolist()) == {float(np.float32(0.5) + (tables[0] + tables[1])[0])}
