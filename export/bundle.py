"""A bundle: built aside, proven, renamed into place; and proven again from its files alone."""

import base64
import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch

from export import onnx_graph, program, torchscript
from export.artifact import Artifact, Score, torch_score
from export.corpus import corpus, golden_rows
from export.errors import BundleError
from export.parity import Figures, Subject, prove
from serve_runtime.artifact import MANIFEST, MODEL_FILES, FileEntry, Manifest, read_bytes
from serve_runtime.atomic import new_folder
from serve_runtime.budgets import UNIT_ROUNDOFF, Float32, logit_reference
from serve_runtime.card import GoldenRow, ModelCard
from serve_runtime.predictor import Predictor, SelfTest
from serve_runtime.sealed import seal, unseal
from train import checkpoint
from train.run import weights_sha256

TORCHSCRIPT: Final = "model.torchscript.pt"
PROGRAM: Final = "model.pt2"
CERTIFICATE: Final = "parity.json"
CERTIFICATE_VERSION: Final = 1

_LOAD: Mapping[str, Callable[[Path], Artifact]] = {
    **dict.fromkeys(MODEL_FILES.values(), onnx_graph.load),
    TORCHSCRIPT: torchscript.load,
    PROGRAM: program.load,
}


@dataclass(frozen=True)
class Proof:
    """What was shown of a bundle."""

    card: ModelCard
    figures: Mapping[str, Figures]
    selftest: SelfTest
    logit_bound: float
    """Largest a-priori logit bound on the training rows' sample: what float32 cannot promise
    better on this data."""
    coarsest: tuple[str, float]
    """The feature whose own float32 rounding moves the logit most, and by how much."""


def export_bundle(
    run_folder: Path, bundle: Path, *, force: bool = False, keep_sample: bool = True
) -> Proof:
    """Export the run and publish `bundle`, unless a proof fails: then nothing appears.

    `keep_sample` puts the run's sample of training rows into parity.json, so that `verify` can
    use them; without it the proof is repeated on generated rows only. Raises RunError,
    ParityError, or OutputError where `bundle` exists and not `force`.
    """
    run = checkpoint.read(run_folder)
    with new_folder(bundle, marker=MANIFEST, force=force) as folder:
        card = _write_models(folder, run)
        proof = _prove(folder, run.sample)
        sample = run.sample if keep_sample else run.sample[:0]
        (folder / CERTIFICATE).write_text(_certificate(proof, sample), encoding="utf-8")
        names = sorted(path.name for path in folder.iterdir())
        files = {name: FileEntry.of(read_bytes(folder / name)) for name in names}
        manifest = Manifest(files, {**card.training["versions"], **_versions()})
        (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return proof


def verify_bundle(bundle: Path) -> Proof:
    """Prove a bundle again from its files alone.

    Raises ArtifactError, CardError, BundleError, SelfTestError or ParityError: a file is missing,
    extra, altered, disagrees with another, or scores outside its budget.
    """
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
    weights, sample = _read_certificate(bundle / CERTIFICATE)
    proof = _prove(bundle, sample)
    if weights != proof.card.weights_sha256:
        raise BundleError(
            f"{bundle / CERTIFICATE} was issued for the weights {weights[:12]}…, the models hold "
            f"{proof.card.weights_sha256[:12]}…: it belongs to another bundle"
        )
    return proof


def _write_models(folder: Path, run: checkpoint.Run) -> ModelCard:
    """Write the four models into `folder`; returns the completed card that they carry."""
    if weights_sha256(run.weight, run.bias) != run.card.weights_sha256:
        raise BundleError("the run's card was made for other weights than its checkpoint holds")
    graphs = {layout: onnx_graph.build(run.weight, run.bias, layout) for layout in MODEL_FILES}
    digests = {layout: hashlib.sha256(graph).hexdigest() for layout, graph in graphs.items()}
    card = replace(run.card, graph_sha256=digests)
    card = replace(card, golden=_measure_golden(folder, card, graphs, run))
    for layout, name in MODEL_FILES.items():
        (folder / name).write_bytes(onnx_graph.add_card(graphs[layout], card))
    tensors = torch.from_numpy(run.weight[None]), torch.tensor([run.bias])
    (folder / TORCHSCRIPT).write_bytes(torchscript.build(*tensors, card))
    (folder / PROGRAM).write_bytes(program.build(*tensors, card))
    return card


def _measure_golden(
    folder: Path, card: ModelCard, graphs: Mapping[str, bytes], run: checkpoint.Run
) -> tuple[GoldenRow, ...]:
    """Golden rows with the scores that the rows graph gives them through the Predictor."""
    (layout, name), rows = next(iter(MODEL_FILES.items())), golden_rows(card, run.weight, run.bias)
    (folder / name).write_bytes(onnx_graph.add_card(graphs[layout], card))
    logit, probability = Predictor(folder / name).scores(rows)
    _, bound = logit_reference(rows, run.weight, run.bias)
    return tuple(
        GoldenRow(tuple(map(float, features)), float(z), float(p), float(limit))
        for features, z, p, limit in zip(rows, logit, probability, bound, strict=True)
    )


def _prove(folder: Path, sample: Float32) -> Proof:
    artifacts = [load(folder / name) for name, load in _LOAD.items()]
    card = _agreed_card(folder, artifacts)
    weight, bias = _agreed_weights(folder, artifacts, card)
    if sample.shape[1:] != weight.shape:
        raise BundleError(
            f"{folder / CERTIFICATE}: its training rows have shape {sample.shape}, the models take "
            f"{len(weight)} features"
        )
    cases = corpus(card, weight, bias, sample)
    finite = [case for case in cases if np.isfinite(case.rows).all()]
    predictors = {name: Predictor(folder / name) for name in MODEL_FILES.values()}
    subjects = [
        Subject("torch nn.Sequential", _eager(weight, bias), cases),
        *(Subject(artifact.name, artifact.score, cases) for artifact in artifacts),
        # A Predictor refuses NaN and infinities, which its own tests show.
        *(Subject(f"Predictor({name})", p.scores, finite) for name, p in predictors.items()),
    ]
    tests = [predictor.selftest() for predictor in predictors.values()]
    _, bound = logit_reference(sample, weight, bias)
    figures = prove(subjects, weight, bias)
    for layout, name in MODEL_FILES.items():
        onnx_graph.check_graph(folder / name, weight, bias, layout)
    worst = SelfTest(
        tests[0].rows,
        max(test.logit_share for test in tests),
        max(test.probability_ulp for test in tests),
    )
    return Proof(card, figures, worst, float(bound.max(initial=0)), _coarsest(card, weight))


def _coarsest(card: ModelCard, weight: Float32) -> tuple[str, float]:
    largest = np.maximum(np.abs(card.feature_min), np.abs(card.feature_max))
    moves = UNIT_ROUNDOFF * np.abs(weight) * largest
    return card.feature_names[int(moves.argmax())], float(moves.max())


def _agreed_card(folder: Path, artifacts: list[Artifact]) -> ModelCard:
    first = artifacts[0]
    for artifact in artifacts[1:]:
        if artifact.card != first.card:
            raise BundleError(
                f"{folder / artifact.name} carries another card than {folder / first.name}"
            )
    return ModelCard.from_json(first.card, where=f"the card in {folder / first.name}")


def _agreed_weights(
    folder: Path, artifacts: list[Artifact], card: ModelCard
) -> tuple[Float32, float]:
    """The weights (d,) and bias that all artifacts hold, bit for bit."""
    for artifact in artifacts:
        if artifact.weight.shape != (len(card.feature_names),) or artifact.bias.shape != (1,):
            raise BundleError(
                f"{folder / artifact.name}: the card names {len(card.feature_names)} features, the "
                f"weights have shape {artifact.weight.shape} and the bias {artifact.bias.shape}"
            )
    names = [*card.feature_names, "(bias)"]
    first, *others = (np.append(a.weight, a.bias) for a in artifacts)
    for artifact, values in zip(artifacts[1:], others, strict=True):
        different = np.flatnonzero(values.view(np.uint32) != first.view(np.uint32))
        if len(different):
            i = int(different[0])
            raise BundleError(
                f"{folder / artifact.name}: the weight of {names[i]!r} is {values[i]!r}, in "
                f"{folder / artifacts[0].name} it is {first[i]!r}"
            )
    weight, bias = artifacts[0].weight, float(artifacts[0].bias[0])
    if weights_sha256(weight, bias) != card.weights_sha256:
        raise BundleError(f"{folder}: the models hold other weights than their card was made for")
    return weight, bias


def _eager(weight: Float32, bias: float) -> Score:
    """The model itself, as torch runs it."""
    linear = torch.nn.Linear(len(weight), 1)
    model = torch.nn.Sequential(linear, torch.nn.Sigmoid())
    model.load_state_dict({"0.weight": torch.tensor(weight[None]), "0.bias": torch.tensor([bias])})
    return torch_score(lambda features: (linear(features), model(features)))


def _certificate(proof: Proof, sample: Float32) -> str:
    rows = base64.b64encode(sample.astype("<f4").tobytes()).decode()
    document = {
        "format_version": CERTIFICATE_VERSION,
        "verdict": "every score is inside its budget",
        "weights_sha256": proof.card.weights_sha256,
        "figures": {name: asdict(figures) for name, figures in proof.figures.items()},
        "training_rows": {"shape": list(sample.shape), "float32_little_endian_base64": rows},
        "versions": _versions(),
    }
    return seal(document, indent=1)


def _read_certificate(path: Path) -> tuple[str, Float32]:
    """The weights' digest and the training rows that a certificate names."""
    document = unseal(
        read_bytes(path).decode("utf-8", errors="replace"),
        what=str(path),
        version=CERTIFICATE_VERSION,
        error=BundleError,
        indent=1,
    )
    try:
        rows = document["training_rows"]
        content = base64.b64decode(rows["float32_little_endian_base64"], validate=True)
        sample = np.frombuffer(content, "<f4").reshape(rows["shape"]).astype(np.float32)
        return str(document["weights_sha256"]), sample
    except (KeyError, TypeError, ValueError) as reason:
        raise BundleError(f"{path} is no certificate of this project: {reason}") from None


def _versions() -> dict[str, str]:
    return {
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }
