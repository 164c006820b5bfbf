"""A host that flushes subnormals to zero is promised as much as docs/parity.md says."""

import platform

import numpy as np
import pytest

from light.flush_to_zero import flushing
from light.successors import ROWS, WEIGHTS, bundle_of
from light.wide import write_bundle
from serve_runtime import GoldenRow, Predictor, SelfTestError
from serve_runtime.bundle.model_file import read_models
from serve_runtime.error_budgets import flushes_to_zero, ulp_of

MODELS = {
    "subnormal products": ([1e-30, 1, 2, 3], 0.0, [[1e-12, 0, 0, 0], [1, 1, 1, 1]]),
    "subnormal weights": ([1e-39, 1e-40, 1, 1], 0.0, [[1e3, 1e4, 0, 0], [1e30, 1e30, 1, -1]]),
    "subnormal values": ([1e30, 1, 1, 1], 0.0, [[1e-39, 0, 0, 0], [-1e-40, 1, 1, 1]]),
    "subnormal logits": ([1, 1, 1, 1], 0.0, [[1e-41, 1e-42, 0, 0], [1e-45, 0, 0, 0]]),
    "a subnormal bias": ([1, 0, 0, 0], 1e-39, [[0, 0, 0, 0], [-1e-40, 0, 0, 0], [1, 1, 1, 1]]),
    "the smallest bias": ([0, 0, 0, 1], -1e-45, [[0, 0, 0, 0], [1e-38, 0, 0, -1e-38]]),
    "low probabilities": ([1, 0, 0, 0], 0.0, [[-72, 0, 0, 0], [-86.8, 0, 0, 0], [-120, 0, 0, 0]]),
}


def exported(folder, weight, bias, rows):
    """A bundle with `rows` as golden rows, as a usual host scores and bounds them."""
    rows = np.array(rows, np.float32)
    _, bare = write_bundle(folder.with_name(f"{folder.name}-bare"), weight, bias)
    _, bounds = read_models(bare)[0].affine.reference(rows)
    golden = tuple(
        GoldenRow(tuple(map(float, row)), float(z), float(p), float(bound))
        for row, z, p, bound in zip(rows, *Predictor(bare).scores(rows), bounds, strict=True)
    )
    return write_bundle(folder, weight, bias, golden=golden)[1]


def test_the_mode_is_noticed():
    assert not flushes_to_zero()
    with flushing():
        known = platform.system() == "Linux" and platform.machine() in ("x86_64", "aarch64")
        assert flushes_to_zero() is known
    assert not flushes_to_zero()


@pytest.mark.parametrize("model", MODELS)
def test_selftest_and_reload_pass_there(tmp_path, model):
    bundle = exported(tmp_path / "bundle", *MODELS[model])
    other = exported(tmp_path / "other", [0, 0, 0, 1], 0.0, [[0, 0, 0, 1]])
    with flushing():
        predictor = Predictor(bundle, selftest=True)
        assert predictor.selftest().logit_share <= 1
        assert predictor.reload(other) is True
        assert predictor.reload(bundle) is True
        assert predictor.reload() is False


def test_reload_goes_on_between_usual_models(tmp_path):
    bundles = [bundle_of(tmp_path / f"b{n}", weight) for n, weight in enumerate(WEIGHTS)]
    with flushing():
        predictor = Predictor(bundles[0], selftest=True)
        assert predictor.reload(bundles[1]) is True
        found = predictor.probability(ROWS)
    np.testing.assert_array_equal(found, Predictor(bundles[1]).probability(ROWS))


def test_a_wrong_score_is_refused_there_too(tmp_path):
    folder = tmp_path / "bundle"
    golden = (GoldenRow((1.0, 0.0, 0.0, 0.0), 1.001, 0.7312551522341178, 1e-6),)
    bundle = write_bundle(folder, [1, 0, 0, 0], 0.0, golden=golden)[1]
    with flushing(), pytest.raises(SelfTestError, match="golden row 0, rows layout: logit"):
        Predictor(bundle, selftest=True)


def test_a_unit_in_the_last_place_is_no_zero_there():
    values = np.array([2.0**-126, 1e-37, 1e-31, 0.3, 1.0])
    expected = ulp_of(values)
    np.testing.assert_array_equal(expected, np.spacing(values.astype(np.float32)).astype(float))
    with flushing():
        np.testing.assert_array_equal(ulp_of(values), expected)
