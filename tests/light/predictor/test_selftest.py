"""The self-test measures the golden rows and refuses a machine outside their budget."""

from dataclasses import replace

import numpy as np
import pytest

from light import kernel_faults, wide
from light.helpers import TINY, moved, write_model
from serve_runtime import Predictor, SelfTestError
from serve_runtime.bundle.card import GoldenRow
from serve_runtime.error_budgets import PROBABILITY_ULP
from serve_runtime.inference import engine, inner_blocks
from serve_runtime.selftest import BATCHES


def test_selftest_measures_every_golden_row(predictor):
    result = predictor.selftest()
    assert result.rows == len(predictor.card.golden) > 0
    assert 0 <= result.logit_share <= 1
    assert 0 < result.probability_ulp <= PROBABILITY_ULP
    assert result.identical in (True, False)
    assert result.logits > 4000
    assert result.batches == BATCHES
    assert result.refused == 2 * 6 * len(BATCHES)


def test_selftest_tells_whether_bits_are_the_exports(card, tmp_path):
    here = Predictor(TINY / "model.onnx")
    logit, probability = here.scores(np.array([row.features for row in card.golden], np.float32))
    golden = [
        replace(row, logit=float(z), probability=float(p))
        for row, z, p in zip(card.golden, logit, probability, strict=True)
    ]
    path = write_model(tmp_path / "same.onnx", replace(card, golden=tuple(golden)))
    assert Predictor(path).selftest().identical is True
    columnar = write_model(
        tmp_path / "columnar.onnx", replace(card, golden=tuple(golden)), layout="columns"
    )
    assert Predictor(columnar).selftest().identical is True
    golden[1] = replace(golden[1], logit=float(np.nextafter(logit[1], np.float32(np.inf))))
    path = write_model(tmp_path / "other.onnx", replace(card, golden=tuple(golden)))
    assert Predictor(path).selftest().identical is False


def test_a_predictor_can_refuse_a_machine_outside_the_budget(card, tmp_path):
    path = write_model(tmp_path / "model.onnx", replace(card, golden=(moved(card.golden[0], 1),)))
    assert Predictor(path).n_features_in_ == 2
    with pytest.raises(SelfTestError, match=r"golden row 0, rows layout: .* do not serve"):
        Predictor(path, selftest=True)
    Predictor(TINY, selftest=True)


def test_selftest_refuses_golden_rows_in_contradiction(card, tmp_path):
    wrong = replace(card.golden[0], probability=0.25)
    path = write_model(tmp_path / "model.onnx", replace(card, golden=(wrong,)))
    with pytest.raises(SelfTestError, match="a golden row contradicts itself"):
        Predictor(path).selftest()


def test_selftest_names_the_row_outside_the_budget(card, tmp_path):
    wrong = moved(card.golden[3], 3 * card.golden[3].logit_bound)
    edited = replace(card, golden=(*card.golden[:3], wrong))
    with pytest.raises(SelfTestError, match=r"golden row 3, rows layout: .* do not serve"):
        Predictor(write_model(tmp_path / "model.onnx", edited)).selftest()


def test_selftest_refuses_a_card_without_golden_rows(card, tmp_path):
    path = write_model(tmp_path / "model.onnx", replace(card, golden=()))
    with pytest.raises(SelfTestError, match="the card has no golden rows"):
        Predictor(path).selftest()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (kernel_faults.falls, r"the probability falls from 0\.42\d* to 0\.42\d* while the lo"),
        (kernel_faults.falls_in_the_negative, "the probability falls from 1.0 to 0.9999999 while"),
        (kernel_faults.scores_nan, r"a row with nan gets the score .* row 0 of 1, rows layout"),
        (kernel_faults.infects_the_first, "row 0 is refused for nan in row 1 of 2, rows layout"),
        (
            kernel_faults.last_of_five_otherwise,
            "has other bits in a batch of 303 than alone, columns layout",
        ),
    ],
)
def test_a_processor_that_breaks_a_promise_is_refused(monkeypatch, fault, message):
    kernel_faults.install(monkeypatch, fault)
    with pytest.raises(SelfTestError, match=message) as raised:
        Predictor(TINY, selftest=True)
    assert "do not serve this model on this machine with this onnxruntime; another" in str(
        raised.value
    )


def test_a_kernel_that_clamps_is_served_with_its_rows_refused(monkeypatch):
    kernel_faults.install(monkeypatch, kernel_faults.clamps)
    assert Predictor(TINY).selftest().refused == 2 * 6 * len(BATCHES)


@pytest.fixture
def wide_bundle(tmp_path):
    """A bundle of 200 features with golden rows."""
    rng = np.random.default_rng(1)
    weight = rng.normal(size=200)
    _, plain = wide.write_bundle(tmp_path / "plain", weight)
    rows = rng.normal(size=(3, 200)).astype(np.float32)
    golden = tuple(
        GoldenRow(tuple(map(float, row)), float(logit), float(probability), 0.01)
        for row, logit, probability in zip(rows, *Predictor(plain).scores(rows), strict=True)
    )
    return wide.write_bundle(tmp_path / "golden", weight, golden=golden)[1]


def test_bits_that_depend_on_the_batch_are_refused(monkeypatch, wide_bundle):
    kernel_faults.install(monkeypatch, kernel_faults.sums_by_rows)
    assert inner_blocks.sums_depend_on_rows()
    assert Predictor(wide_bundle).selftest().batches == BATCHES  # since blocks are filled up
    monkeypatch.setattr(engine, "least_rows", lambda n_features: 0)
    with pytest.raises(SelfTestError, match=r"row 0 has other bits in a batch of 69 than alone"):
        Predictor(wide_bundle).selftest()


def test_a_very_wide_model_is_tried_in_small_batches(tmp_path):
    width = 1 << 18
    golden = GoldenRow((0.0,) * width, 0.0, 0.5, 1.0)
    _, folder = wide.write_bundle(tmp_path / "b", np.ones(width), bias=0.0, golden=(golden,))
    assert Predictor(folder).selftest().batches == (1, 2)
