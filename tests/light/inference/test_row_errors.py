"""A row that cannot be scored is named in every path: always the first one, and its feature."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from light.wide import write_bundle
from serve_runtime import Predictor
from serve_runtime.errors import LogitOverflowError, NonFiniteError

WIDTH = 5
ROWS = 203
METHODS = ["probability", "decision_function", "predict_proba", "predict", "scores"]


def float32(x):
    with np.errstate(over="ignore"):
        return x.astype(np.float32)


LAID = {
    "rows": float32,
    "float64 rows": lambda x: x,
    "spaced rows": lambda x: np.repeat(float32(x), 2, axis=0)[::2],
    "Fortran order": lambda x: np.asfortranarray(float32(x)),
    "Fortran order, float64": np.asfortranarray,
    "dict": lambda x: {f"f{i}": x[:, i] for i in range(WIDTH)},
    "lists": lambda x: x.tolist(),
    "list of dicts": lambda x: [{f"f{i}": v for i, v in enumerate(row)} for row in x.tolist()],
}
BAD = {np.nan: r"missing \(NaN\)", np.inf: "inf as float32", -np.inf: "-inf as float32",
       1e39: "inf as float32", -1e300: "-inf as float32"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose last feature has the weight 0, and whose others differ in sign."""
    return write_bundle(tmp_path_factory.mktemp("errors") / "b", [1, -2, 3, -4, 0], bias=0.5)[1]


@pytest.fixture(params=["real blocks", "1 thread", "3 threads"])
def scorer(request, folder, cut_blocks):
    """A predictor; with blocks of 16 to 32 rows, on one thread or three."""
    threads = 1
    if request.param != "real blocks":
        threads = int(request.param[0])
        cut_blocks(rows=32, values=16 * WIDTH)
    return Predictor(folder, threads=threads)


def ones(count=ROWS):
    return np.ones((count, WIDTH))


@pytest.mark.parametrize("name", LAID)
@given(
    count=st.sampled_from([1, 2, 5, 8, 9, 16, 33, 64, 65, ROWS]),
    places=st.lists(st.tuples(st.integers(0, ROWS), st.integers(0, WIDTH - 1)), min_size=1),
    value=st.sampled_from(list(BAD)),
    method=st.sampled_from(METHODS),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_bad_row_and_its_first_bad_feature(scorer, name, count, places, value, method):
    x = ones(count)
    for row, column in places:
        x[row % count, column] = value
    row, column = np.argwhere(x != 1)[0]
    message = f"^row {row}, feature 'f{column}' is {BAD[value]}; every value must be finite"
    with pytest.raises(NonFiniteError, match=message) as caught:
        getattr(scorer, method)(LAID[name](x))
    assert (caught.value.row, caught.value.feature) == (row, f"f{column}")


@pytest.mark.parametrize("name", LAID)
def test_a_bad_row_is_found_at_every_border_of_blocks(scorer, name):
    for row in sorted({b + i for b in (0, 8, 16, 32, 64, 96, 192, 200, 202) for i in (-1, 0, 1)}):
        if 0 <= row < ROWS:
            x = ones()
            x[row, WIDTH - 1] = np.nan  # the feature of weight 0
            with pytest.raises(NonFiniteError, match=f"^row {row}, feature 'f4' is missing"):
                scorer.predict_proba(LAID[name](x))


@pytest.mark.parametrize("name", LAID)
def test_overflow_is_told_apart_from_a_bad_value_in_its_turn(scorer, name):
    x = ones()
    x[101, :4] = 3e38
    x[180, 2] = np.nan
    with pytest.raises(LogitOverflowError, match=r"^row 101 is so large that its weighted terms"):
        scorer.probability(LAID[name](x))
    x[[99, 150], 0] = np.inf
    with pytest.raises(NonFiniteError, match=r"^row 99, feature 'f0' is inf"):
        scorer.probability(LAID[name](x))


@pytest.mark.parametrize("big", [10**39, -(10**300), 10**308])
def test_integers_of_python_beyond_float32_are_infinite(scorer, big):
    for x in ([[1, 2, 3, 4, 5], [1, big, 3, 4, 5]], {f"f{i}": [1, big] for i in range(WIDTH)}):
        feature = "f1" if isinstance(x, list) else "f0"
        with pytest.raises(
            NonFiniteError, match=f"^row 1, feature '{feature}' is -?inf as float32"
        ):
            scorer.predict(x)


@pytest.mark.parametrize("name", LAID)
def test_bad_values_raise_no_warning_under_any_errstate(scorer, name):
    for value in BAD:
        x = ones()
        x[202, 3] = value
        x = LAID[name](x)
        with np.errstate(all="raise"), pytest.raises(NonFiniteError, match=r"^row 202"):
            scorer.predict_proba(x)


@pytest.mark.parametrize("bits", ["f2", "f4", "f8"])
def test_a_signaling_nan_is_a_missing_value(scorer, bits):
    """Such as random bytes are; to convert one is an invalid operation to the processor."""
    size = int(bits[1])
    signaling = {2: 0x7C01, 4: 0x7F800001, 8: 0x7FF0000000000001}[size]
    x = ones().astype(bits)
    x.view(f"u{size}")[200, 2] = signaling
    for laid in (x, np.asfortranarray(x), {f"f{i}": x[:, i] for i in range(WIDTH)}):
        with pytest.raises(NonFiniteError, match=r"^row 200, feature 'f2' is missing"):
            scorer.predict_proba(laid)


def test_good_rows_are_scored_after_bad_ones(scorer):
    """What a bad batch leaves in the buffers fills up the next block, and is read by nobody."""
    for count in (1, 2, 5, 33, ROWS):
        expected = scorer.predict_proba(ones(count))
        with pytest.raises(NonFiniteError, match=r"^row 0"):
            scorer.predict_proba(np.full((ROWS, WIDTH), np.nan))
        for name, laid in LAID.items():
            np.testing.assert_array_equal(scorer.predict_proba(laid(ones(count))), expected, name)
