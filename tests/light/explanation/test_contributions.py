from bisect import bisect_right
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serve_runtime
from light import mixed
from light.helpers import TINY, assert_same_bits, tiny_card, write_model
from light.inputs import kinds, mixed_kinds
from light.wide import write_bundle
from serve_runtime import ClosedError, InputError, NonFiniteError, Predictor
from serve_runtime.arrays import COLUMNS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import MEANS, ModelCard
from serve_runtime.bundle.model_file import ModelFile
from serve_runtime.error_budgets import LARGEST, contributions_bound, logit_reference
from serve_runtime.features.column import Column, number_columns

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(-1e6, 1e6, width=32)


def numeric_predictor(weight, bias, center=None, means=None, low=None, high=None):
    """A Predictor in memory of float32 weights."""
    affine = Affine(np.array(weight, np.float32), float(np.float32(bias)), center)
    names = tuple(f"f{i}" for i in range(len(weight)))
    low, high = low or (-1.0,) * len(names), high or (1.0,) * len(names)
    training = {} if means is None else {MEANS: list(means)}
    card = ModelCard(number_columns(names, low, high), (0, 1), affine.sha256(), training=training)
    return mixed.predictor_of(ModelFile("numeric", b"", card, "rows", affine)), affine


def total(found, row=0):
    """The exact sum of the contributions of a row and the bias."""
    return sum(map(Fraction, found.values[row].tolist()), Fraction(found.bias))


def exact_logit(affine, row):
    center = np.zeros(len(row)) if affine.center is None else affine.center
    terms = zip(affine.weight.tolist(), row.tolist(), center.tolist(), strict=True)
    return sum((Fraction(w) * (Fraction(x) - Fraction(c)) for w, x, c in terms),
               Fraction(affine.bias))  # fmt: skip


def test_a_number_counts_from_its_mean():
    predictor, _ = numeric_predictor([2, -0.5], 3, means=[2000.5, 8])
    found = predictor.contributions([[2019, 4], [2000.5, 8]])
    assert type(found) is serve_runtime.Contributions
    assert found.columns == ("f0", "f1")
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, [[37, 2], [0, 0]])
    assert found.bias == 3 + 2 * 2000.5 - 0.5 * 8
    assert found.bias == predictor.decision_function([[2000.5, 8]])[0]


@pytest.mark.parametrize("means", [None, [], [1.0], ["a", 1.0], {"f0": 1.0}, [float("1e999"), 1.0]])
def test_without_means_it_counts_from_the_range(means):
    predictor, _ = numeric_predictor([1] * 3, 0, low=(2000.0, -9.0, -3.0), high=(2020.0, -4.0, 3.0))
    card = replace(predictor.card, training={} if means is None else {MEANS: means})
    predictor = mixed.predictor_of(replace(predictor._model.files[0], card=card))
    assert predictor.contributions([[2019, -6, 2]]).values.tolist() == [[19, -2, 2]]


def test_a_centre_changes_the_bits_of_no_contribution():
    center = np.array([1e6, 3], np.float32)
    moved, _ = numeric_predictor([2, -0.5], 3, center, means=[1e6 + 2, 8])
    plain, _ = numeric_predictor([2, -0.5], 3, means=[1e6 + 2, 8])
    rows = [[1e6 + 5, 1], [1e6 - 9, 2]]
    assert_same_bits(moved.contributions(rows).values, plain.contributions(rows).values)
    assert moved.contributions(rows).bias == 3 + 2 * 2 - 0.5 * 5


@given(st.data())
def test_odd_numbers_add_up_within_the_bound(data):
    width = data.draw(st.integers(1, 6))
    some = st.lists(data.draw(st.sampled_from([FLOATS, ORDINARY])), min_size=width, max_size=width)
    weight, row, means, center = (np.array(data.draw(some), np.float32) for _ in range(4))
    center = center if data.draw(st.booleans()) else None
    predictor, affine = numeric_predictor(weight, data.draw(FLOATS), center, means.tolist())
    try:
        found = predictor.contributions(row[None])
    except InputError:
        with pytest.raises(InputError, match="row 0"):
            predictor.decision_function(row[None])
        return
    bound = contributions_bound(found.values, found.bias)[0]
    if np.isfinite(found.values).all() and np.isfinite(found.bias):
        assert abs(total(found) - exact_logit(affine, row)) <= Fraction(float(bound))
    else:
        assert not np.isfinite(bound) or not np.isfinite(found.bias)


def test_many_rows_add_up_within_the_budget(tmp_path):
    rng = np.random.default_rng(0)
    names, folder = write_bundle(tmp_path / "b", rng.normal(size=30) * 10.0 ** rng.integers(-3, 3))
    predictor = Predictor(folder)
    rows = rng.random((20_000, 30)).astype(np.float32)
    affine = predictor._model.files[0].affine
    exact, bound = logit_reference(rows, affine.weight, affine.bias)
    for x in (rows, np.asfortranarray(rows), rows.astype(float)):
        found = predictor.contributions(x)
        sums = found.values.sum(1, dtype=float) + found.bias
        assert (abs(sums - exact) <= contributions_bound(found.values, found.bias)).all()
        assert (abs(sums - predictor.decision_function(x)) <= bound).all()
    assert found.columns == names


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_of_input_has_the_same_bits(kind):
    predictor = Predictor(TINY)
    expected = predictor.contributions(kinds.WHOLE).values
    assert_same_bits(predictor.contributions(kinds.KINDS[kind](kinds.WHOLE)).values, expected)


@pytest.mark.parametrize("kind", mixed_kinds.KINDS)
def test_every_kind_of_raw_rows_has_the_same_bits(kind):
    rows = mixed.mixed_rows(40, gaps="numpy's texts" not in kind and "levels as" not in kind)
    predictor = mixed.mixed_predictor()
    expected = predictor.contributions(mixed_kinds.dicts(rows.columns)).values
    found = predictor.contributions(mixed_kinds.KINDS[kind](rows.columns))
    assert_same_bits(found.values, expected)


def test_a_row_has_the_same_bits_alone_and_in_a_batch():
    rng = np.random.default_rng(0)
    predictor, _ = numeric_predictor(rng.normal(size=7), 1, means=rng.normal(size=7).tolist())
    rows = rng.normal(size=(60_000, 7)).astype(np.float32)
    found = predictor.contributions(rows).values
    for row in (0, 1, 37_448, 37_449, 59_999):
        assert_same_bits(predictor.contributions(rows[row : row + 1]).values, found[row : row + 1])


def exact_parts(rows, row, card):
    """By column the exact part of the logit of a mixed row, beside the average one; and the bias
    that is left."""
    encoding, affine = mixed.ENCODING, mixed.AFFINE
    means = dict(zip(card.feature_names, card.training[MEANS], strict=True))
    parts, left = {}, Fraction(affine.bias)
    curves = dict(zip(encoding.bent, encoding.curves, strict=True))
    for i, column in enumerate(encoding.numbers):
        x = float(rows.numbers[i, row])
        gap = Fraction(float(encoding.gap[i])) if x != x else 0
        x = float(encoding.fill[i]) if x != x else x
        if i in curves:
            curve = curves[i]
            j = bisect_right(curve.knots.tolist(), x)
            distance = Fraction(x) - Fraction(float(curve.origin[j]))
            part = Fraction(float(curve.value[j])) + Fraction(float(curve.slope[j])) * distance
        else:
            mean = np.float32(means[column.name] - encoding.number_centers[i])
            weight = Fraction(float(affine.weight[i]))
            part = weight * (Fraction(x) - Fraction(float(mean)))
            left += weight * Fraction(float(mean))
        parts[column.name] = part + gap
    for column, table, codes in zip(encoding.categories, encoding.tables, rows.codes, strict=True):
        parts[column.name] = Fraction(float(table[codes[row]]))
    return parts, left


def test_mixed_rows_have_the_parts_of_their_columns():
    means = [40.0, None, 4.25, mixed.BORN + 3e4, None, None]
    model = mixed.model_of(training={MEANS: means})
    predictor, rows = mixed.predictor_of(model), mixed.mixed_rows(200)
    found = predictor.contributions(rows.columns)
    assert found.columns == mixed.NAMES
    for row in range(200):
        parts, left = exact_parts(rows, row, model.card)
        bounds = contributions_bound(found.values[row][:, None], 0.0)
        for name, value, bound in zip(found.columns, found.values[row], bounds, strict=True):
            assert abs(Fraction(float(value)) - parts[name]) <= Fraction(float(bound)) + 2**-50
        assert found.bias == float(left)
        logit = predictor.decision_function({n: [c[row]] for n, c in rows.columns.items()})[0]
        assert abs(float(total(found, row)) - logit) < 1e-6


def test_a_snapshot_and_a_pickle_contribute_the_same(tmp_path):
    import pickle

    predictor = Predictor(TINY)
    expected = predictor.contributions(kinds.WHOLE)
    for other in (predictor.snapshot(), pickle.loads(pickle.dumps(predictor))):
        found = other.contributions(kinds.WHOLE)
        assert_same_bits(found.values, expected.values)
        assert found.bias == expected.bias
    predictor.close()
    with pytest.raises(ClosedError, match="this Predictor is closed"):
        predictor.contributions(kinds.WHOLE)


def test_no_rows_have_no_contributions():
    for predictor in (Predictor(TINY), mixed.mixed_predictor()):
        found = predictor.contributions({name: [] for name in predictor.card.feature_names})
        assert found.values.shape == (0, predictor.n_features_in_)


@pytest.mark.parametrize("x", ["text", [[1]], {"x1": [1]}, [[1, "a"]], None])
def test_what_cannot_be_scored_cannot_be_explained(x):
    predictor = Predictor(TINY)
    with pytest.raises(InputError, match=r"feature") as expected:
        predictor.probability(x)
    with pytest.raises(InputError, match=r"feature") as found:
        predictor.contributions(x)
    assert str(found.value) == str(expected.value)


def test_the_first_bad_row_is_named_over_all_chunks():
    pa = pytest.importorskip("pyarrow")
    part = pa.table({"x1": np.ones(9000), "x2": np.ones(9000)})
    bad = pa.table({"x1": [1.0, None], "x2": [1.0, 2.0]})
    table = pa.concat_tables([part, part, bad])
    with pytest.raises(NonFiniteError, match="row 18001, feature 'x1' is missing"):
        Predictor(TINY).contributions(table)


def test_what_float32_does_not_hold_is_infinite():
    predictor, _ = numeric_predictor([1e38, 1e38], 0, means=[-3.0, 0.0])
    with np.errstate(all="raise"):
        found = predictor.contributions([[3, -3]])
    assert found.values.tolist() == [[np.inf, float(np.float32(-3e38))]]
    assert contributions_bound(found.values, found.bias)[0] == np.inf
    assert found.bias == pytest.approx(-3e38)
    assert LARGEST < 6e38


def test_columns_are_read_block_by_block():
    rng = np.random.default_rng(0)
    rows = mixed.mixed_rows(60_000)
    found = mixed.mixed_predictor().contributions(rows.columns).values
    take = rng.integers(0, 60_000, 50)
    some = {name: [values[i] for i in take] for name, values in rows.columns.items()}
    assert_same_bits(mixed.mixed_predictor().contributions(some).values, found[take])


def test_the_layout_makes_no_difference(tmp_path):
    path = write_model(tmp_path / "m.onnx", tiny_card(), layout=COLUMNS)
    found = Predictor(path).contributions(kinds.WHOLE)
    assert_same_bits(found.values, Predictor(TINY).contributions(kinds.WHOLE).values)


def test_a_reload_changes_what_is_contributed(tmp_path):
    path = write_model(tmp_path / "m.onnx", tiny_card())
    predictor = Predictor(path)
    before = predictor.contributions(kinds.WHOLE)
    training = {**tiny_card().training, MEANS: [1.0, 2.0]}
    write_model(path, replace(tiny_card(), training=training))
    assert predictor.reload()
    after = predictor.contributions(kinds.WHOLE)
    assert (after.values != before.values).any()
    assert after.bias == pytest.approx(predictor.decision_function([[1, 2]])[0], abs=1e-5)


def test_a_category_alone_has_no_numbers_to_compare():
    columns = (Column("c", "category", levels=("a", "b"), counts=(1, 2)),)
    encoding = replace(mixed.ENCODING, columns=columns, fill=np.empty(0, np.float32),
                       gap=np.empty(0, np.float32), center=np.empty(0), curves=(),
                       tables=(np.array([0, -2, 1, 0, 0], np.float32),))  # fmt: skip
    affine = Affine(np.empty(0, np.float32), 0.25)
    found = mixed.predictor_of(mixed.model_of(columns, affine, encoding)).contributions(
        [{"c": "a"}, {"c": "new"}]
    )
    assert found.values.tolist() == [[-2], [0]]
    assert found.bias == 0.25
