"""What is served where a processor's kernels clamp, or take one value alone another way."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from light import kernel_faults, wide
from light.helpers import assert_same_bits
from serve_runtime import Predictor
from serve_runtime.errors import RowError

WIDTH = 3
METHODS = ["probability", "decision_function", "predict_proba", "predict", "scores"]
LAYOUTS = {
    "rows": lambda x: x,
    "float64 rows": lambda x: x.astype(np.float64),
    "columns": lambda x: {f"f{i}": x[:, i] for i in range(WIDTH)},
    "columns where they lie": np.asfortranarray,
}
SIZES = [1, 2, 3, 5, 16, 17, 63, 64, 65, 68, 256, 257, 260, 1000, 4096, 4097, 4100, 65_536, 65_539]
BAD = {
    "nan": np.array([1, np.nan, 1], np.float32),
    "inf": np.array([np.inf, 1, 1], np.float32),
    "-inf": np.array([1, 1, -np.inf], np.float32),
    "overflow": np.array([3e38, -3e38, 3e38], np.float32),
    "overflow to -inf": np.array([-3e38, 3e38, -3e38], np.float32),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return wide.write_bundle(tmp_path_factory.mktemp("faults") / "b", [1, -2, 3], bias=0.5)[1]


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def clamping(request, folder, monkeypatch):
    """A predictor whose kernels answer ±FLT_MAX in place of NaN and infinities."""
    kernel_faults.install(monkeypatch, kernel_faults.clamps)
    return Predictor(folder, threads=request.param)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS)
@given(
    size=st.sampled_from(SIZES), bad=st.sampled_from(sorted(BAD)), place=st.sampled_from([0, 1, 2])
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_clamped_logit_is_no_score(clamping, layout, method, size, bad, place):
    rows = np.ones((size, WIDTH), np.float32)
    at = (0, size // 2, size - 1)[place]
    rows[at] = BAD[bad]
    with pytest.raises(RowError) as refused:
        getattr(clamping, method)(LAYOUTS[layout](rows))
    assert refused.value.row == at


@pytest.mark.parametrize("bias", [1e38, -1e38, 2.0**103, -(2.0**103), 1e30])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_logit_that_is_clamped_before_the_bias_is_no_score(tmp_path, monkeypatch, layout, bias):
    _, folder = wide.write_bundle(tmp_path / "b", [1, -2, 3], bias=bias)
    kernel_faults.install(monkeypatch, kernel_faults.clamps_before(bias))
    predictor = Predictor(folder)
    for size in SIZES[:-2]:
        for bad in BAD.values():
            rows = np.ones((size, WIDTH), np.float32)
            rows[-1] = bad
            for method in METHODS:
                with pytest.raises(RowError) as refused:
                    getattr(predictor, method)(LAYOUTS[layout](rows))
                assert refused.value.row == size - 1
    assert len(predictor.probability(np.ones((9, WIDTH), np.float32))) == 9


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_largest_logits_that_are_no_clamped_ones_are_scores(clamping, layout):
    largest = np.finfo(np.float32).max
    for size in SIZES[:-2]:
        rows = np.zeros((size, WIDTH), np.float32)
        rows[size // 2, 0] = np.nextafter(largest, np.float32(0))
        assert clamping.probability(LAYOUTS[layout](rows))[size // 2] == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_kernel_takes_one_value_alone(folder, monkeypatch, limit, layout):
    """P(negative) goes through a sigmoid of its own, and so do columns that are read in place."""
    kernel_faults.install(monkeypatch, kernel_faults.one_alone_otherwise)
    limit(block_rows=40, bound_rows=4, parallel_values=1 << 30, adjacent_rows=2)
    predictor, laid = Predictor(folder), LAYOUTS[layout]
    rows = np.random.default_rng(1).normal(0, 2, (41, WIDTH)).astype(np.float32)
    pairs = [predictor.predict_proba(laid(np.repeat(row[None], 2, 0)))[:1] for row in rows]
    expected = np.concatenate(pairs)
    assert_same_bits(predictor.predict_proba(laid(rows)), expected)  # the last block has one row
    if layout != "columns where they lie":  # a single row of an array is rows however it lies
        alone = [predictor.predict_proba(laid(row[None])) for row in rows]
        assert_same_bits(np.concatenate(alone), expected)
