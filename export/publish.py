"""A run into a bundle: written aside, proven, and only then renamed into place."""

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from export import certificate, folding
from export.certificate import Certificate, ProofRowsDigest
from export.errors import ParityError
from export.formats.onnxruntime_scorer import onnx_score
from export.formats.registry import FORMATS, ONNX_ROWS
from export.parity.corpus import golden_features, golden_rows
from export.parity.encoded_model import (
    Model,
    affine_of,
    encoding_of,
    model_of,
    reference,
    taken,
)
from export.progress import Show, silent
from export.proof import BundleProof, prove_models
from serve_runtime.arrays import ROWS
from serve_runtime.bundle.card import GoldenRow, ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE, MANIFEST, FileEntry, Manifest
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.commands.version import installed_version
from serve_runtime.errors import LogitOverflowError
from serve_runtime.features.encoding import sha256_of
from serve_runtime.inputs.batch_limits import LIMITS
from serve_runtime.outputs.new_folder import new_folder
from train.persistence.run_folder import read as read_run
from train.trained import Trained


def export_bundle(
    run_folder: Path,
    bundle: Path,
    *,
    force: bool = False,
    threshold: float | None = None,
    keep_sample: bool = True,
    show: Show = silent,
) -> BundleProof:
    """Export the run and publish `bundle`, unless a proof fails: then nothing appears.

    `threshold` is the probability from which on the label is the positive one; None is that of the
    run's card, 0.5. `keep_sample` puts the run's sample of rows into parity.json, so that `verify`
    can use them; without it, verify has generated rows only. Raises RunError, ParityError,
    CardError for a threshold outside [0, 1], or OutputError where `bundle` exists and not `force`.
    """
    show("reading the run")
    run = read_run(run_folder)
    if threshold is not None:
        run = replace(run, card=replace(run.card, threshold=threshold))
    with new_folder(bundle, marker=MANIFEST, force=force) as folder:
        affine, chosen = folding.choose(run.trained, run.card)
        model = model_of(affine, run.trained.encoding())
        card = complete_card(run.card, model)
        files = _write_models(folder, card, model, show)
        proof = prove_models(
            folder, run.trained, run.sample, chosen, keep_sample=keep_sample, show=show
        )
        if not proof.selftest.identical:
            raise ParityError(
                f"{ONNX_ROWS.file_name}: a Predictor gives the golden rows other bits than "
                "onnxruntime itself"
            )
        _write_certificate(folder, files, run.trained, proof)
    return proof


def complete_card(card: ModelCard, model: Model) -> ModelCard:
    """The run's card, with what only export knows: digests of the graphs and golden rows."""
    affine, encoding = affine_of(model), encoding_of(model)
    graphs = {layout: write_model(affine, layout, encoding) for layout in MODEL_FILES}
    digests = {layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()}
    golden = _measure_golden(card, model, graphs[ROWS])
    return replace(
        card, weights_sha256=sha256_of(affine, encoding), graph_sha256=digests, golden=golden
    )


def _measure_golden(card: ModelCard, model: Model, graph: bytes) -> tuple[GoldenRow, ...]:
    """Golden rows, with the scores that the rows graph gives them in onnxruntime.

    The batch is filled up as a Predictor fills it up, so these are the bits that one gives; export
    holds it to that, on these rows and on others (see parity.contracts).
    """
    rows = golden_rows(card, model)
    filled = taken(rows, np.arange(LIMITS.padded(len(rows))) % len(rows))
    scores = onnx_score(graph, ROWS, encoding_of(model))(filled)
    logit, probability = (values[: len(rows)] for values in scores)
    if len(overflown := np.flatnonzero(~np.isfinite(logit))):
        reason = LogitOverflowError(int(overflown[0]))
        raise ParityError(f"golden rows drawn from the training ranges: {reason}")
    _, bound = reference(model, rows)
    return tuple(
        GoldenRow(features, float(z), float(p), float(limit))
        for features, z, p, limit in zip(
            golden_features(card, rows), logit, probability, bound, strict=True
        )
    )


def _write_models(folder: Path, card: ModelCard, model: Model, show: Show) -> dict[str, FileEntry]:
    """Write every artifact into `folder`; returns the size and digest of each, by name."""
    files = {}
    for format_ in FORMATS:
        show(f"writing {format_.file_name}")
        content = format_.build(affine_of(model), card, encoding_of(model))
        (folder / format_.file_name).write_bytes(content)
        files[format_.file_name] = FileEntry.of(content)
    return files


def _write_certificate(
    folder: Path, files: dict[str, FileEntry], trained: Trained, proof: BundleProof
) -> None:
    """Write what was proven into parity.json, and the manifest of all `files`."""
    issued = Certificate(
        {name: files[name].sha256 for name in sorted(files)},
        proof.folding.form,
        trained,
        ProofRowsDigest.of(proof.batches),
        proof.sample,
        proof.contracts,
    )
    text = certificate.write(issued, proof.parity, proof.folding, versions())
    (folder / CERTIFICATE).write_text(text, encoding="utf-8")
    files = {**files, CERTIFICATE: FileEntry.of(text.encode())}
    manifest = Manifest(files, {**proof.card.training["versions"], **versions()})
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def versions() -> dict[str, str]:
    """The versions of what decides the bits of a bundle and of its proof."""
    return {
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "serve-runtime": installed_version(),
        "torch": str(torch.__version__),
    }
