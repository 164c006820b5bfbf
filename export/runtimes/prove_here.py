"""The proof of a bundle by the runtime that is installed, whatever its version.

`python -m export.runtimes.prove_here BUNDLE` needs numpy and onnxruntime; `--torchscript` needs
numpy and torch
instead. One line of JSON on standard output says what was found; exit 1 outside the budget.
"""

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from export import certificate
from export.certificate import CERTIFICATE, TORCHSCRIPT
from export.folding import affine_of
from export.parity.measure import Subject, measure
from export.parity.proof_rows import Case, corpus
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.manifest import Manifest
from serve_runtime.bundle.model_file import MODEL_FILES, read_models
from serve_runtime.errors import ServeError


@dataclass(frozen=True)
class Served:
    """The worst of all scorers that one runtime offers."""

    runtime: str
    """Its name and version."""
    numpy: str
    python: str
    rows: int
    logit_share: float
    probability_share: float
    kernel_ulp: float
    bits: str
    """Digest of all scores: two runtimes with the same one agree in every bit."""


def prove(bundle: Path, *, torchscript: bool = False) -> Served:
    """Prove the bundle's ONNX graphs (or its TorchScript) with the libraries of this process.

    Raises ServeError's subclasses; ParityError names the row that leaves its budget.
    """
    manifest = Manifest.read(bundle)
    names = [CERTIFICATE, TORCHSCRIPT] if torchscript else [CERTIFICATE, *MODEL_FILES.values()]
    for name in names:
        manifest.read_file(bundle, name)
    card = read_models(bundle)[0].card
    issued = certificate.read(bundle / CERTIFICATE)
    affine = affine_of(issued.trained, issued.form)
    cases = corpus(card, affine, issued.sample)
    certificate.require_corpus(bundle / CERTIFICATE, issued, cases)
    found = {name: manifest.files[name].sha256 for name in issued.files}
    certificate.require_files(bundle / CERTIFICATE, issued, found)
    runtime, subjects = _torch(bundle) if torchscript else _onnxruntime(bundle, cases, affine)
    parity = measure(subjects, cases, affine)
    parity.require()
    worst = [measured.overall for measured in parity.subjects.values()]
    return Served(
        runtime,
        np.__version__,
        platform.python_version(),
        sum(len(case.rows) for case in cases),
        max(figures.logit.share for figures in worst),
        max(figures.probability.share for figures in worst),
        max(figures.kernel_ulp for figures in worst),
        _bits(subjects, cases, affine),
    )


def _onnxruntime(
    bundle: Path, cases: Sequence[Case], affine: Affine
) -> tuple[str, Sequence[Subject]]:
    import onnxruntime

    from export.parity import contracts
    from export.parity.scorers import served
    from serve_runtime.predictor import Predictor

    Predictor(bundle, selftest=True)
    contracts.check(bundle, {case.name: case for case in cases}, affine)
    return f"onnxruntime {onnxruntime.__version__}", list(served(bundle))


def _torch(bundle: Path) -> tuple[str, Sequence[Subject]]:
    import torch

    from export.formats import torchscript

    script = torchscript.load(bundle / TORCHSCRIPT)
    return f"torch {torch.__version__}", [Subject(script.name, script.score)]


def _bits(subjects: Sequence[Subject], cases: Sequence[Case], affine: Affine) -> str:
    total = hashlib.sha256()
    for case in cases:
        rows = case.rows[np.isfinite(affine.reference(case.rows)[1])]
        for subject in subjects:
            total.update(np.stack(subject.score(rows)).astype("<f4").tobytes())
    return total.hexdigest()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m export.runtimes.prove_here", description=__doc__
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--torchscript", action="store_true", help="prove TorchScript with torch")
    arguments = parser.parse_args()
    try:
        found = prove(arguments.bundle, torchscript=arguments.torchscript)
    except ServeError as reason:
        sys.exit(f"Error: {reason}")
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
