import numpy as np
import pytest

from light.helpers import assert_same_bits, parameters
from light.wide import write_bundle
from serve_runtime import InputError, Predictor
from serve_runtime.error_budgets import PROBABILITY_ULP, logit_reference, probability_ulp

WIDTHS = [1, 3, 8, 30, 257]


@pytest.fixture(scope="module", params=WIDTHS)
def model(request, tmp_path_factory):
    """Weights, names and the bundle of a model of one width; every fifth weight is zero."""
    weight = np.random.default_rng(request.param).normal(size=request.param).astype(np.float32)
    weight[4::5] = 0
    return weight, *write_bundle(tmp_path_factory.mktemp("wide") / "bundle", weight)


def layouts(names, rows):
    return {"rows": rows, "columns": {name: rows[:, i] for i, name in enumerate(names)}}


def random_rows(count, width):
    return np.random.default_rng(count).normal(0, 3, (count, width)).astype(np.float32)


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_scores_are_within_their_budgets_at_every_width(model, predictor, layout):
    weight, names, folder = model
    rows = random_rows(1001, len(weight))
    reference, bound = logit_reference(rows, weight, parameters(predictor)[1])
    logit, probability = Predictor(folder).scores(layouts(names, rows)[layout])
    assert (np.abs(logit - reference) <= bound).all()
    budgeted = logit >= -87
    assert (probability_ulp(probability, logit)[budgeted] <= PROBABILITY_ULP).all()
    assert budgeted.any()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_row_has_the_same_bits_in_every_batch_at_every_width(model, layout, threads):
    weight, names, folder = model
    rows = random_rows(280, len(weight))
    alone, predictor = Predictor(folder), Predictor(folder, threads=threads)
    one_by_one = [alone.scores(layouts(names, rows[i : i + 1])[layout]) for i in range(len(rows))]
    expected = np.array(one_by_one)[:, :, 0]
    for size in [*range(1, 71), len(rows)]:
        start = size % (len(rows) - size + 1)
        part = slice(start, start + size)
        for got, want in zip(
            predictor.scores(layouts(names, rows[part])[layout]), expected[part].T, strict=True
        ):
            assert_same_bits(got, want.copy())


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_batch_that_threads_share_has_the_bits_of_small_ones(model, layout):
    weight, names, folder = model
    rows = np.tile(random_rows(331, len(weight)), (101, 1))  # 331 is no multiple of any block
    expected = Predictor(folder).scores(layouts(names, rows[:331])[layout])
    for threads in (1, 2, 3):
        scores = Predictor(folder, threads=threads).scores(layouts(names, rows)[layout])
        for got, want in zip(scores, expected, strict=True):
            assert_same_bits(got, np.tile(want, 101))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_bad_value_is_found_under_every_weight_and_place(model, layout, value):
    weight, names, folder = model
    predictor = Predictor(folder)
    for at, feature in enumerate(names):
        row = (at * 7) % 13
        rows = np.zeros((13, len(weight)), np.float32)
        rows[row, at] = value
        with pytest.raises(InputError, match=f"row {row}, feature '{feature}' is "):
            predictor.predict(layouts(names, rows)[layout])


def test_a_wrong_width_names_only_the_first_features(tmp_path):
    _, folder = write_bundle(tmp_path / "bundle", np.ones(30, np.float32))
    with pytest.raises(
        InputError, match=r"30 features per row \('f0', 'f1', 'f2' and 27 more\); got 2"
    ):
        Predictor(folder).predict([[1, 2]])
