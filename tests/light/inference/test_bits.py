"""Every path through the engine gives the bits that onnxruntime gives on the files themselves."""

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light import wide
from light.helpers import assert_same_bits, file_scores, rows_at
from serve_runtime import Predictor
from serve_runtime.bundle.onnx_graph import write_sigmoid
from serve_runtime.error_budgets import PROBABILITY_ULP, probability_error
from serve_runtime.inputs.batch_limits import LIMITS

WIDTHS = [1, 3, 30, 300, 5000]
LAYOUTS = ["rows", "columns"]
SIZES = [1, 2, 3, 4, 5, 8, 63, 64, 65, 255, 256, 257, 260, 262, 1000, 1003]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Bundles by width; the logits of `random_rows` are of every size."""
    found = {}
    for width in WIDTHS:
        weight = np.random.default_rng(width).normal(0, 8 / width**0.5, width)
        _, found[width] = wide.write_bundle(tmp_path_factory.mktemp("bits") / f"w{width}", weight)
    return found


@pytest.fixture
def centered(tmp_path):
    """The bundle of a model of three features that subtracts a centre first."""
    center = np.array([0.5, -3, 1e4], np.float32)
    return wide.write_bundle(tmp_path / "centered", [1, -2, 0.5], bias=0.25, center=center)[1]


@pytest.fixture
def small_blocks(cut_blocks):
    cut_blocks(rows=24, values=60)


def random_rows(count, width):
    rows = np.random.default_rng(count).normal(0, 1, (count, width))
    return (rows * np.logspace(-6, 0.5, count)[:, None]).astype(np.float32)


def laid(rows, layout):
    """The same values so that they are read as `layout`: named columns, were there only one."""
    return rows if layout == "rows" else {f"f{i}": rows[:, i] for i in range(rows.shape[1])}


def assert_scores(predictor, x, expected):
    """Every method gives `expected`: logit and probability."""
    logit, probability = expected
    assert_same_bits(predictor.decision_function(x), logit)
    assert_same_bits(predictor.probability(x), probability)
    proba = predictor.predict_proba(x)
    assert_same_bits(proba[:, 1].copy(), probability)
    assert_same_bits(proba[:, 0].copy(), sigmoid(-logit))
    for got, want in zip(predictor.scores(x), expected, strict=True):
        assert_same_bits(got, want)
    positive = probability >= np.float32(predictor.card.threshold)
    assert predictor.predict(x).tolist() == predictor.classes_[positive.astype(int)].tolist()


def sigmoid(logit):
    session = ort.InferenceSession(write_sigmoid())
    return session.run(None, {"logit": logit})[0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_batch_of_every_size_has_the_bits_of_the_file(models, width, layout):
    rows = random_rows(SIZES[-1] if width < 1000 else 65, width)
    logit, probability = file_scores(models[width], rows, layout)
    predictor = Predictor(models[width])
    for size in SIZES:
        part = slice(0, size)
        assert_scores(predictor, laid(rows[part], layout), (logit[part], probability[part]))


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=st.integers(1, 300), first=st.integers(0, 40), width=st.sampled_from(WIDTHS[:4]))
@settings(max_examples=40)
def test_a_slice_of_a_batch_has_the_bits_of_the_file(models, layout, rows, first, width):
    all_rows = random_rows(first + rows, width)
    expected = [scores[first:] for scores in file_scores(models[width], all_rows, layout)]
    assert_scores(Predictor(models[width]), laid(all_rows[first:], layout), expected)


@pytest.mark.parametrize("threads", [1, 2, 3, "auto"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", WIDTHS[:3])
@pytest.mark.usefixtures("small_blocks")
def test_many_blocks_on_many_threads_have_the_bits_of_the_file(models, width, layout, threads):
    predictor = Predictor(models[width], threads=threads)
    for count in (9, 23, 24, 25, 28, 47, 48, 49, 50, 51, 52, 97, 1001):
        rows = random_rows(count, width)
        expected = file_scores(models[width], rows, layout)
        assert_scores(predictor, laid(rows, layout), expected)
        if layout == "rows":
            assert_scores(predictor, rows.astype(np.float64), expected)
        elif width > 1:
            assert_scores(predictor, np.asfortranarray(rows), expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("small_blocks")
def test_a_centre_is_subtracted_in_every_path(centered, threads):
    predictor = Predictor(centered, threads=threads)
    for count in (1, 5, 9, 24, 49, 1001):
        rows = random_rows(count, 3) + np.float32([0, 0, 1e4])
        expected = file_scores(centered, rows, "rows")
        assert_scores(predictor, rows, expected)
        assert_scores(predictor, rows.astype(np.float64), expected)
        expected = file_scores(centered, rows, "columns")
        assert_scores(predictor, laid(rows, "columns"), expected)
        if count > 1:
            assert_scores(predictor, np.asfortranarray(rows), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_of_their_real_size_have_the_bits_of_the_file(models, threads, dtype, order):
    rows = random_rows(2 * LIMITS.block_rows + 7, 30)
    logit, probability = file_scores(models[30], rows, "rows" if order == "C" else "columns")
    predictor = Predictor(models[30], threads=threads)
    for count in (LIMITS.block_rows, LIMITS.block_rows + 1, len(rows)):
        found = predictor.scores(rows[:count].astype(dtype, order=order))
        assert_same_bits(found[0], logit[:count])
        assert_same_bits(found[1], probability[:count])


@given(st.lists(st.floats(-120, 120), min_size=1, max_size=600))
def test_the_negative_probability_is_exact_and_never_rises(predictor, logits):
    x = rows_at(predictor, *logits)
    logit, proba = predictor.decision_function(x), predictor.predict_proba(x)
    assert (probability_error(proba[:, 0].copy(), -logit) <= PROBABILITY_ULP).all()
    order = np.argsort(logit)
    assert (np.diff(proba[order, 0]) <= 0).all()
    assert (np.diff(proba[order, 1]) >= 0).all()


def test_the_negative_probability_never_rises_between_floats():
    for start in (-87.0, -1.0, -0.25, -0.03, 1e-6, 0.25, 1.0, 2.0, 30.0):
        near = np.float32(start)
        logit = np.sort(np.arange(near.view(np.int32), near.view(np.int32) + 20_000, dtype="i4")
                        .view(np.float32))  # fmt: skip
        assert (np.diff(sigmoid(-logit)) <= 0).all()
