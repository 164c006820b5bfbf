"""A run into a bundle: built aside, proven, renamed into place."""

import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from export import certificate, folding
from export.certificate import CERTIFICATE, PROGRAM, TORCHSCRIPT, Certificate, Corpus
from export.errors import ParityError
from export.formats import onnx_model, torch_export, torchscript
from export.formats.registry import _LOAD
from export.parity.proof_rows import golden_rows
from export.proof import Proof, _prove
from serve_runtime.atomic import new_folder
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import GoldenRow, ModelCard
from serve_runtime.bundle.manifest import MANIFEST, FileEntry, Manifest, read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.errors import ServeError
from serve_runtime.predictor import Predictor
from serve_runtime.version import installed_version
from train.run_folder import read as read_run


def export_bundle(
    run_folder: Path, bundle: Path, *, force: bool = False, keep_sample: bool = True
) -> Proof:
    """Export the run and publish `bundle`, unless a proof fails: then nothing appears.

    `keep_sample` puts the run's sample of rows into parity.json, so that `verify` can use them;
    without it, verify has generated rows only. Raises RunError, ParityError, or OutputError where
    `bundle` exists and not `force`.
    """
    run = read_run(run_folder)
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


def _write_models(folder: Path, card: ModelCard, affine: Affine) -> ModelCard:
    """Write the four models into `folder`; returns the completed card that they carry."""
    graphs = {layout: onnx_model.build(affine, layout) for layout in MODEL_FILES}
    digests = {layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()}
    card = replace(card, weights_sha256=affine.sha256(), graph_sha256=digests)
    card = replace(card, golden=_measure_golden(folder, card, graphs, affine))
    for layout, name in MODEL_FILES.items():
        (folder / name).write_bytes(onnx_model.add_card(graphs[layout], card))
    (folder / TORCHSCRIPT).write_bytes(torchscript.build(affine, card))
    (folder / PROGRAM).write_bytes(torch_export.build(affine, card))
    return card


def _measure_golden(
    folder: Path, card: ModelCard, graphs: Mapping[str, bytes], affine: Affine
) -> tuple[GoldenRow, ...]:
    """Golden rows with the scores that the rows graph gives them through the Predictor."""
    (layout, name), rows = next(iter(MODEL_FILES.items())), golden_rows(card, affine)
    (folder / name).write_bytes(onnx_model.add_card(graphs[layout], card))
    try:
        logit, probability = Predictor(folder / name).scores(rows)
    except ServeError as reason:
        raise ParityError(f"golden rows drawn from the training ranges: {reason}") from None
    _, bound = affine.reference(rows)
    return tuple(
        GoldenRow(tuple(map(float, features)), float(z), float(p), float(limit))
        for features, z, p, limit in zip(rows, logit, probability, bound, strict=True)
    )


def _versions() -> dict[str, str]:
    return {
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "serve-runtime": installed_version(),
        "torch": str(torch.__version__),
    }
