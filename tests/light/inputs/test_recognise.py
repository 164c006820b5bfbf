import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from light.helpers import NAMES, assert_same_bits
from light.inputs.kinds import BITS, KINDS, LYING_AS_COLUMNS, NAMED, UNNAMED, WHOLE


@pytest.fixture(scope="module")
def expected(predictor):
    """Logits of `rows` in the layout of the input `kind`."""

    def logits(kind, rows):
        named = {"x1": rows[:, 0], "x2": rows[:, 1]}
        x = rows if kind in UNNAMED and kind not in LYING_AS_COLUMNS else named
        return predictor.decision_function(x)

    return logits


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_gives_the_scores_of_its_values(predictor, expected, kind):
    assert_same_bits(predictor.decision_function(KINDS[kind](WHOLE)), expected(kind, WHOLE))


@pytest.mark.parametrize("kind", ["array", "lists", "list of dicts", *NAMED])
def test_true_and_false_are_one_and_zero(predictor, expected, kind):
    x = KINDS[kind](BITS.astype(bool))
    assert_same_bits(predictor.decision_function(x), expected(kind, BITS))


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_give_no_scores(predictor, kind):
    assert predictor.predict_proba(KINDS[kind](WHOLE[:0])).shape == (0, 2)


@pytest.mark.parametrize("x", [[], (), np.empty(0), np.empty((0, 2)), {"x1": [], "x2": []}])
def test_an_empty_batch_needs_no_columns(predictor, x):
    assert predictor.predict(x).shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_is_never_modified(predictor, kind):
    x, untouched = KINDS[kind](WHOLE), KINDS[kind](WHOLE)
    predictor.predict_proba(x)
    assert repr(x) == repr(untouched)


@given(st.permutations([*NAMES, "a", "b"]), st.data())
def test_columns_are_matched_by_name_in_any_order(predictor, order, data):
    rows = np.array(data.draw(st.lists(st.tuples(*[st.integers(-9, 9)] * 2), min_size=1)))
    values = {"x1": rows[:, 0], "x2": rows[:, 1], "a": ["text"] * len(rows), "b": []}
    by_name = predictor.probability({name: values[name] for name in NAMES})
    assert_same_bits(predictor.probability({name: values[name] for name in order}), by_name)
