"""The proof of the model files in a folder: each scores like the model, and as it promises.

Both commands end here: export proves what it has just written, verify what it finds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from export import folding
from export.certificate import CERTIFICATE
from export.errors import BundleError
from export.folding import Folding
from export.formats.artifact import Artifact, Scorer
from export.formats.registry import FORMATS
from export.parity.contracts.check import check_contracts
from export.parity.figures import Parity
from export.parity.file_agreement import agreed_affine, agreed_card
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch, more_batches, proof_batches
from export.parity.scorers import reference_scorers, serving_scorers
from export.progress import Show, silent
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import PROBABILITY_ULP, UNIT_ROUNDOFF, probability_budget
from serve_runtime.predictor import Predictor
from serve_runtime.selftest import SelfTest
from train.trained import Trained


@dataclass(frozen=True)
class DataBounds:
    """What float32 promises on data like the run's: bounds that are derived, not measured."""

    sampled: int
    """The rows of the run's data that `logit` and `probability` are the worst of; with 0 they are
    of any row within the training ranges."""
    logit: float
    """Largest distance between a row's logit and the exact one; infinite where the terms of a
    sampled row may overflow float32."""
    probability: float
    """Largest distance between a row's probability and the exact one."""
    input_rounding: float
    """Most that rounding float64 features to float32 moves a logit within the training ranges."""
    coarsest: tuple[str, float]
    """The feature whose own rounding to float32 moves the logit most, and by how much."""


@dataclass(frozen=True)
class BundleProof:
    """What was shown of a bundle."""

    card: ModelCard
    affine: Affine
    parity: Parity
    contracts: Mapping[str, int]
    """How many rows showed each contract, by the contract's name."""
    batches: Sequence[ProofBatch]
    """The rows of the proof, without those that verify was asked to add."""
    selftest: SelfTest
    folding: Folding
    bounds: DataBounds
    sample: Float32
    """The rows of the run's data among `batches` (k, d)."""


def prove_models(
    folder: Path,
    trained: Trained,
    sample: Float32,
    chosen: Folding | None = None,
    *,
    keep_sample: bool = True,
    more: int = 0,
    show: Show = silent,
) -> BundleProof:
    """Make every check of the model files in `folder` that does not need parity.json.

    `sample` (k, d) are rows of the run's data, proven besides the generated ones; `chosen` is what
    folding.choose said of the model, where it was asked; `more` counts further generated rows.
    Without `keep_sample` the sampled rows are proven too, but the figures and the rows that are
    returned are of the generated ones, so that they can be found again where nobody has the sample.
    Raises ArtifactError, CardError, BundleError, SelfTestError or ParityError.
    """
    show("opening the files")
    artifacts = [format_.load(folder) for format_ in FORMATS]
    card = agreed_card(folder, artifacts)
    affine = agreed_affine(folder, artifacts, card)
    for what, width in (("sampled rows", sample.shape[-1]), ("trained", len(trained.weight))):
        if width != len(affine.weight):
            raise BundleError(
                f"{folder / CERTIFICATE}: {what} of {width} features, the models take "
                f"{len(affine.weight)}"
            )
    selftest = _selftest(folder)
    _require_golden_bounds(folder, card, affine)
    show("making the rows of the proof")
    batches = proof_batches(card, affine, sample)
    scorers = _scorers(folder, artifacts, affine)
    if not keep_sample:
        show(f"scoring {len(sample):,} rows of the data with {len(scorers)} scorers")
        measure(scorers, batches[:1], affine).require()
        batches = [replace(batches[0], rows=sample[:0]), *batches[1:]]
    rows = sum(len(batch.rows) for batch in batches) + more
    every = chain(batches, more_batches(card, affine, more))
    parity = measure(scorers, _shown(every, rows, len(scorers), show), affine)
    parity.require()
    show("trying what holds between scores")
    shown = check_contracts(folder, {batch.name: batch for batch in batches}, affine)
    show("comparing the programs with those that export writes")
    for artifact in artifacts:
        artifact.require_own_program()
    return BundleProof(
        card,
        affine,
        parity,
        shown,
        batches,
        selftest,
        chosen or folding.describe(trained, affine, card),
        _data_bounds(card, affine, sample),
        batches[0].rows,
    )


def scorers_of(folder: Path, affine: Affine) -> list[Scorer]:
    """Everything that scores the model of the bundle `folder`, whose values are `affine`."""
    return _scorers(folder, [format_.load(folder) for format_ in FORMATS], affine)


def _scorers(folder: Path, artifacts: Sequence[Artifact], affine: Affine) -> list[Scorer]:
    return [
        *reference_scorers(folder, affine),
        *(
            Scorer(artifact.name, artifact.score)
            for format_, artifact in zip(FORMATS, artifacts, strict=True)
            if format_.onnx_layout is None  # serving_scorers has the ONNX files at many settings
        ),
        *serving_scorers(folder),
    ]


def _shown(
    batches: Iterable[ProofBatch], rows: int, scorers: int, show: Show
) -> Iterator[ProofBatch]:
    """Pass the batches on, and show how many of the `rows` are done."""
    done = 0
    for batch in batches:
        show(f"scoring with {scorers} scorers: {done:,} of {rows:,} rows")
        yield batch
        done += len(batch.rows)


def _selftest(folder: Path) -> SelfTest:
    """The self-test of both ONNX files, and the worse figures of the two."""
    tests = [Predictor(folder / name).selftest() for name in MODEL_FILES.values()]
    return replace(
        tests[0],
        logit_share=max(test.logit_share for test in tests),
        probability_ulp=max(test.probability_ulp for test in tests),
    )


def _require_golden_bounds(folder: Path, card: ModelCard, affine: Affine) -> None:
    """Raise BundleError unless the card's golden rows have the bounds that are derived for them.

    A self-test allows each row the bound that the card states: a larger one would pass anything.
    """
    rows = np.array([row.features for row in card.golden], np.float32)
    bounds = affine.reference(rows.reshape(-1, len(affine.weight)))[1]
    for i, (row, bound) in enumerate(zip(card.golden, bounds, strict=True)):
        if not abs(row.logit_bound - bound) <= 1e-9 * bound:  # rounding of float64 sums
            raise BundleError(
                f"{folder}: golden row {i} of the card allows its logit {row.logit_bound:.3g}, its "
                f"a-priori bound is {bound:.3g}"
            )


def _data_bounds(card: ModelCard, affine: Affine, sample: Float32) -> DataBounds:
    if len(sample):
        exact, bound = affine.reference(sample)
        logit, probability = bound.max(), probability_budget(exact, bound).max()
    else:
        # Any logit may occur. A probability moves by at most a quarter of what its logit moves,
        # and a unit in the last place of a probability is at most 2u.
        logit = folding.arithmetic_bound(affine, card)
        probability = min(1, logit / 4 + PROBABILITY_ULP * 2 * UNIT_ROUNDOFF)
    largest = np.maximum(np.abs(card.feature_min), np.abs(card.feature_max))
    moves = UNIT_ROUNDOFF * np.abs(affine.weight) * largest
    return DataBounds(
        len(sample),
        float(logit),
        float(probability),
        float(moves.sum()),
        (card.feature_names[int(moves.argmax())], float(moves.max())),
    )
