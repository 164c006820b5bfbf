"""The proof of the model files in a folder: each scores like the model, and as it promises.

Both commands end here: export proves what it has just written, verify what it finds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from export import folding
from export.errors import BundleError
from export.folding import Folding
from export.formats.artifact import Artifact, Scorer, Scores
from export.formats.registry import FORMATS
from export.parity.contracts.check import check_contracts
from export.parity.corpus import golden_values, more_batches, proof_batches
from export.parity.encoded_model import Model, Rows, affine_of, encoding_of, reference, taken
from export.parity.figures import Parity
from export.parity.file_agreement import agreed_card, agreed_model
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
from export.parity.scorers import reference_scorers, serving_scorers
from export.progress import Show, silent
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.commands.progress import Count
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
    model: Model
    parity: Parity
    contracts: Mapping[str, int]
    """How many rows showed each contract, by the contract's name."""
    batches: Sequence[ProofBatch]
    """The rows of the proof, without those that verify was asked to add."""
    selftest: SelfTest
    folding: Folding
    bounds: DataBounds
    sample: Rows
    """The rows of the run's data among `batches`."""

    @property
    def affine(self) -> Affine:
        """The weights, the bias and the centre of the model."""
        return affine_of(self.model)


def prove_models(
    folder: Path,
    trained: Trained,
    sample: Rows,
    chosen: Folding | None = None,
    *,
    keep_sample: bool = True,
    more: int = 0,
    show: Show = silent,
) -> BundleProof:
    """Make every check of the model files in `folder` that does not need parity.json.

    `sample` are rows of the run's data, proven besides the generated ones; `chosen` is what
    folding.choose said of the model, where it was asked; `more` counts further generated rows.
    Without `keep_sample` the sampled rows are proven too, but the figures and the rows that are
    returned are of the generated ones, so that they can be found again where nobody has the sample.
    Raises ArtifactError, CardError, BundleError, SelfTestError or ParityError.
    """
    show("opening the files")
    artifacts = [format_.load(folder) for format_ in FORMATS]
    card = agreed_card(folder, artifacts)
    model = agreed_model(folder, artifacts, card)
    _require_widths(folder, card, model, trained, sample)
    selftest = _selftest(folder)
    _require_golden_bounds(folder, card, model)
    show("making the rows of the proof")
    batches = proof_batches(card, model, sample)
    scorers = _scorers(folder, artifacts, model)
    if not keep_sample:
        show(f"scoring {len(sample):,} rows of the data with {len(scorers)} scorers")
        measure(scorers, batches[:1], model).require()
        batches = [replace(batches[0], rows=taken(sample, slice(0))), *batches[1:]]
    rows = sum(len(batch.rows) for batch in batches) + more
    every = chain(batches, more_batches(card, model, more))
    parity = measure(_shown(scorers, rows), every, model)
    parity.require()
    show("trying what holds between scores")
    shown = check_contracts(folder, {batch.name: batch for batch in batches}, model)
    show("comparing the programs with those that export writes")
    for artifact in artifacts:
        artifact.require_own_program()
    return BundleProof(
        card,
        model,
        parity,
        shown,
        batches,
        selftest,
        chosen or folding.describe(trained, affine_of(model), card),
        data_bounds(card, model, sample),
        batches[0].rows,
    )


def scorers_of(folder: Path, model: Model) -> list[Scorer]:
    """Everything that scores the model of the bundle `folder`, whose values are `model`."""
    return _scorers(folder, [format_.load(folder) for format_ in FORMATS], model)


def model_in(folder: Path) -> Model:
    """The values that all files of the bundle `folder` hold."""
    artifacts = [format_.load(folder) for format_ in FORMATS]
    return agreed_model(folder, artifacts, agreed_card(folder, artifacts))


def _scorers(folder: Path, artifacts: Sequence[Artifact], model: Model) -> list[Scorer]:
    return [
        *reference_scorers(folder, model),
        *(
            Scorer(artifact.name, artifact.score)
            for format_, artifact in zip(FORMATS, artifacts, strict=True)
            if format_.onnx_layout is None  # serving_scorers has the ONNX files at many settings
        ),
        *serving_scorers(folder, encoding_of(model)),
    ]


def _require_widths(
    folder: Path, card: ModelCard, model: Model, trained: Trained, sample: Rows
) -> None:
    """Raise BundleError unless the trained model and the sample have the columns of the files."""
    path = folder / CERTIFICATE
    if encoding_of(model) is not None:
        if trained.design is None or trained.design.columns != card.columns:
            raise BundleError(f"{path}: the trained model has other columns than the card")
        return
    width = len(affine_of(model).weight)
    found = sample.shape[-1] if isinstance(sample, np.ndarray) else len(sample.numbers)
    for what, other in (("sampled rows", found), ("trained", len(trained.weight))):
        if other != width:
            raise BundleError(f"{path}: {what} of {other} features, the models take {width}")


def _shown(scorers: Sequence[Scorer], rows: int) -> list[Scorer]:
    """The same, which show that they score, and how many scores of the `rows` are done."""
    count = Count("scoring", "scores", rows * len(scorers))

    def shown(scorer: Scorer) -> Scorer:
        def score(batch: Any) -> Scores:
            count.update(0, note=scorer.name)
            found = scorer.score(batch)
            count.update(len(batch), note=scorer.name)
            return found

        return replace(scorer, score=score)

    return [shown(scorer) for scorer in scorers]


def _selftest(folder: Path) -> SelfTest:
    """The self-test of both ONNX files, and the worse figures of the two."""
    tests = [Predictor(folder / name).selftest() for name in MODEL_FILES.values()]
    return replace(
        tests[0],
        logit_share=max(test.logit_share for test in tests),
        probability_ulp=max(test.probability_ulp for test in tests),
    )


def _require_golden_bounds(folder: Path, card: ModelCard, model: Model) -> None:
    """Raise BundleError unless the card's golden rows have the bounds that are derived for them.

    A self-test allows each row the bound that the card states: a larger one would pass anything.
    """
    bounds = reference(model, golden_values(card))[1]
    for i, (row, bound) in enumerate(zip(card.golden, bounds, strict=True)):
        if not abs(row.logit_bound - bound) <= 1e-9 * bound:  # rounding of float64 sums
            raise BundleError(
                f"{folder}: golden row {i} of the card allows its logit {row.logit_bound:.3g}, its "
                f"a-priori bound is {bound:.3g}"
            )


def data_bounds(card: ModelCard, model: Model, sample: Rows) -> DataBounds:
    """What float32 promises of `model` on `sample`, or, where that is empty, within the ranges of
    the card."""
    affine, encoding = affine_of(model), encoding_of(model)
    if len(sample):
        exact, bound = reference(model, sample)
        scored = ~np.isnan(exact)  # a row of the data may be one that is refused
        logit = bound[scored].max(initial=0)
        probability = probability_budget(exact[scored], bound[scored]).max(initial=0)
    else:
        # Any logit may occur. A probability moves by at most a quarter of what its logit moves,
        # and a unit in the last place of a probability is at most 2u.
        logit = folding.arithmetic_bound(affine, card, encoding)
        probability = min(1, logit / 4 + PROBABILITY_ULP * 2 * UNIT_ROUNDOFF)
    low, high = folding.ranges(card, encoding)
    weight = np.abs(affine.weight.astype(np.float64))
    if encoding is not None:  # a bend was trained on what is served, the line that it bends was not
        weight[list(encoding.bent)] = [abs(float(curve.slope[0])) for curve in encoding.curves]
    moves = UNIT_ROUNDOFF * weight * np.maximum(np.abs(low), np.abs(high))
    names = card.feature_names
    if encoding is not None:
        names = tuple(column.name for column in encoding.numbers)
    coarsest = (names[int(moves.argmax())], float(moves.max())) if len(moves) else ("", 0.0)
    return DataBounds(len(sample), float(logit), float(probability), float(moves.sum()), coarsest)
