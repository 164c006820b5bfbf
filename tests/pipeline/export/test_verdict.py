"""What the commands say of a proof: true of the figures, and no wider than a terminal."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from export import verdict
from export.proof import BundleProof
from export.publish import export_bundle
from export.verdict import WIDTH
from export.verify import verify_bundle
from serve_runtime.error_budgets import probability_budget


@pytest.fixture(scope="module")
def proof(pristine: Path) -> BundleProof:
    return verify_bundle(pristine)


def test_the_worst_share_and_the_rows_are_those_of_the_figures(proof: BundleProof) -> None:
    found = [measured.overall for measured in proof.parity.scorers.values()]
    worst = max(max(f.logit.share, f.probability.share) for f in found)
    text = verdict.verdict(proof)
    assert text.startswith(f"PROVEN: {len(found)} scorers × {found[0].rows:,} rows, none outside")
    assert f"(worst: {worst:.1%} of it)" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_rows_like_yours_are_the_sampled_ones(proof: BundleProof) -> None:
    exact, bound = proof.affine.reference(proof.sample)
    assert proof.bounds.sampled == len(proof.sample) == 256
    assert proof.bounds.logit == bound.max()
    assert proof.bounds.probability == probability_budget(exact, bound).max()
    text = verdict.verdict(proof)
    assert f"on rows like yours a probability is within {proof.bounds.probability:.2g} of" in text
    assert "(the largest bound of 256 rows sampled from your data)" in text


def test_without_a_sample_the_bound_is_of_the_ranges(run_folder: Path, tmp_path: Path) -> None:
    export_bundle(run_folder, tmp_path / "b", keep_sample=False)
    proof = verify_bundle(tmp_path / "b")
    bounds = proof.bounds
    assert bounds.sampled == 0
    inside = next(batch for batch in proof.batches if batch.name == "random rows")
    exact, bound = proof.affine.reference(inside.rows)
    assert bound.max() <= bounds.logit < 3 * bound.max()
    assert probability_budget(exact, bound).max() <= bounds.probability < bounds.logit
    assert "within the training ranges a probability is within" in verdict.verdict(proof)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"metrics": {"holdout": {"auc": 0.99801}}}, "hold-out AUC 0.9980 (from training)"),
        ({"metrics": {"training": {"auc": 0.9}}}, "training held no rows out to measure it"),
        ({"metrics": {"holdout": {"auc": None}}}, "the hold-out rows are all of one class"),
        ({}, "training held no rows out to measure it"),
    ],
    ids=["AUC", "no hold-out", "one class", "no metrics"],
)
def test_accuracy_is_what_training_measured(
    proof: BundleProof, training: dict[str, object], said: str
) -> None:
    found = verdict.verdict(replace(proof, card=replace(proof.card, training=training)))
    assert f"this says nothing about accuracy: {said}" in found


def test_rows_that_may_overflow_are_warned_about(proof: BundleProof) -> None:
    bounds = replace(proof.bounds, logit=inf, probability=1.0)
    (warning,) = verdict.warnings(bounds)
    assert "may overflow float32" in warning
    text = verdict.verdict(replace(proof, bounds=bounds))
    assert "on rows like yours float32 promises nothing of a probability" in text
    assert list(verdict.warnings(proof.bounds)) == []


def test_the_figures_are_no_wider_than_a_terminal(proof: BundleProof) -> None:
    lines = verdict.figures(proof).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[3].startswith("scored by")
    assert any(line.startswith("weights: folded; ") for line in lines)


def test_every_range_of_the_logit_is_shown(proof: BundleProof) -> None:
    text = verdict.by_logit(proof)
    assert text.startswith("exact logit in ")
    assert "\n[-8, 0) " in text
    assert "\n1 float64, math.fsum " in text
