"""A Predictor of a model with texts and gaps, opened from a file: what it tells, how it lasts."""

import pickle
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest

from light.bundle.graph.random_encodings import number, random_model
from light.helpers import assert_same_bits
from light.mixed import (
    CODE,
    COLOUR,
    COLUMNS_OF_MODEL,
    ENCODING,
    NAMES,
    NAN,
    STRAIGHT,
    file_of,
    mixed_rows,
    model_of,
    predictor_of,
)
from light.predictor.test_selftest_encoded import golden_of
from serve_runtime import ArtifactError, Predictor
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.column import PRECISE, Column
from serve_runtime.features.encoding import Encoding

ROWS = mixed_rows(300)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(file_of(golden=golden_of()))


def test_a_file_gives_the_bits_of_its_constants(predictor):
    assert_same_bits(predictor.decision_function(ROWS.columns), ROWS.logits())
    assert predictor.selftest().identical


def test_onnxruntime_alone_gives_the_same_bits(predictor):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(file_of(golden=golden_of()), options)
    raw = ROWS.columns
    feeds = {
        "numbers": np.array([raw["age"], raw["visits"]], np.float32).T,
        "born": np.array([raw["born"]], np.float64).T,
        **{
            name: np.array([["" if v is None else v for v in raw[name]]], object).T
            for name in ("colour", "code", "room")
        },
    }
    feeds = {entry.name: feeds[entry.name] for entry in session.get_inputs()}
    logit, probability = session.run(["logit", "probability"], feeds)
    scores = predictor.scores(raw)
    assert_same_bits(logit[:, 0], scores[0])
    assert_same_bits(probability[:, 0], scores[1])


def test_what_it_tells_of_itself(predictor):
    assert tuple(predictor.feature_names_in_) == NAMES
    assert predictor.n_features_in_ == 6
    assert predictor.card.categories == ("colour", "code", "room")
    assert repr(predictor).endswith(": 6 features, ['no' 'yes']>")
    assert set(predictor.predict(ROWS.columns)) == {"no", "yes"}


def test_a_pickle_scores_alike(predictor):
    twin = pickle.loads(pickle.dumps(predictor))
    row = {name: values[1] for name, values in ROWS.columns.items()}
    assert_same_bits(twin.probability(ROWS.columns), predictor.probability(ROWS.columns))
    assert_same_bits(twin.probability(row), predictor.probability(row))


def test_a_reload_may_bring_other_levels():
    served = Predictor(file_of(golden=golden_of()))
    levels = (*COLOUR.levels, "\u65e5\u672c\u8a9e")
    table = np.insert(ENCODING.tables[0], len(levels), np.float32(2.5))
    columns = list(COLUMNS_OF_MODEL)
    columns[1] = replace(COLOUR, levels=levels, counts=(1,) * len(levels))
    encoding = replace(ENCODING, columns=tuple(columns), tables=(table, *ENCODING.tables[1:]))
    row = {name: values[1] for name, values in ROWS.columns.items()} | {"colour": levels[-1]}
    before = served.decision_function(row)
    assert served.reload(file_of(columns, encoding=encoding, golden=golden_of(encoding)))
    assert served.decision_function(row)[0] == pytest.approx(before[0] + 2.5)


def test_a_reload_may_not_make_a_category_of_a_number():
    numbers = tuple(Column(name, low=0.0, high=1.0, missing="median") for name in "ab")
    zeros = np.zeros(2, np.float32)
    encoding = Encoding(numbers, zeros, zeros, np.empty(0), ())
    plain = Affine(np.ones(2, np.float32), 0.0)
    columns = (numbers[0], replace(CODE, name="b"))
    other = Encoding(columns, zeros[:1], zeros[:1], np.empty(0), ENCODING.tables[1:2])
    served = Predictor(file_of(numbers, plain, encoding))
    with pytest.raises(ArtifactError, match=r"other categories \('b'\) than the model .* \(\)"):
        served.reload(file_of(columns, Affine(np.ones(1, np.float32), 0.0), other))


def test_a_model_with_categories_has_no_coefficients(predictor):
    for name in ("coef_", "intercept_"):
        assert not hasattr(predictor, name)
        with pytest.raises(AttributeError, match="each level has a weight of its own"):
            getattr(predictor, name)


def test_a_model_with_bent_numbers_has_no_coefficients():
    model = random_model(np.random.default_rng(0), [number("a"), number("b", knots=(1.0,))])
    bent = predictor_of(model_of(model.encoding.columns, *model))
    for name in ("coef_", "intercept_"):
        assert not hasattr(bent, name)
        with pytest.raises(AttributeError, match=r"bent numbers \('b'\) has no .* is a curve"):
            getattr(bent, name)


def test_a_reload_may_bend_a_number(predictor):
    golden = golden_of(STRAIGHT)
    served = Predictor(file_of(STRAIGHT.columns, encoding=STRAIGHT, golden=golden))
    assert_same_bits(served.decision_function(ROWS.columns), ROWS.logits(encoding=STRAIGHT))
    assert served.reload(file_of(golden=golden_of()))
    assert_same_bits(served.decision_function(ROWS.columns), ROWS.logits())


def test_coefficients_are_in_the_order_of_the_columns():
    columns = (
        Column("when", PRECISE, 1e9, 1e9 + 9),
        Column("age", low=0.0, high=9.0, missing="median"),
    )
    encoding = Encoding(
        columns, np.array([1, NAN], np.float32), np.zeros(2, np.float32), np.array([1e9]), ()
    )
    affine = Affine(np.array([2.0, 0.5], np.float32), 0.25)
    found = predictor_of(model_of(columns, affine, encoding))
    assert found.coef_.tolist() == [[0.5, 2.0]]
    assert found.intercept_.tolist() == [0.25 - 5e8]
    row = [1e9 + 8, 3.0]
    assert found.decision_function([row])[0] == found.coef_[0] @ row + found.intercept_[0]
