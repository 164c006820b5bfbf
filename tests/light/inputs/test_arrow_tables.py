"""Arrow tables and frames are scored as they lie, however they are cut up."""

from decimal import Decimal
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.helpers import NAMES, TINY, assert_same_bits, file_scores
from serve_runtime import InputError
from serve_runtime.errors import NonFiniteError

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

COUNT = 900


def rows():
    return np.random.default_rng(5).integers(-400, 400, (COUNT, 2)).astype(np.float32) / 8


@pytest.fixture(scope="module")
def expected():
    return file_scores(TINY, rows(), "columns")[0]


def chunked(values, cuts, kind=None):
    """One column in the chunks between `cuts`."""
    cuts = [0, *sorted(cuts), len(values)]
    parts = [values[a:b] for a, b in pairwise(cuts)]
    return pa.chunked_array([pa.array(part, kind) for part in parts])


CUTS = {
    "one chunk": ([], []),
    "the same chunks": ([300, 600], [300, 600]),
    "other chunks in each column": ([1, 2, 299], [450]),
    "empty chunks": ([0, 0, 500, 500, COUNT], [500]),
    "many short chunks": (range(7, COUNT, 7), range(5, COUNT, 5)),
}


@pytest.fixture(params=["real lengths", "long chunks", "short chunks"])
def chunk_lengths(request, limit):
    """What counts as a short chunk: all that a small table has, none, or the shorter ones."""
    if request.param != "real lengths":
        short = 0 if request.param == "long chunks" else 100
        limit(short_chunk_rows=short, joined_chunk_rows=250)


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.usefixtures("chunk_lengths")
def test_a_table_is_scored_however_it_is_cut_up(predictor, expected, name):
    table = pa.table(
        {
            n: chunked(rows()[:, i], cuts)
            for i, (n, cuts) in enumerate(zip(NAMES, CUTS[name], strict=True))
        }
    )
    assert_same_bits(predictor.decision_function(table), expected)
    assert_same_bits(predictor.decision_function(table.slice(123, 555)), expected[123:678])
    proba = predictor.predict_proba(table)
    assert_same_bits(proba[:, 1].copy(), predictor.probability(table))
    assert len(predictor.predict(table)) == COUNT


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.usefixtures("chunk_lengths")
@given(row=st.integers(0, COUNT - 1), later=st.integers(0, COUNT - 1), column=st.integers(0, 1))
@settings(max_examples=15)
def test_the_first_bad_row_is_counted_over_the_whole_table(predictor, name, row, later, column):
    first, last = sorted((row, later))
    values = rows().astype(object)
    values[last] = None
    values[first, column] = None
    table = pa.table(
        {
            n: chunked(values[:, i].tolist(), cuts, pa.float32())
            for i, (n, cuts) in enumerate(zip(NAMES, CUTS[name], strict=True))
        }
    )
    feature = "x1" if first == last else NAMES[column]
    with pytest.raises(NonFiniteError, match=f"^row {first}, feature '{feature}' is") as caught:
        predictor.predict(table)
    assert caught.value.row == first


WHOLE = {
    "int8": lambda c: pa.array(c.astype(np.int8)),
    "int64": lambda c: pa.array(c.astype(np.int64)),
    "float16": lambda c: pa.array(c.astype(np.float16)),
    "float64": lambda c: pa.array(c.astype(np.float64)),
    "decimal": lambda c: pa.array([Decimal(int(v)) for v in c]),
    "dictionary": lambda c: pa.array(c).dictionary_encode(),
    "dictionary of integers": lambda c: pa.array(c.astype(np.int32)).dictionary_encode(),
    "a slice": lambda c: pa.array(np.concatenate([[9], c, [9]])).slice(1, len(c)),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("other", ["float64", "int8", "dictionary"])
def test_columns_of_every_numeric_arrow_type_are_scored(predictor, kind, other):
    whole = np.round(rows()[:60])
    arrays = [WHOLE[kind](whole[:, 0]), WHOLE[other](whole[:, 1])]
    by_name = predictor.decision_function({"x1": whole[:, 0], "x2": whole[:, 1]})
    for made in (pa.table, pa.RecordBatch.from_arrays):
        assert_same_bits(predictor.decision_function(made(arrays, names=list(NAMES))), by_name)
    batch = pa.RecordBatch.from_arrays(arrays, names=list(NAMES))
    assert_same_bits(predictor.decision_function(batch.slice(7, 31)), by_name[7:38])


FRAMES = {
    "pandas, one dtype": lambda r: pd.DataFrame(r, columns=list(NAMES)),
    "pandas, Fortran order": lambda r: pd.DataFrame(np.asfortranarray(r), columns=list(NAMES)),
    "pandas, two dtypes": lambda r: pd.DataFrame({"x1": r[:, 0], "x2": r[:, 1].astype(float)}),
    "pandas, two nullable": lambda r: pd.DataFrame(
        {"x1": pd.array(r[:, 0], "Float64"), "x2": r[:, 1]}
    ),
    "pandas, Arrow dtype": lambda r: pd.DataFrame({"x1": r[:, 0], "x2": r[:, 1]}).astype(
        "float[pyarrow]"
    ),
    "pandas, an index in disorder": lambda r: pd.DataFrame(
        r, columns=list(NAMES), index=np.arange(len(r))[::-1] // 2
    ),
    "polars": lambda r: pl.DataFrame({"x2": r[:, 1], "x1": r[:, 0].astype(float)}),
    "polars, chunks": lambda r: pl.concat(
        [FRAMES["polars"](r[:100]), FRAMES["polars"](r[100:])], rechunk=False
    ),
}


@pytest.mark.parametrize("more", [(), ("y",), ("a", "y")])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_a_frame_of_one_dtype_may_have_any_order(predictor, make, dtype, more):
    """Frames of one dtype are converted as a whole, and columns picked from that."""
    values = rows()[:50].astype(dtype)
    by_name = predictor.decision_function({"x1": values[:, 0], "x2": values[:, 1]})
    named = {"x2": values[:, 1], "x1": values[:, 0], "y": values[:, 0], "a": values[:, 1]}
    for order in permutations(["x1", "x2", *more]):
        frame = make({name: named[name] for name in order})
        assert_same_bits(predictor.decision_function(frame), by_name)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_is_scored_whole_and_in_slices(predictor, expected, kind):
    frame = FRAMES[kind](rows())
    assert_same_bits(predictor.decision_function(frame), expected)
    for part in (slice(0, 1), slice(1, 4), slice(95, 700), slice(0, 0)):
        assert_same_bits(predictor.decision_function(frame[part]), expected[part])


@pytest.mark.parametrize(
    "x",
    [
        lambda: pa.table({"x1": pa.array([], pa.int8()), "x2": pa.array([], pa.float64())}),
        lambda: pa.table({"x1": pa.chunked_array([], pa.int8()), "x2": pa.array([], pa.int8())}),
        lambda: pa.RecordBatch.from_pydict({"x1": pa.array([], "f4"), "x2": pa.array([], "f4")}),
        lambda: pd.DataFrame({"x1": [], "x2": []}),
        lambda: pl.DataFrame({"x1": [], "x2": []}, schema={"x1": pl.Float32, "x2": pl.Int8}),
    ],
)
def test_an_empty_table_gives_no_scores(predictor, x):
    assert predictor.predict_proba(x()).shape == (0, 2)
    assert predictor.predict(x()).shape == (0,)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (lambda: pd.Categorical(["low", "high"]), "feature 'x1' must be numeric; got the text 'l"),
        (lambda: pa.array(["a", "b"]).dictionary_encode(), "must be numeric; got the text 'a'"),
        (lambda: pa.array(["1", "2"]), "must be numeric; got the text '1'"),
        (lambda: pa.array([1, 2], pa.timestamp("s")), "must be numeric; got dtype datetime64"),
        (lambda: pa.array([{"a": 1}, {"a": 2}]), "feature 'x1' must be numeric"),
        (lambda: pa.array([[1], [2]]), "feature 'x1' must be numeric"),
        (lambda: pa.array([[1, 2], [2]]), "feature 'x1' must be numeric"),
    ],
)
def test_a_column_that_holds_no_numbers_is_refused(predictor, column, message):
    values = column()
    make = pa.table if isinstance(values, pa.Array) else pd.DataFrame
    frame = make({"x1": values, "x2": [3, 4]})
    with pytest.raises(InputError, match=message):
        predictor.probability(frame)


def test_a_table_with_a_missing_column_lists_it(predictor):
    with pytest.raises(InputError, match=r"missing: 'x1' \(got: 'x2', 'y'\)"):
        predictor.probability(pa.table({"x2": [1], "y": [2]}))
