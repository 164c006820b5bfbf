import pickle

import numpy as np
import pytest

from light.inputs.kinds import (
    KINDS,
    MISSING,
    NAMED,
    WHOLE,
    arrow_table,
    pandas_frame,
    polars_frame,
    structured,
)
from serve_runtime import InputError
from serve_runtime.errors import NonFiniteError

FLOATS = ["array", "Fortran order", "lists", "list of dicts", *NAMED]
FLOATS = [kind for kind in FLOATS if kind not in ("structured integers", "pandas Int64")]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2, 3]], r"x must have 2 features per row \('x1', 'x2'\); got 3"),
        (np.empty((0, 3)), r"x must have 2 features per row \('x1', 'x2'\); got 3"),
        ([[]], r"2 features per row \('x1', 'x2'\); got 0"),
        ([1, 2], r"got 1 with shape \(2,\); for a single row pass \[row\]"),
        (np.zeros((1, 2, 2)), r"x must have 2 dimensions \(rows, 2 features\); got 3"),
        (5.0, r"x must have 2 dimensions \(rows, 2 features\); got a float$"),
        (None, r"x must have 2 dimensions \(rows, 2 features\); got a NoneType$"),
        ("in.csv", r"got a str: to score a file use score_file$"),
        ([[1, 2], [3]], "rectangular; row 0 has 2 values, row 1 has 1$"),
        ([[1, 2], 3], r"got 1 with shape \(2,\)"),
        ([[1, 2], "ab"], "got as row 1 a str$"),
        ([["1", "2"]], "x must be numeric; got the text '1' in row 0, feature 'x1'$"),
        ([["1", 2], [3, "?"]], r"x must be numeric; got the text '\?' in row 1, feature 'x2'$"),
        ([[1j, 2]], "x must be numeric; got a complex in row 0, feature 'x1'$"),
        (np.ones((1, 2), complex), "x must be numeric; got dtype complex128"),
        (np.zeros((1, 2), "M8[s]"), "x must be numeric; got dtype datetime64"),
        (np.array([[1, "2"]], object), "x must be numeric; got the text '2'"),
        (
            np.array([[1, object()]], object),
            "x must be numeric; got a object in row 0, feature 'x2'$",
        ),
        ({"x1": [1]}, r"2 named features; missing: 'x2' \(got: 'x1'\)"),
        ({}, r"missing: 'x1', 'x2' \(got: no columns\)"),
        ({"x1": [1, 2], "x2": [1]}, "equal length; got 'x1': 2, 'x2': 1"),
        ({"x1": [1], "x2": [[1, 2]]}, r"one-dimensional .* got 'x1': 1, 'x2': \(1, 2\)"),
        ({"x1": 1, "x2": [2]}, "feature 'x1' must be a column of values; got a int$"),
        ({"x1": [1], "x2": iter([2])}, r"'x2' must be .* got a list_iterator: .* pass list\(x\)$"),
        ({"x1": ["1"], "x2": [2]}, "feature 'x1' must be numeric; got the text '1' in row 0"),
        ({"x1": [1, [2]], "x2": [1, 2]}, "feature 'x1' must be numeric; got a list in row 1$"),
        ([{"x1": 1, "x2": 2}, {"x1": 1}], r"row 1: .* missing: 'x2' \(got: 'x1'\)"),
        ([{"x1": 1, "x2": 2}, [1, 2]], "row 1 must have names, as other rows have; got list"),
        ([{"x1": 1, "x2": "b"}], "x must be numeric; got the text 'b' in row 0, feature 'x2'$"),
        ([{"x1": [1], "x2": [2]}], "one number per feature; got a list in row 0, feature 'x1'$"),
        (structured(WHOLE)[["x1"]], r"missing: 'x2' \(got: 'x1'\)"),
        ({"x1": np.ma.array(["1"]), "x2": [2]}, "^feature 'x1' must be numeric"),
        (np.ma.array([[1j, 2]]), "^x must be numeric"),
        ([[10**400, 1]], "^x "),
        ([{"x1": 10**400, "x2": 1}], "^x "),
        ({"x1": [10**400], "x2": [1]}, "^feature 'x1' "),
    ],
)
def test_bad_input_is_refused_with_its_reason(predictor, x, message):
    with pytest.raises(InputError, match=message):
        predictor.probability(x)
    with pytest.raises(ValueError, match=message):  # what scikit-learn's callers catch
        predictor.predict(x)


@pytest.mark.parametrize("kind", [pandas_frame, arrow_table])
def test_columns_of_one_name_are_refused(predictor, kind):
    x = kind(WHOLE)
    renamed = ["x1", "x2", "x1"]
    if kind is pandas_frame:
        x.columns = renamed
    else:
        x = x.rename_columns(renamed)
    with pytest.raises(InputError, match="must be unique; more than one is named 'x1'"):
        predictor.probability(x)


@pytest.mark.parametrize("kind", [pandas_frame, polars_frame, arrow_table])
def test_text_in_a_frame_is_refused(predictor, kind):
    x = kind(np.array([["1", "2"], ["3", "4"]]))
    with pytest.raises(InputError, match="feature 'x1' must be numeric"):
        predictor.probability(x)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, r"missing \(NaN\)"), (np.inf, "inf as"), (-np.inf, "-inf as")]
)
def test_a_non_finite_value_is_named_by_row_and_feature(predictor, kind, value, shown):
    rows = WHOLE.copy()
    rows[2, 1], rows[3, 0] = value, np.nan
    with pytest.raises(NonFiniteError, match=f"row 2, feature 'x2' is {shown}") as caught:
        predictor.probability(KINDS[kind](rows))
    assert (caught.value.row, caught.value.feature) == (2, "x2")
    assert np.isnan(caught.value.value) if np.isnan(value) else caught.value.value == value


@pytest.mark.parametrize("kind", MISSING)
def test_a_missing_value_of_every_kind_is_refused(predictor, kind):
    with pytest.raises(NonFiniteError, match=r"row 1, feature 'x1' is missing \(NaN\)"):
        predictor.probability(MISSING[kind]())


def test_a_number_too_large_for_float32_is_refused(predictor):
    with pytest.raises(NonFiniteError, match="row 0, feature 'x2' is inf as float32"):
        predictor.probability(np.array([[1, 1e39]]))


def test_the_error_of_a_bad_value_crosses_process_boundaries():
    error = NonFiniteError(3, "x2", float("inf"), "in.csv: data row 4")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.row, copy.feature, copy.value) == (str(error), 3, "x2", float("inf"))
