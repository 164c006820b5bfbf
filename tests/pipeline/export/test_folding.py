"""Which graph is written, and that its total bounds what it is off the trained model."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export import folding
from export.folding import FOLDED, LIMIT, SUBTRACT_FIRST, Folding, Total
from export.formats import onnx_model
from export.formats.onnxruntime_scorer import onnx_score
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import number_columns
from train.standardize import Scaling
from train.trained import Trained

WIDTH = 4


def make(ratio: float, seed: int = 0, width: int = WIDTH) -> tuple[Trained, ModelCard]:
    """A standardised model whose features have |mean| / scale of about `ratio`."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=width))
    mean = ratio * scale * rng.choice([-1, 1], width) * (1 + rng.random(width))
    rows = (mean + scale * rng.normal(size=(500, width))).astype(np.float32)
    weight = rng.normal(size=width).astype(np.float32)
    trained = Trained(weight, float(np.float32(rng.normal())), Scaling(mean, scale))
    card = ModelCard(
        columns=number_columns(
            tuple(f"c{i}" for i in range(width)),
            tuple(map(float, rows.min(0))),
            tuple(map(float, rows.max(0))),
        ),
        classes=(0, 1),
        weights_sha256="",
    )
    return trained, card


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0])
def test_standardised_looking_data_is_folded(ratio: float, seed: int) -> None:
    affine, found = folding.choose(*make(ratio, seed))
    assert (found.form, affine.center) == (FOLDED, None)
    assert found.share <= LIMIT
    assert found.written == found.folded


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ratio", [1e3, 1e4, 1e6])
def test_data_far_from_zero_for_its_spread_is_centred_first(ratio: float, seed: int) -> None:
    trained, card = make(ratio, seed)
    affine, found = folding.choose(trained, card)
    assert found.form == SUBTRACT_FIRST
    assert affine.center is not None
    assert np.array_equal(affine.center, trained.scaling.mean.astype(np.float32))
    assert found.share > LIMIT
    assert found.written == found.subtract_first
    assert found.subtract_first.total < found.folded.total / 16


def test_the_share_that_folding_owes_rises_with_the_ratio() -> None:
    shares = [folding.choose(*make(ratio))[1].share for ratio in (0, 1, 4, 16, 64, 256, 1024)]
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-1] > 0.99


@pytest.mark.parametrize("ratio", [0.0, 1e5])
def test_the_form_gives_the_values_again(ratio: float) -> None:
    trained, card = make(ratio)
    affine, found = folding.choose(trained, card)
    again = folding.affine_of(trained, found.form)
    assert again.sha256() == affine.sha256()
    other = folding.affine_of(trained, FOLDED if found.form == SUBTRACT_FIRST else SUBTRACT_FIRST)
    assert other.sha256() != affine.sha256()


@pytest.mark.parametrize(
    ("folded", "centered", "share"), [(16.0, 1.0, 15 / 16), (1.0, 1.0, 0.0), (1.0, 3.0, 0.0)]
)
def test_the_share_is_what_the_other_graph_would_spare(
    folded: float, centered: float, share: float
) -> None:
    assert Folding(FOLDED, Total(folded / 2, folded / 2), Total(0, centered)).share == share


def test_a_feature_without_a_weight_has_no_centre() -> None:
    """As of a constant feature, whose scale is infinite: its mean may be anything."""
    trained, _ = make(1e4)
    scale = trained.scaling.scale.copy()
    scale[1] = np.inf
    trained = replace(trained, scaling=replace(trained.scaling, scale=scale))
    affine = folding.affine_of(trained, SUBTRACT_FIRST)
    assert affine.center is not None
    assert (affine.weight[1], affine.center[1]) == (0, 0)
    assert (affine.center[[0, 2, 3]] != 0).all()


def trained_logit(trained: Trained, row: np.ndarray) -> Fraction:
    """Exactly, with the float64 values of the scaling."""
    scaling = trained.scaling
    return Fraction(trained.bias) + sum(
        Fraction(float(w)) * (Fraction(float(x)) - Fraction(float(m))) / Fraction(float(s))
        for w, x, m, s in zip(trained.weight, row, scaling.mean, scaling.scale, strict=True)
    )


def exact_logit(affine: Affine, row: np.ndarray) -> Fraction:
    center = np.zeros_like(affine.weight) if affine.center is None else affine.center
    return Fraction(affine.bias) + sum(
        Fraction(float(w)) * (Fraction(float(x)) - Fraction(float(c)))
        for w, x, c in zip(affine.weight, row, center, strict=True)
    )


@settings(max_examples=40)
@given(
    st.sampled_from([0.0, 1.0, 30.0, 1e3, 1e6]),
    st.integers(0, 1000),
    st.integers(1, 6),
    st.sampled_from([FOLDED, SUBTRACT_FIRST]),
)
def test_the_total_bounds_the_distance_to_the_trained_model(
    ratio: float, seed: int, width: int, form: folding.Form
) -> None:
    trained, card = make(ratio, seed, width)
    affine = folding.affine_of(trained, form)
    total = folding.total(trained, affine, card)
    low, high = np.array(card.feature_min), np.array(card.feature_max)
    rng = np.random.default_rng(seed)
    rows = (low + (high - low) * rng.random((60, width))).astype(np.float32)
    corners = np.where(rng.random((30, width)) < 0.5, low, high).astype(np.float32)
    rows = np.clip(np.concatenate((rows, corners)), np.float32(low), np.float32(high))
    exact = [trained_logit(trained, row) for row in rows]
    rounded = [abs(exact_logit(affine, row) - z) for row, z in zip(rows, exact, strict=True)]
    assert max(rounded) <= Fraction(total.rounding) * (1 + Fraction(1, 2**20)), (
        "up to what float64 rounds of the figure itself"
    )
    for layout in ("rows", "columns"):
        logit, _ = onnx_score(onnx_model.checked_graph(affine, layout), layout)(rows)
        off = [abs(Fraction(float(z)) - e) for z, e in zip(logit, exact, strict=True)]
        assert max(off) <= Fraction(total.total)


def test_the_rounding_is_reached_at_a_corner_of_the_ranges() -> None:
    """So that the bound is the largest there is, and not just some bound."""
    trained, card = make(30.0)
    for form in (FOLDED, SUBTRACT_FIRST):
        affine = folding.affine_of(trained, form)
        corners = np.stack(np.meshgrid(*zip(card.feature_min, card.feature_max, strict=True)))
        rows = corners.reshape(WIDTH, -1).T.astype(np.float32)
        worst = max(abs(exact_logit(affine, row) - trained_logit(trained, row)) for row in rows)
        rounding = folding.total(trained, affine, card).rounding
        assert float(worst) == pytest.approx(rounding, rel=1e-6)
