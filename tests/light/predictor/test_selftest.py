"""The self-test measures the golden rows and refuses a machine outside their budget."""

from dataclasses import replace

import numpy as np
import pytest

from light.helpers import TINY, moved, write_model
from serve_runtime import Predictor, SelfTestError
from serve_runtime.error_budgets import PROBABILITY_ULP


def test_selftest_measures_every_golden_row(predictor):
    result = predictor.selftest()
    assert result.rows == len(predictor.card.golden) > 0
    assert 0 <= result.logit_share <= 1
    assert 0 < result.probability_ulp <= PROBABILITY_ULP
    assert result.identical in (True, False)


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
