"""An array is scored in the layout in which it lies, whatever its dtype and strides."""

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.helpers import assert_same_bits, file_scores
from light.inputs.kinds import misaligned, read_only
from light.wide import write_bundle
from serve_runtime import Predictor
from serve_runtime.inputs.blocks import ColumnInput

WIDTH = 6
NAMES = [f"f{i}" for i in range(WIDTH)]
ROWS = 700


@pytest.fixture(scope="module")
def bundle6(tmp_path_factory):
    weight = np.random.default_rng(6).normal(0, 3, WIDTH)
    return write_bundle(tmp_path_factory.mktemp("layouts") / "bundle", weight)[1]


@pytest.fixture(scope="module")
def predictor6(bundle6):
    return Predictor(bundle6)


@pytest.fixture(scope="module")
def expected(bundle6):
    """Logits of the rows in each layout. They differ, so that a test sees which one was taken."""
    found = {name: file_scores(bundle6, rows(), name)[0] for name in ("rows", "columns")}
    assert (found["rows"] != found["columns"]).mean() > 0.1
    return found


def rows():
    return np.random.default_rng(7).normal(0, 1, (ROWS, WIDTH)).astype(np.float32)


def reversed_both(x):
    return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]


def in_wider(x):
    wide = np.full((len(x), WIDTH + 5), np.nan, np.float32)
    wide[:, 2:-3] = x
    return wide[:, 2:-3]


def in_taller(x):
    return np.asfortranarray(np.vstack([x * np.nan, x, x * np.nan]))[len(x) : 2 * len(x)]


AS_ROWS = {
    "C order": lambda x: x,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": reversed_both,
    "columns of a wider array": in_wider,
    "read-only": read_only,
    "misaligned": misaligned,
    "byte-swapped": lambda x: x.astype(">f4"),
    "float64": lambda x: x.astype(np.float64),
    "longdouble": lambda x: x.astype(np.longdouble),
    "byte-swapped float64": lambda x: x.astype(">f8"),
    "lists": lambda x: x.tolist(),
    "subclass": lambda x: x.view(type("Mine", (np.ndarray,), {})),
    "masked, nothing masked": lambda x: np.ma.array(x),
    "arrays of array": lambda x: [array.array("f", row) for row in x],
    "memoryviews": lambda x: [memoryview(row) for row in x],
    "memory-mapped": lambda x: x.view(np.memmap),
}
AS_COLUMNS = {
    "Fortran order": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "Fortran order, every other row": lambda x: np.asfortranarray(np.repeat(x, 2, axis=0))[::2],
    "Fortran order, reversed": lambda x: np.asfortranarray(x[::-1, ::-1])[::-1, ::-1],
    "rows of a taller Fortran array": in_taller,
    "Fortran order, float64": lambda x: np.asfortranarray(x.astype(np.float64)),
    "Fortran order, byte-swapped": lambda x: np.asfortranarray(x.astype(">f4")),
    "Fortran order, read-only": lambda x: read_only(x.T).T,
    "dict": lambda x: {f"f{i}": x[:, i] for i in range(WIDTH)},
    "dict of one array": lambda x: dict(zip(NAMES, x.T.copy(), strict=True)),
    "dict of one float64 array": lambda x: dict(zip(NAMES, x.T.astype("f8"), strict=True)),
    "dict of one array with gaps": lambda x: dict(
        zip(NAMES, np.repeat(x.T, 2, 0)[::2], strict=True)
    ),
    "dict of one array backwards": lambda x: dict(zip(NAMES, x.T[::-1].copy()[::-1], strict=True)),
    "dict of many dtypes": lambda x: {
        f"f{i}": x[:, i].astype(kind)
        for i, kind in enumerate(["f4", "f8", ">f4", ">f8", "g", "f4"])
    },
    "dict of reversed": lambda x: {f"f{i}": x[::-1, i].copy()[::-1] for i in range(WIDTH)},
    "dict of lists": lambda x: {f"f{i}": x[:, i].tolist() for i in range(WIDTH)},
    "dict of memoryviews": lambda x: {f"f{i}": memoryview(x[:, i].copy()) for i in range(WIDTH)},
    "dict of array.array": lambda x: {f"f{i}": array.array("f", x[:, i]) for i in range(WIDTH)},
}
LAID = {name: ("rows", made) for name, made in AS_ROWS.items()} | {
    name: ("columns", made) for name, made in AS_COLUMNS.items()
}


@pytest.fixture(params=["real blocks", "small blocks"])
def blocks(request, cut_blocks):
    if request.param == "small blocks":
        cut_blocks(rows=64, values=256, bound=16)


@pytest.mark.parametrize("name", LAID)
@pytest.mark.usefixtures("blocks")
def test_an_array_has_the_bits_of_the_layout_in_which_it_lies(bundle6, expected, name):
    layout, made = LAID[name]
    predictor = Predictor(bundle6)
    for count in (2, 3, 5, 16, 17, 64, 255, 256, 257, 300, ROWS):
        x = made(rows()[:count])
        assert_same_bits(predictor.decision_function(x), expected[layout][:count])
        left = np.array(list(x.values())).T if isinstance(x, dict) else np.asarray(x)
        np.testing.assert_array_equal(left, rows()[:count])


@pytest.mark.parametrize("name", [n for n in AS_COLUMNS if not n.startswith("dict")])
@given(st.data())
@settings(max_examples=25)
def test_rows_of_a_fortran_array_keep_their_bits_in_every_slice(predictor6, expected, name, data):
    start, stop = sorted(data.draw(st.lists(st.integers(0, ROWS), min_size=2, max_size=2)))
    step = data.draw(st.sampled_from([1, 1, 2, 5, -1, -3]))
    part = slice(start, stop)
    whole = AS_COLUMNS[name](rows())
    found = predictor6.decision_function(whole[part][::step])
    assert_same_bits(found, expected["columns"][part][::step].copy())
    if start < stop:
        alone = predictor6.decision_function(whole[start : start + 1])
        assert_same_bits(alone, expected["columns"][[start]])


@pytest.mark.parametrize("axis", [0, 1])
def test_a_broadcast_array_is_scored_as_the_rows_it_means(predictor6, axis):
    for start in range(40):
        line = rows()[start : start + 1] if axis == 0 else rows()[start : start + 90, :1]
        x = np.broadcast_to(line, (90, WIDTH))
        assert 0 in x.strides
        as_rows = predictor6.decision_function(x.copy("C"))
        assert_same_bits(predictor6.decision_function(x), as_rows)
        assert_same_bits(predictor6.decision_function(x[:1]), as_rows[:1])


@pytest.mark.parametrize("dtype", [*"?bBhHiIlLqQefdg", ">i2", ">i8", ">f2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.usefixtures("blocks")
def test_every_real_dtype_is_scored_as_the_nearest_float32(bundle6, dtype, order):
    predictor = Predictor(bundle6)
    values = np.random.default_rng(3).integers(0, 100, (ROWS, WIDTH)).astype(dtype)
    x = np.asarray(values, order=order)
    as_float32 = np.asarray(values.astype(np.float32), order=order)
    for part in (slice(0, 2), slice(0, 3), slice(0, 257), slice(0, ROWS)):
        assert_same_bits(predictor.probability(x[part]), predictor.probability(as_float32[part]))


def test_long_adjacent_columns_are_read_as_one_array():
    values = np.arange(3 * 40_000, dtype=np.float32)
    columns = [values[start : start + 40_000] for start in (0, 40_000, 80_000)]
    taken = ColumnInput(columns, NAMES[:3])
    assert taken.readable
    assert np.shares_memory(taken.values, values)
    np.testing.assert_array_equal(taken.values, values.reshape(3, -1))
    for others in (
        columns[::-1],
        columns[::2],
        [columns[0], columns[0], columns[1]],
        [*columns[:2], columns[2].copy()],
        [*columns[:2], columns[2].view(np.int32)],
        [column[:39_999] for column in columns],
        [column[::-1] for column in columns[::-1]],
    ):
        assert ColumnInput(others, NAMES[: len(others)]).values is others


def test_integers_beyond_float32_are_rounded_once(predictor6):
    """By way of float64 they would be rounded twice."""
    wide = np.array([[2**60 + 2**36 + 1] * WIDTH], np.int64)
    assert np.float32(wide[0, 0]) != np.float32(np.float64(wide[0, 0]))
    once = predictor6.decision_function(wide.astype(np.float32))
    assert_same_bits(predictor6.decision_function(wide), once)
    assert_same_bits(predictor6.decision_function(wide.astype(np.uint64)), once)
    once = predictor6.decision_function(AS_COLUMNS["dict"](wide.astype(np.float32)))
    assert_same_bits(predictor6.decision_function(AS_COLUMNS["dict"](wide)), once)


def test_a_matrix_is_an_array(predictor6, expected):
    with pytest.warns(PendingDeprecationWarning, match="matrix"):
        x = np.matrix(rows())
    assert_same_bits(predictor6.decision_function(x), expected["rows"])


def test_a_model_of_one_feature_reads_every_stride(tmp_path):
    predictor = Predictor(write_bundle(tmp_path / "bundle", [2.5])[1])
    values = rows().reshape(-1)
    whole = predictor.decision_function(values.reshape(-1, 1))
    for step in (1, 2, -1, 7):
        for x in (values[:, None], values[None].T, np.asfortranarray(values[:, None])):
            assert_same_bits(predictor.decision_function(x[::step]), whole[::step].copy())


def test_a_memoryview_of_two_dimensions_is_an_array(predictor6, expected):
    assert_same_bits(predictor6.decision_function(memoryview(rows())), expected["rows"])
