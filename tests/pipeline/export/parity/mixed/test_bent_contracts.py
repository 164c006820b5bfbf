"""The contracts on rows with bent numbers: true of a bundle, and what breaks them is caught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from light.flush_to_zero import flushing

from benchmarks.harness.random_run import random_mixed_run
from export.errors import ParityError
from export.formats.artifact import Scores
from export.parity.contracts import check
from export.parity.contracts.in_layout import LayoutPredictor
from export.parity.corpus import proof_batches
from export.parity.encoded_model import EncodedModel, encode, without_overflow
from export.parity.mixed.contracts import bad_rows, monotone_on_curves
from export.parity.proof_rows import ProofBatch
from export.publish import export_bundle
from pipeline.export.bundle_files import card_of
from pipeline.export.mixed_bundles import changed, model_of
from pipeline.export.parity.contracts.broken import Change, broken
from serve_runtime import Predictor
from serve_runtime.arrays import COLUMNS
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import SMALLEST_NORMAL, flushed
from serve_runtime.features.raw_rows import RawRows

NAME = MODEL_FILES[COLUMNS]


@pytest.fixture(scope="module")
def model(mixed: Path) -> EncodedModel:
    return model_of(mixed)


@pytest.fixture(scope="module")
def batches(mixed: Path, model: EncodedModel) -> dict[str, ProofBatch]:
    none = RawRows(np.empty((5, 0)), ((),) * 3)
    return {batch.name: batch for batch in proof_batches(card_of(mixed), model, none)}


@pytest.fixture
def rows(batches: dict[str, ProofBatch]) -> RawRows:
    found = batches["random rows"].rows
    assert isinstance(found, RawRows)
    return found


def served_by(mixed: Path) -> LayoutPredictor:
    """A Predictor as check_contracts makes it: a broken one, where a test has broken them."""
    return LayoutPredictor(COLUMNS, check.Predictor(mixed / NAME, threads=1), 1)


def moved_at(name: str, value: float) -> Change:
    """The logit falls a little where the number is above a value."""

    def change(predictor: Predictor, x: dict[str, np.ndarray], z: np.ndarray,
               p: np.ndarray) -> Scores:  # fmt: skip
        return z - np.float32(0.01) * (x[name] >= value), p

    return change


@pytest.mark.parametrize("curve", [0, 1])
def test_a_logit_against_a_curve_is_caught(
    mixed: Path, model: EncodedModel, rows: RawRows, curve: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the segment behind a knot, wherever it is: in a flat one too."""
    number = model.encoding.bent[curve]
    column, center = model.encoding.numbers[number], model.encoding.number_centers[number]
    assert monotone_on_curves(NAME, served_by(mixed), model, rows) > 500
    for knot in model.encoding.curves[curve].knots[[0, 4, -1]].tolist():
        with monkeypatch.context() as patch:
            broken(moved_at(column.name, knot + center), patch)
            with pytest.raises(ParityError, match=f"against the curve of {column.name!r} from "):
                monotone_on_curves(NAME, served_by(mixed), model, rows)


def test_the_curve_of_another_model_is_caught(
    mixed: Path, model: EncodedModel, rows: RawRows
) -> None:
    """A Predictor whose segments have other slopes than the model that it is held to."""
    for part in ("value", "slope"):
        for curve in range(2):
            curves = list(model.encoding.curves)
            values = getattr(curves[curve], part).copy()
            values[3] = -values[3] - 1
            curves[curve] = replace(curves[curve], **{part: values})
            other = changed(model, curves=tuple(curves))
            with pytest.raises(ParityError, match="the logit moves against the curve of "):
                monotone_on_curves(NAME, served_by(mixed), other, rows)


def test_bad_rows_have_a_curve_that_overflows(model: EncodedModel, rows: RawRows) -> None:
    what = "a curve that overflows in 'number 0'"
    row = rows.take([0])
    assert what not in bad_rows(model, row)
    first, *others = model.encoding.curves
    slope = first.slope.copy()
    slope[-1] = -3
    steep = changed(model, curves=(replace(first, slope=slope), *others))
    found = bad_rows(steep, row)[what]
    assert np.isposinf(steep.reference(found)[1]).all()
    assert np.isneginf(steep.offsets(found)).all()


def test_a_host_that_flushes_finds_the_same_segments(
    mixed: Path, model: EncodedModel, batches: dict[str, ProofBatch]
) -> None:
    """Of numbers that are not subnormal, also at the knots around 0."""
    rows = without_overflow(batches["every segment"].rows, model)
    served = encode(model.encoding, rows).numbers
    subnormal = (np.abs(served) < SMALLEST_NORMAL) & (served != 0)
    rows = rows.take(np.flatnonzero(~subnormal.any(0)))
    assert (encode(model.encoding, rows).numbers[list(model.encoding.bent)] == 0).any(1).all()
    predictor, found = served_by(mixed), model.terms(rows)
    usual, _ = predictor.scores(rows)
    lost = flushed(found.numbers.T, model.affine.weight, None, found.segments)
    with flushing():
        moved = np.abs(predictor.scores(rows)[0].astype(np.float64) - usual)
    assert (moved <= lost).all()
    assert np.median(lost) < 1e-30, "so that another segment could not pass"


def test_a_model_of_bent_numbers_alone_is_proven(tmp_path: Path) -> None:
    """It has no weights: its sweep of logits goes along a curve, its golden rows too."""
    run = random_mixed_run(tmp_path / "run", numbers=1, precise=1, categories=0, bent={0, 1})
    proof = export_bundle(run, tmp_path / "bundle")
    assert not proof.affine.weight.any()
    assert proof.selftest.identical
    shown = proof.contracts
    assert shown["logit as high as a bent number is on its curve"] > 2 * 2 * 3 * 100
    assert shown["probability in [0, 1] and rising with the logit"] > 2 * 4000
    logits = [row.logit for row in proof.card.golden]
    assert min(logits) < -40
    assert max(logits) > 10
    shares = {found.overall.logit.share for found in proof.parity.scorers.values()}
    assert 0.2 < max(shares) < 1
