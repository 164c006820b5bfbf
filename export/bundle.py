"""A bundle: built aside, proven, renamed into place; and proven again from its files alone."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from export import certificate, contracts, folding, onnx_graph, program, torchscript
from export.agreement import agreed_affine, agreed_card, require_same
from export.artifact import Artifact
from export.certificate import CERTIFICATE, PROGRAM, TORCHSCRIPT, Certificate, Corpus
from export.corpus import Case, corpus, golden_rows, stream
from export.errors import BundleError, ParityError
from export.folding import Folding
from export.oracles import references, served
from export.parity import Parity, Subject, measure
from serve_runtime.artifact import MANIFEST, MODEL_FILES, FileEntry, Manifest, read_bytes
from serve_runtime.atomic import new_folder
from serve_runtime.budgets import UNIT_ROUNDOFF, Float32
from serve_runtime.card import GoldenRow, ModelCard
from serve_runtime.cli import installed_version
from serve_runtime.errors import ArtifactError, ServeError
from serve_runtime.predictor import Predictor, SelfTest
from train import checkpoint
from train.affine import Affine, Trained

_LOAD: Mapping[str, Callable[[Path], Artifact]] = {
    **dict.fromkeys(MODEL_FILES.values(), onnx_graph.load),
    TORCHSCRIPT: torchscript.load,
    PROGRAM: program.load,
}

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


def export_bundle(
    run_folder: Path, bundle: Path, *, force: bool = False, keep_sample: bool = True
) -> Proof:
    """Export the run and publish `bundle`, unless a proof fails: then nothing appears.

    `keep_sample` puts the run's sample of rows into parity.json, so that `verify` can use them;
    without it, verify has generated rows only. Raises RunError, ParityError, or OutputError where
    `bundle` exists and not `force`.
    """
    run = checkpoint.read(run_folder)
    with new_folder(bundle, marker=MANIFEST, force=force) as folder:
        affine, _ = folding.choose(run.trained, run.card)
        card = _write_models(folder, run.card, affine)
        proof, sample = _prove(folder, run.trained, run.sample), run.sample
        if not keep_sample:  # what the certificate records must be found again without them
            sample = run.sample[:0]
            proof = replace(_prove(folder, run.trained, sample), logit_bound=proof.logit_bound)
        files = {name: FileEntry.of(read_bytes(folder / name)) for name in sorted(_LOAD)}
        issued = Certificate(
            {name: entry.sha256 for name, entry in files.items()},
            proof.folding.form,
            run.trained,
            Corpus.of(proof.cases),
            sample,
            proof.contracts,
        )
        text = certificate.write(issued, proof.parity, proof.folding, _versions())
        (folder / CERTIFICATE).write_text(text, encoding="utf-8")
        files[CERTIFICATE] = FileEntry.of(text.encode())
        manifest = Manifest(files, {**card.training["versions"], **_versions()})
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return proof


def verify_bundle(bundle: Path, *, rows: int = 0, watch: Watch = iter) -> Proof:
    """Prove a bundle again from its files alone, and on `rows` more generated rows.

    `watch` passes on the blocks of those rows, and may show how far they are.
    Raises ArtifactError, CardError, BundleError, SelfTestError or ParityError: a file is missing,
    extra, altered, disagrees with another, or scores outside its budget.
    """
    if not (bundle / MANIFEST).is_file():
        raise ArtifactError(
            f"{bundle} is no bundle: it has no {MANIFEST}; name a folder that `python -m export "
            "bundle` wrote"
        )
    manifest = Manifest.read(bundle)
    expected = {*_LOAD, CERTIFICATE}
    found = {path.name for path in bundle.iterdir()} - {MANIFEST}
    for names, problem in (
        (expected - manifest.files.keys(), "not listed in its manifest"),
        (expected - found, "missing"),
        (found - expected, "not part of a bundle"),
        (manifest.files.keys() - expected, "listed in its manifest, but not part of a bundle"),
    ):
        if names:
            raise BundleError(f"{bundle}: {', '.join(sorted(names))}: {problem}; export again")
    for name in sorted(expected):
        manifest.read_file(bundle, name)
    path = bundle / CERTIFICATE
    issued = certificate.read(path)
    proof = _prove(bundle, issued.trained, issued.sample, rows, watch)
    certified = folding.affine_of(issued.trained, issued.form)
    require_same(bundle / MODEL_FILES["rows"], proof.affine, path, certified, proof.card)
    certificate.require_files(path, issued, {n: manifest.files[n].sha256 for n in _LOAD})
    certificate.require_corpus(path, issued, proof.cases)
    certificate.require_contracts(path, issued, proof.contracts)
    return proof


def _write_models(folder: Path, card: ModelCard, affine: Affine) -> ModelCard:
    """Write the four models into `folder`; returns the completed card that they carry."""
    graphs = {layout: onnx_graph.build(affine, layout) for layout in MODEL_FILES}
    digests = {layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()}
    card = replace(card, weights_sha256=affine.sha256(), graph_sha256=digests)
    card = replace(card, golden=_measure_golden(folder, card, graphs, affine))
    for layout, name in MODEL_FILES.items():
        (folder / name).write_bytes(onnx_graph.add_card(graphs[layout], card))
    (folder / TORCHSCRIPT).write_bytes(torchscript.build(affine, card))
    (folder / PROGRAM).write_bytes(program.build(affine, card))
    return card


def _measure_golden(
    folder: Path, card: ModelCard, graphs: Mapping[str, bytes], affine: Affine
) -> tuple[GoldenRow, ...]:
    """Golden rows with the scores that the rows graph gives them through the Predictor."""
    (layout, name), rows = next(iter(MODEL_FILES.items())), golden_rows(card, affine)
    (folder / name).write_bytes(onnx_graph.add_card(graphs[layout], card))
    try:
        logit, probability = Predictor(folder / name).scores(rows)
    except ServeError as reason:
        raise ParityError(f"golden rows drawn from the training ranges: {reason}") from None
    _, bound = affine.reference(rows)
    return tuple(
        GoldenRow(tuple(map(float, features)), float(z), float(p), float(limit))
        for features, z, p, limit in zip(rows, logit, probability, bound, strict=True)
    )


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
    program.check_graph(folder / PROGRAM, affine)
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


def _versions() -> dict[str, str]:
    return {
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "serve-runtime": installed_version(),
        "torch": str(torch.__version__),
    }
