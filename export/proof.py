"""A bundle: built aside, proven, renamed into place; and proven again from its files alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from export import folding
from export.certificate import CERTIFICATE, PROGRAM, TORCHSCRIPT
from export.errors import BundleError
from export.folding import Folding
from export.formats import torch_export, torchscript
from export.formats.artifact import Artifact
from export.formats.registry import _LOAD
from export.parity import contracts
from export.parity.figures import Parity
from export.parity.file_agreement import agreed_affine, agreed_card
from export.parity.measure import Subject, measure
from export.parity.proof_rows import Case, corpus, stream
from export.parity.scorers import references, served
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import UNIT_ROUNDOFF
from serve_runtime.predictor import Predictor, SelfTest
from train.trained import Trained

Watch = Callable[[Iterable[Case]], Iterable[Case]]


@dataclass(frozen=True)
class Proof:
    """What was shown of a bundle."""

    card: ModelCard
    affine: Affine
    parity: Parity
    contracts: Mapping[str, int]
    """By contract: the rows that showed it."""
    cases: Sequence[Case]
    """The corpus."""
    selftest: SelfTest
    folding: Folding
    logit_bound: float
    """Largest a-priori logit bound on the run's sample of rows: what float32 cannot promise
    better on this data; 0 where there is no sample."""
    sample: Float32
    """The sampled rows that were proven (k, d)."""
    input_rounding: float
    """Most that rounding float64 features to float32 moves a logit in the training ranges."""
    coarsest: tuple[str, float]
    """The feature whose own float32 rounding moves the logit most, and by how much."""


def _prove(
    folder: Path, trained: Trained, sample: Float32, more: int = 0, watch: Watch = iter
) -> Proof:
    """Every check of the models in `folder` that needs no certificate but for these rows."""
    artifacts = [load(folder / name) for name, load in _LOAD.items()]
    card = agreed_card(folder, artifacts)
    affine = agreed_affine(folder, artifacts, card)
    for what, width in (("sampled rows", sample.shape[-1]), ("trained", len(trained.weight))):
        if width != len(affine.weight):
            raise BundleError(
                f"{folder / CERTIFICATE}: {what} of {width} features, the models take "
                f"{len(affine.weight)}"
            )
    tests = [Predictor(folder / name).selftest() for name in MODEL_FILES.values()]
    _require_golden_bounds(folder, card, affine)
    cases = corpus(card, affine, sample)
    parity = measure(
        _subjects(folder, artifacts, affine),
        chain(cases, watch(stream(card, affine, more))),
        affine,
    )
    parity.require()
    shown = contracts.check(folder, {case.name: case for case in cases}, affine)
    torchscript.check_code(folder / TORCHSCRIPT, affine)
    torch_export.check_graph(folder / PROGRAM, affine)
    selftest = SelfTest(
        tests[0].rows,
        max(test.logit_share for test in tests),
        max(test.probability_ulp for test in tests),
        tests[0].identical,
    )
    form: folding.Form = folding.FOLDED if affine.center is None else folding.SUBTRACT_FIRST
    _, bound = affine.reference(sample)
    largest = np.maximum(np.abs(card.feature_min), np.abs(card.feature_max))
    moves = UNIT_ROUNDOFF * np.abs(affine.weight) * largest
    return Proof(
        card,
        affine,
        parity,
        shown,
        cases,
        selftest,
        replace(folding.choose(trained, card)[1], form=form),
        float(bound.max(initial=0)),
        sample,
        float(moves.sum()),
        (card.feature_names[int(moves.argmax())], float(moves.max())),
    )


def _require_golden_bounds(folder: Path, card: ModelCard, affine: Affine) -> None:
    """A self-test is only as strict as the bounds in the card."""
    rows = np.array([row.features for row in card.golden], np.float32)
    bounds = affine.reference(rows.reshape(-1, len(affine.weight)))[1]
    for i, (row, bound) in enumerate(zip(card.golden, bounds, strict=True)):
        if not abs(row.logit_bound - bound) <= 1e-9 * bound:  # rounding of float64 sums
            raise BundleError(
                f"{folder}: golden row {i} of the card allows its logit {row.logit_bound:.3g}, its "
                f"a-priori bound is {bound:.3g}"
            )


def subjects(folder: Path, affine: Affine) -> list[Subject]:
    """Everything that scores the model of the bundle `folder`, whose values are `affine`."""
    return _subjects(folder, [load(folder / name) for name, load in _LOAD.items()], affine)


def _subjects(folder: Path, artifacts: Sequence[Artifact], affine: Affine) -> list[Subject]:
    return [
        *references(folder, affine),
        *(Subject(a.name, a.score) for a in artifacts if a.name not in MODEL_FILES.values()),
        *served(folder),
    ]
