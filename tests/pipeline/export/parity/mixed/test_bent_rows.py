"""Rows of bent numbers: every knot of each curve, and logits that curves alone can reach."""

from dataclasses import replace

import numpy as np
import pytest

from export.parity.corpus import golden_rows, more_batches
from export.parity.encoded_model import encode
from export.parity.mixed.rows import along, without_gaps
from pipeline.export.parity.mixed.random_batches import make
from serve_runtime.features.curve import Curve
from serve_runtime.features.raw_rows import RawRows

KINDS = (
    {"bent": {0, 1, 3}},
    {"numbers": 2, "precise": 0, "categories": 0, "bent": {0, 1}},
    {"numbers": 0, "precise": 2, "categories": 1, "bent": {0, 1}},
)
"""Bent numbers beside others, and alone; precise ones."""
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_every_knot_and_its_neighbours_are_tried(kind: dict[str, object]) -> None:
    model, _, batches = make(**kind)
    for name in ("every segment", "every segment, any row"):
        served = encode(model.encoding, batches[name].rows).numbers
        for number, curve in zip(model.encoding.bent, model.encoding.curves, strict=True):
            values, knots = served[number], curve.knots
            precise = model.encoding.numbers[number].kind == "precise"
            near = 0 if not precise else np.spacing(np.abs(model.encoding.center).max())
            for wanted in (knots, *(np.nextafter(knots, np.float32(end)) for end in (9e9, -9e9))):
                nearest = np.abs(values[:, None].astype(np.float64) - wanted).min(0)
                assert (nearest <= near).all()
            segments = knots.searchsorted(values, side="right")
            tried = {*range(len(knots) + 1)}
            if precise:  # behind a centre float64 is too coarse for 0 alone
                tried -= {*np.flatnonzero(np.diff(knots) < near) + 1}
            assert tried <= {*segments.tolist()}
            spread = np.ptp(knots)
            assert values.min() < knots[0] - 1e5 * spread
            assert values.max() > knots[-1] + 1e5 * spread
        assert np.abs(served).max() > 3e38


@every_kind
def test_on_every_segment_the_logit_is_the_very_offset(kind: dict[str, object]) -> None:
    model, _, batches = make(**kind)
    batch = batches["every segment"]
    exact, bound = model.reference(batch.rows)
    assert batch.exact is not None
    inside = np.isfinite(bound)
    assert inside.mean() > 0.9
    assert (np.abs(batch.exact - exact) <= bound)[inside].all()
    weighted = encode(model.encoding, batch.rows).numbers[model.affine.weight != 0]
    assert (weighted == 0).all()


@every_kind
def test_offsets_are_those_that_serving_defines(kind: dict[str, object]) -> None:
    """Bit for bit, though the proof writes them out value by value."""
    model, _, batches = make(**kind)
    encoding, shown = model.encoding, 0
    for batch in batches.values():
        encoded = encode(encoding, batch.rows)
        served = encoding.offset(model.affine.bias, encoded.codes, encoded.numbers)
        found = model.offsets(batch.rows)
        same = (served.view(np.uint32) == found.view(np.uint32)) | np.isnan(served) & np.isnan(
            found
        )
        assert same.all(), batch.name
        shown += int(np.isfinite(served).sum())
    assert shown > 10_000


@every_kind
def test_some_random_rows_are_at_a_knot(kind: dict[str, object]) -> None:
    model, _, batches = make(**kind)
    numbers = batches["random rows"].rows.numbers
    for number, curve in zip(model.encoding.bent, model.encoding.curves, strict=True):
        served = (numbers[number] - model.encoding.number_centers[number]).astype(np.float32)
        assert 0.01 < np.isin(served, curve.knots).mean() < 0.1


def test_logits_are_reached_where_all_numbers_are_bent() -> None:
    for kind in KINDS[1:]:
        model, card, batches = make(**kind)
        sweep, _ = model.reference(batches["logit sweep"].rows)
        assert len(sweep) > 1000
        assert np.ptp(sweep) > 100
        wanted = np.linspace(-110, 110, 4096)
        assert np.abs(sweep[:, None] - wanted).min(1).max() < 1e-4
        for name in ("named logits", "threshold"):
            assert len(batches[name].rows) > 8
        threshold, _ = model.reference(batches["threshold"].rows)
        assert np.abs(threshold).max() < 1e-5
        golden, _ = model.reference(golden_rows(card, model))
        assert np.isfinite(golden).all()
        assert np.ptp(golden) > 10
        assert sum(len(batch.rows) for batch in more_batches(model=model, card=card, rows=99)) == 99


def test_a_logit_that_no_curve_reaches_is_left_out() -> None:
    model, _, _ = make(**KINDS[1])
    rows = without_gaps(model, 50, np.random.default_rng(0))
    logits = np.linspace(-100, 100, 50)
    flat = [np.where(np.arange(len(c.slope)) == 0, 1, 0) for c in model.encoding.curves]
    curves = tuple(
        Curve(c.knots, c.value, slope.astype(np.float32))
        for c, slope in zip(model.encoding.curves, flat, strict=True)
    )
    one_way = replace(model, encoding=replace(model.encoding, curves=curves))
    found = along(one_way, logits, rows)
    assert 10 < len(found) < 40
    reached, _ = one_way.reference(found)
    assert np.abs(reached[:, None] - logits).min(1).max() < 1e-4


def test_rows_stay_where_no_curve_has_a_slope() -> None:
    model, _, _ = make(**KINDS[1])
    rows = without_gaps(model, 20, np.random.default_rng(0))
    curves = tuple(replace(c, slope=0 * c.slope) for c in model.encoding.curves)
    flat = replace(model, encoding=replace(model.encoding, curves=curves))
    assert along(flat, np.linspace(-9, 9, 20), rows) is rows


def test_moving_along_curves_keeps_all_else() -> None:
    model, _, _ = make(**KINDS[2])
    rows = without_gaps(model, 64, np.random.default_rng(0))
    found = along(model, np.linspace(-20, 20, 64), rows)
    assert isinstance(found, RawRows)
    moved = found.numbers != rows.numbers[:, : len(found)]
    assert len(found) == 64
    assert (moved.sum(0) == 1).all()
    assert found.texts == rows.texts
