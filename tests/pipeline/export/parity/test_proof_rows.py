"""The rows of the proof: the same everywhere, exact where they say so, and where they should be."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.parity import proof_rows as rows_module
from export.parity.proof_rows import (
    BATCH_SIZES,
    LOGITS,
    PROBES,
    PROOF_ROWS_VERSION,
    SWEEP,
    ProofBatch,
    digest,
    golden_rows,
    more_batches,
    proof_batches,
)
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import number_columns

NONE = np.empty((0, 3), np.float32)
AFFINE = Affine(np.array([1.0, -2.0, 0.5], np.float32), 0.25)
CENTERED = replace(AFFINE, center=np.array([100.0, -3.0, 0.0], np.float32))
CARD = ModelCard(
    columns=number_columns(("a", "b", "c"), (-1.0, 0.0, -4.0), (1.0, 2.0, 4.0)),
    classes=(0, 1),
    weights_sha256="",
)


FOLDED_DIGEST = "2b846351f6bcfccfa19b32b74b7d30022eaab661a1640ac4efdea2d8d1de3b63"
CENTERED_DIGEST = "c65100cbfe8eedd19cd9fd71cebbfcf8f5a8ae29c7770e167615af0649bfff60"


def by_name(affine: Affine = AFFINE, card: ModelCard = CARD) -> dict[str, ProofBatch]:
    return {batch.name: batch for batch in proof_batches(card, affine, NONE)}


def test_the_rows_of_a_fixed_model_have_a_fixed_digest() -> None:
    """If this changes, raise PROOF_ROWS_VERSION."""
    sample = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert PROOF_ROWS_VERSION == 3
    assert digest(proof_batches(CARD, AFFINE, sample)) == FOLDED_DIGEST
    assert digest(proof_batches(CARD, CENTERED, sample)) == CENTERED_DIGEST


def test_the_digest_sees_names_shapes_and_every_bit() -> None:
    rows = np.zeros((2, 3), np.float32)
    one_bit, minus = rows.copy(), rows.copy()
    one_bit[1, 2] = 1e-45
    minus[0, 0] = -0.0
    corpora = [
        [ProofBatch("a", rows)],
        [ProofBatch("b", rows)],
        [ProofBatch("a", rows.reshape(3, 2))],
        [ProofBatch("a", one_bit)],
        [ProofBatch("a", minus)],
        [ProofBatch("a", rows[:1])],
        [ProofBatch("a", rows), ProofBatch("a", rows[:0])],
        [],
    ]
    assert len({digest(batches) for batches in corpora}) == len(corpora)
    assert digest([ProofBatch("a", np.asfortranarray(rows))]) == digest([ProofBatch("a", rows)])


@pytest.mark.parametrize("affine", [AFFINE, CENTERED], ids=["folded", "subtract-first"])
def test_every_batch_is_finite_but_the_one_named_so(affine: Affine) -> None:
    batches = by_name(affine)
    assert len(batches) == len(proof_batches(CARD, affine, NONE)), "names are unique"
    for name, batch in batches.items():
        assert batch.rows.dtype == np.float32
        assert batch.rows.flags.c_contiguous
        assert batch.rows.shape[1:] == (3,)
        finite = np.isfinite(batch.rows).all(1)
        assert finite.all() == (name != "NaN and inf"), name
        if name == "NaN and inf":
            assert finite.tolist() == [False, True] * 16
            bad = batch.rows[~np.isfinite(batch.rows)]
            assert np.isnan(bad).any()
            assert np.isposinf(bad).any()
            assert np.isneginf(bad).any()


def test_batches_and_sizes() -> None:
    batches = by_name()
    for size in BATCH_SIZES:
        assert len(batches[f"batch of {size}"].rows) == size
    assert len(batches["random rows"].rows) == len(batches["random rows far outside"].rows) == 4096
    assert {*range(34), 1024} == set(BATCH_SIZES)


@pytest.mark.parametrize("width", [1, 2, 300, 5000])
def test_wide_models_get_fewer_rows_and_never_none(width: int) -> None:
    card = replace(
        CARD,
        columns=number_columns(
            tuple(f"c{i}" for i in range(width)), (0.0,) * width, (1.0,) * width
        ),
    )
    affine = Affine(np.full(width, 0.25, np.float32), 0.5)
    for batch in proof_batches(card, affine, np.empty((0, width), np.float32)):
        assert batch.rows.size <= 1 << 23
        optional = ("sampled rows", "batch of 0", "cancellation")
        assert len(batch.rows) or batch.name in optional, batch.name


def test_random_rows_are_in_the_ranges_and_far_rows_are_not() -> None:
    batches = by_name()
    low, high = np.float32(CARD.feature_min), np.float32(CARD.feature_max)
    rows = batches["random rows"].rows
    assert ((rows >= low) & (rows <= high)).all()
    assert (np.ptp(rows, axis=0) > 0.99 * (high - low)).all()
    far = np.abs(batches["random rows far outside"].rows - (low + high) / 2).max(0) / (high - low)
    assert (far > 2.0**17).all()


@pytest.mark.parametrize("affine", [AFFINE, CENTERED], ids=["folded", "subtract-first"])
def test_named_logits_and_their_neighbours_are_reached(affine: Affine) -> None:
    """Each, of both signs, within the size of what one float32 step of a feature moves."""
    exact, _ = affine.reference(by_name(affine)["named logits"].rows)
    reach = 8 if affine.center is None else 8 + np.abs(affine.center).max()
    step = float(np.abs(affine.weight * np.spacing(np.float32(reach))).sum())
    for logit in (sign * z for z in LOGITS for sign in (-1, 1)):
        ulp = float(np.spacing(np.float32(abs(logit))))
        assert np.abs(exact - logit).min() <= max(ulp, step), logit
        assert (np.abs(exact - logit) <= 16 * max(ulp, step)).sum() >= 17, logit


def test_the_sweep_goes_from_end_to_end_without_gaps() -> None:
    exact, _ = AFFINE.reference(by_name()["logit sweep"].rows)
    assert exact.min() == pytest.approx(SWEEP[0], abs=1e-4)
    assert exact.max() == pytest.approx(SWEEP[1], abs=1e-4)
    assert np.diff(np.sort(exact)).max() < 2 * (SWEEP[1] - SWEEP[0]) / 4096


@pytest.mark.parametrize("threshold", [0.5, 0.25, 0.999])
def test_rows_lie_around_the_threshold(threshold: float) -> None:
    rows = by_name(card=replace(CARD, threshold=threshold))["threshold"].rows
    exact, _ = AFFINE.reference(rows)
    logit = math.log(threshold / (1 - threshold))
    assert np.abs(exact - logit).max() < 1e-5
    assert exact.min() < logit < exact.max()


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_that_no_logit_reaches_has_no_rows(threshold: float) -> None:
    assert len(by_name(card=replace(CARD, threshold=threshold))["threshold"].rows) == 0


def test_zeros_subnormals_and_the_largest_values_are_there() -> None:
    batches = by_name()
    tiny = np.abs(batches["zeros and subnormals"].rows)
    assert ((tiny < 2.0**-125) | (tiny == 1)).all()
    assert {0.0, 2.0**-149, 2.0**-126} < set(tiny.ravel().tolist())
    assert np.signbit(batches["zeros and subnormals"].rows[tiny == 0]).any()
    largest = batches["largest values"].rows
    assert np.abs(largest).max() == np.finfo(np.float32).max
    _, bound = AFFINE.reference(largest)
    assert np.isposinf(bound).any()
    assert np.isfinite(bound).any()


def test_cancelling_rows_cancel() -> None:
    rows = by_name()["cancellation"].rows
    exact, _ = AFFINE.reference(rows)
    terms = np.abs(AFFINE.weight.astype(np.float64) * rows).max(1)
    assert np.median(terms / np.maximum(np.abs(exact), 1e-30)) > 1e5
    assert terms.max() > 2.0**90


# Probes.


def assert_exact(affine: Affine) -> int:
    """Probes, and every partial sum of them in any order, are float32 values; how many there are.

    All terms but one are 0 in exact arithmetic up to what half a unit in the last place hides.
    """
    width = len(affine.weight)
    card = replace(
        CARD,
        columns=number_columns(
            tuple(f"c{i}" for i in range(width)), (-1.0,) * width, (1.0,) * width
        ),
    )
    (batch,) = (
        c for c in proof_batches(card, affine, np.empty((0, width), np.float32)) if c.name == PROBES
    )
    assert batch.exact is not None
    assert batch.exact.dtype == np.float32
    center = np.zeros(width, np.float32) if affine.center is None else affine.center
    for row, expected in zip(batch.rows, batch.exact, strict=True):
        exact = Fraction(affine.bias) + sum(
            Fraction(float(w)) * (Fraction(float(x)) - Fraction(float(c)))
            for w, x, c in zip(affine.weight, row, center, strict=True)
        )
        half = Fraction(float(np.spacing(np.abs(expected)))) / 2
        assert abs(exact - Fraction(float(expected))) <= half
        # The same in float32, one operation after another: in order, backwards, bias first.
        with np.errstate(under="ignore"):
            terms = affine.weight * (row - center)
        for order in (terms, terms[::-1]):
            for start, end in ((np.float32(affine.bias), None), (None, np.float32(affine.bias))):
                total = np.float32(0) if start is None else start
                for term in order:
                    total = np.float32(total + term)
                total = total if end is None else np.float32(total + end)
                assert total == expected  # of zeros, either
    return len(batch.rows)


values = st.builds(
    lambda mantissa, sign, exponent: float(np.float32(np.ldexp(sign * mantissa, exponent))),
    st.floats(0.5, 1, width=32),
    st.sampled_from([-1, 1]),
    st.integers(-40, 40),
)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(values, values | st.just(0.0)), min_size=1, max_size=6),
    values | st.just(0.0),
    st.booleans(),
)
def test_probes_are_exact_in_any_order(
    drawn: list[tuple[float, float]], bias: float, centered: bool
) -> None:
    weight, center = np.array(drawn, np.float32).T
    affine = Affine(weight.copy(), bias, center.copy() if centered else None)
    assert 1 <= assert_exact(affine) <= 1 + len(weight)


def test_every_weight_and_the_bias_are_probed() -> None:
    assert assert_exact(AFFINE) == assert_exact(CENTERED) == 4


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_a_weight_of_zero_is_not_probed(zero: float) -> None:
    """As of a feature that never changed in training."""
    assert assert_exact(replace(AFFINE, weight=np.array([1, zero, 0.5], np.float32))) == 3


def test_a_bias_of_negative_zero_is_no_damage() -> None:
    assert assert_exact(replace(AFFINE, bias=-0.0)) == 4


def test_a_weight_too_large_to_be_multiplied_is_not_probed() -> None:
    assert assert_exact(replace(AFFINE, weight=np.array([1, 2.0**120, 0.5], np.float32))) == 3


# Streams and golden rows.


def test_more_rows_are_as_many_as_wanted_of_all_three_kinds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows_module, "_STREAM_ROWS", 150)
    batches = list(more_batches(CARD, AFFINE, 1000))
    assert sum(len(batch.rows) for batch in batches) == 1000
    assert [batch.name for batch in batches[:4]] == [
        "streamed rows 0", "streamed rows 150, far outside", "streamed rows 300, any logit",
        "streamed rows 450",
    ]  # fmt: skip
    assert digest(batches) == digest(list(more_batches(CARD, AFFINE, 1000)))
    assert len({batch.rows.tobytes() for batch in batches}) == len(batches)
    assert list(more_batches(CARD, AFFINE, 0)) == []


def test_blocks_of_wide_rows_are_short() -> None:
    wide = 1 << 17
    affine = Affine(np.ones(wide, np.float32), 0.0)
    card = replace(
        CARD,
        columns=number_columns(tuple(f"c{i}" for i in range(wide)), (-1.0,) * wide, (1.0,) * wide),
    )
    assert len(next(more_batches(card, affine, 1 << 16)).rows) == 16


@pytest.mark.parametrize("affine", [AFFINE, CENTERED], ids=["folded", "subtract-first"])
def test_golden_rows_reach_their_logits(affine: Affine) -> None:
    exact, bound = affine.reference(golden_rows(CARD, affine))
    wanted = [-20, 0.5, -85, 8, -50, -2, 2, 20]
    np.testing.assert_allclose(exact, wanted, atol=float(bound.max()))
