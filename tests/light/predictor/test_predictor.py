import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from light.helpers import NAMES, TINY, assert_same_bits, parameters, rows_at, write_model
from serve_runtime import InputError, Predictor, ProviderError
from serve_runtime.error_budgets import PROBABILITY_ULP, logit_reference, probability_ulp
from serve_runtime.errors import LogitOverflowError

values = st.floats(-1e4, 1e4, width=32)
batches = st.integers(1, 70).flatmap(lambda n: arrays(np.float32, (n, 2), elements=values))
TAILS = (-20.0, -50.0, -85.0)


def as_columns(rows):
    return {name: rows[:, i] for i, name in enumerate(NAMES)}


LAYOUTS = {"rows": lambda rows: rows, "columns": as_columns}


@pytest.fixture(scope="module", params=[1, 2])
def threaded(request):
    return Predictor(TINY, threads=request.param)


@pytest.fixture(scope="module", params=["model.onnx", "model.columnar.onnx"])
def alone(request):
    return Predictor(TINY / request.param)


def test_the_graph_has_the_weights_that_the_card_digests(predictor):
    weight, bias = parameters(predictor)
    content = np.array([*weight, bias], "<f4").tobytes()
    assert hashlib.sha256(content).hexdigest() == predictor.card.weights_sha256


@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=batches)
def test_logits_and_probabilities_are_within_their_budgets(predictor, layout, rows):
    weight, bias = parameters(predictor)
    reference, bound = logit_reference(rows, weight, bias)
    logit, probability = predictor.scores(LAYOUTS[layout](rows))
    assert (np.abs(logit - reference) <= bound).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (probability_ulp(probability, logit)[logit >= -87] <= PROBABILITY_ULP).all()


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_shapes_and_dtypes(predictor, rows):
    x = np.ones((rows, 2))
    proba = predictor.predict_proba(x)
    assert (proba.shape, proba.dtype) == ((rows, 2), np.float32)
    for score in (predictor.probability(x), predictor.decision_function(x), *predictor.scores(x)):
        assert (score.shape, score.dtype) == ((rows,), np.float32)
    labels = predictor.predict(x)
    assert (labels.shape, labels.dtype) == ((rows,), predictor.classes_.dtype)


def test_scikit_learn_attributes(predictor):
    assert predictor.classes_.tolist() == [0, 1]
    assert predictor.classes_.dtype.kind == "i"
    assert predictor.feature_names_in_.tolist() == ["x1", "x2"]
    assert predictor.feature_names_in_.dtype == object
    assert predictor.n_features_in_ == 2
    assert predictor.card.feature_names == NAMES


def test_the_methods_agree_with_one_another(predictor):
    x = rows_at(predictor, -40, -3, -0.1, 0.2, 7, 60)
    logit, probability = predictor.scores(x)
    assert_same_bits(predictor.decision_function(x), logit)
    assert_same_bits(predictor.probability(x), probability)
    assert_same_bits(predictor.predict_proba(x)[:, 1].copy(), probability)
    assert predictor.predict(x).tolist() == [0, 0, 0, 1, 1, 1]
    total = predictor.predict_proba(x).sum(axis=1, dtype=np.float64)
    assert (np.abs(total - 1) <= PROBABILITY_ULP * 2.0**-24).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("target", TAILS)
def test_the_positive_tail_is_right(predictor, layout, target):
    logit, probability = predictor.scores(LAYOUTS[layout](rows_at(predictor, target)))
    assert logit[0] == pytest.approx(target, rel=1e-5)
    assert probability[0] > 0
    assert probability_ulp(probability, logit)[0] <= PROBABILITY_ULP


@pytest.mark.parametrize("target", TAILS)
def test_the_negative_tail_is_right(predictor, target):
    x = rows_at(predictor, -target)
    negative, positive = predictor.predict_proba(x).T.copy()
    assert positive[0] == pytest.approx(1)
    assert negative[0] > 0
    assert probability_ulp(negative, -predictor.decision_function(x))[0] <= PROBABILITY_ULP


def test_the_negative_probability_is_as_exact_as_the_positive(predictor):
    x = rows_at(predictor, *np.linspace(-30, 87, 20_001), *np.linspace(0.1, 0.4, 20_001))
    logit, negative = predictor.decision_function(x), predictor.predict_proba(x)[:, 0]
    assert (probability_ulp(negative, -logit) <= PROBABILITY_ULP).all()
    assert (np.diff(negative[np.argsort(logit)]) <= 0).all()


@pytest.mark.parametrize("row", [[3e38, -3e38], [3e38, 3e38], [-3e38, -3e38]])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_finite_row_whose_terms_overflow_is_refused(predictor, layout, row):
    """Whatever the terms' true sum is, float32 may have lost its sign."""
    rows = np.array([[1, 2], row], np.float32)
    with pytest.raises(LogitOverflowError, match="row 1 is so large that its weighted terms over"):
        predictor.probability(LAYOUTS[layout](rows))


def test_a_host_that_raises_on_float_errors_gets_scores_too(predictor):
    x = [[-100.0, -100.0], [1e-50, 40.0]]
    expected = predictor.predict_proba(x)
    with np.errstate(all="raise"):
        assert_same_bits(predictor.predict_proba(x), expected)
        predictor.predict_proba({"x1": [1e-50], "x2": [40.0]})


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=50)
@given(rows=batches, at=st.integers(0, 69), start=st.integers(0, 69))
def test_a_row_has_the_same_bits_in_every_batch(predictor, threaded, layout, rows, at, start):
    shape = LAYOUTS[layout]
    logit, probability = threaded.scores(shape(rows))
    at, start = at % len(rows), start % len(rows)
    for one, part in ((predictor, slice(at, at + 1)), (threaded, slice(start, None))):
        alone = one.scores(shape(rows[part]))
        assert_same_bits(alone[0], logit[part])
        assert_same_bits(alone[1], probability[part])


def test_threads_that_share_a_predictor_get_their_own_scores(predictor):
    rng = np.random.default_rng(1)
    blocks = [rng.normal(size=(1 + i % 37, 2)).astype(np.float32) for i in range(64)]
    expected = [predictor.predict_proba(block) for block in blocks]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for got, alone in zip(pool.map(predictor.predict_proba, blocks), expected, strict=True):
                assert_same_bits(got, alone)


def test_one_model_file_alone_scores_every_kind_of_input(predictor, alone):
    rows = rows_at(predictor, -30, -1, 0.5, 12, 44)
    weight, bias = parameters(predictor)
    reference, bound = logit_reference(rows, weight, bias)
    dicts = [dict(zip(NAMES, map(float, row), strict=True)) for row in rows]
    for x in (rows, as_columns(rows), dicts):
        assert (np.abs(alone.decision_function(x) - reference) <= bound).all()
    assert alone.predict_proba([]).shape == (0, 2)
    assert alone.card == predictor.card
    assert alone.selftest().rows == len(alone.card.golden)


@pytest.mark.parametrize("name", ["model.onnx", "model.columnar.onnx"])
def test_a_model_file_alone_tells_the_first_bad_row(name):
    with pytest.raises(InputError, match="row 1, feature 'x2' is missing"):
        Predictor(TINY / name).probability([[1, 2], [3, np.nan], [np.nan, 1]])


def test_a_path_may_be_a_string_or_a_path(predictor):
    assert Predictor(str(TINY)).card == predictor.card


def test_the_label_is_the_positive_one_from_the_threshold_up(predictor, card, tmp_path):
    x = rows_at(predictor, -2, -1, 0, 1)
    limit = float(predictor.probability(x)[1])
    edited = replace(card, classes=("no", "yes"), threshold=limit)
    labelled = Predictor(write_model(tmp_path / "model.onnx", edited))
    assert labelled.predict(x).tolist() == ["no", "yes", "yes", "yes"]
    assert labelled.label(np.float32([0, limit, 1])).tolist() == ["no", "yes", "yes"]
    assert labelled.classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize("threads", [0, -1, "many", 1.5, None])
def test_threads_must_be_positive(threads):
    with pytest.raises(ValueError, match=f"threads must be 1 or more, or 'auto'; got {threads}"):
        Predictor(TINY, threads=threads)


def test_an_unavailable_provider_lists_what_there_is():
    with pytest.raises(ProviderError, match=r"'NoSuchProvider' is not .* offers .*CPUExecution"):
        Predictor(TINY, providers=["NoSuchProvider", "CPUExecutionProvider"])
    with pytest.raises(ProviderError, match=r"\(none given\) is not available"):
        Predictor(TINY, providers=[])
