"""The self-test of a model with texts and gaps: golden rows of raw values, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from light import kernel_faults
from light.helpers import moved
from light.inputs.mixed_kinds import listed
from light.mixed import AFFINE, ENCODING, NAN, mixed_rows, model_of, predictor_of
from serve_runtime import SelfTestError
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import GoldenRow
from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.features.encoding import Encoding
from serve_runtime.inference.served_model import ServedModel
from serve_runtime.selftest import BATCHES

(CURVE,) = ENCODING.curves
ROWS = listed(mixed_rows(8).columns, tuple)


def golden_of(encoding=ENCODING, rows=ROWS):
    """Golden rows with what a plain model of `encoding` gives here."""
    logit, probability = predictor_of(model_of(encoding=encoding)).scores(rows)
    return tuple(
        GoldenRow(row, float(z), float(p), 1e-5)
        for row, z, p in zip(rows, logit, probability, strict=True)
    )


def test_golden_rows_of_raw_values_are_measured():
    result = predictor_of(model_of(golden=golden_of())).selftest()
    assert (result.rows, result.logit_share, result.identical) == (8, 0.0, True)
    assert result.batches == BATCHES
    # A missing number in `visits`, two infinities, and a missing level in `code`.
    assert result.refused == 4 * len(BATCHES)


def test_each_kind_of_refusal_of_a_strict_model_is_tried():
    tables = [table.copy() for table in ENCODING.tables]
    for table in tables:
        table[[0, -2]] = NAN
    strict = replace(ENCODING, fill=np.full(3, NAN, np.float32), tables=tuple(tables))
    row = (1.0, "rot", 2, 1.7e9, "3", "hall")
    model = model_of(encoding=strict, golden=golden_of(strict, [row]))
    # In the first and the last column that has it; and both infinities.
    assert predictor_of(model).selftest().refused == (2 + 2 + 4) * len(BATCHES)


def test_the_work_does_not_grow_with_the_square_of_the_columns():
    columns = tuple(Column(f"c{i}", CATEGORY, levels=("a",), counts=(1,)) for i in range(100))
    tables = (np.array([0, 1, NAN, 0], np.float32),) * 100
    encoding = Encoding(columns, *np.empty((2, 0), np.float32), np.empty(0), tables)
    affine = Affine(np.empty(0, np.float32), 0.1)
    logit, probability = predictor_of(model_of(columns, affine, encoding)).scores([["a"] * 100])
    row = GoldenRow(("a",) * 100, float(logit[0]), float(probability[0]), 1e-3)
    result = predictor_of(model_of(columns, affine, encoding, golden=(row,))).selftest()
    assert result.batches == BATCHES
    assert result.refused < 2 * len(BATCHES)  # of the 100 columns the first and the last one


def test_a_golden_row_outside_its_budget_is_named():
    golden = golden_of()
    wrong = (*golden[:2], moved(golden[2], 1e-3), *golden[3:])
    with pytest.raises(SelfTestError, match="golden row 2, columns layout: logit"):
        predictor_of(model_of(golden=wrong)).selftest()


@pytest.mark.parametrize(
    "change",
    [
        {"tables": (ENCODING.tables[0][[0, 2, 1, 3, 4, 5, 6, 7, 8]], *ENCODING.tables[1:])},
        {"tables": (np.roll(ENCODING.tables[0], 1), *ENCODING.tables[1:])},
        {"fill": ENCODING.fill + np.array([0, 0, 900], np.float32)},
        {"gap": ENCODING.gap * np.float32(0.5)},
        {"center": ENCODING.center + 512},
        {"curves": (replace(CURVE, value=CURVE.value + np.float32(0.25)),)},
        {"curves": (replace(CURVE, slope=CURVE.slope[::-1].copy()),)},
        {"curves": (replace(CURVE, knots=CURVE.knots + np.float32(9)),)},
    ],
)
def test_another_encoding_than_the_golden_rows_is_refused(change):
    model = model_of(encoding=replace(ENCODING, **change), golden=golden_of())
    with pytest.raises(SelfTestError, match=r"golden row \d, columns layout: logit"):
        predictor_of(model).selftest()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (kernel_faults.falls, "the probability falls from"),
        (kernel_faults.last_of_five_otherwise, "has other bits in a batch of 303 than alone"),
    ],
)
def test_a_processor_that_breaks_a_promise_is_refused(monkeypatch, fault, message):
    model = model_of(golden=golden_of())
    kernel_faults.install(monkeypatch, fault)
    with pytest.raises(SelfTestError, match=message):
        predictor_of(model).selftest()


def test_a_kernel_that_clamps_is_served_with_its_rows_refused(monkeypatch):
    model = model_of(golden=golden_of())
    kernel_faults.install(monkeypatch, kernel_faults.clamps)
    assert predictor_of(model).selftest().refused == 4 * len(BATCHES)


def test_one_row_is_tried_by_its_own_way(monkeypatch):
    """A row as a dict has code of its own: another bit there is found."""
    model = model_of(golden=golden_of())
    predictor = predictor_of(model)
    served = predictor._model
    assert isinstance(served, ServedModel)
    shifted = served.encoder.encoding.tables[2] + np.float32(1)
    monkeypatch.setattr(
        type(served.row_encoder), "encode", lambda *_: (AFFINE.weight.copy(), shifted[0])
    )
    with pytest.raises(SelfTestError, match="predict_proba has two answers for 1 golden rows"):
        predictor.selftest()
