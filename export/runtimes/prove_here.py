"""The proof of a bundle by the runtime that is installed here, whatever its version.

`python -m export.runtimes.prove_here BUNDLE` needs numpy and onnxruntime; `--torchscript` needs
numpy and torch instead. One line of JSON on standard output says what was found; the exit code is 1
where a score is outside its budget, and 3 where a Predictor refuses this machine by itself.
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
from export.folding import model_of
from export.formats.artifact import Scorer
from export.formats.registry import TORCHSCRIPT
from export.parity.corpus import proof_batches
from export.parity.encoded_model import Model, encoding_of, without_overflow
from export.parity.measure import measure
from export.parity.proof_rows import ProofBatch
from serve_runtime.bundle.manifest import CERTIFICATE, Manifest
from serve_runtime.bundle.model_file import MODEL_FILES, read_models
from serve_runtime.errors import RuntimeVersionError, SelfTestError, ServeError

REFUSED = 3
"""The exit code where a Predictor refuses to serve here, as it should where its self-test fails."""


@dataclass(frozen=True)
class RuntimeFigures:
    """The worst figures of all scorers that one runtime offers."""

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


def prove(
    bundle: Path, *, torchscript: bool = False, further_windows: bool = True
) -> RuntimeFigures:
    """Prove the bundle's ONNX graphs, or its TorchScript, with the libraries of this process.

    `further_windows` False tries no more consecutive logits than export did: they show something
    about the machine, not about the bundle.
    Raises ArtifactError, CardError, BundleError or SelfTestError where the bundle is not intact,
    and ParityError, which names the row, where a score is outside its budget.
    """
    manifest = Manifest.read(bundle)
    models = [TORCHSCRIPT.file_name] if torchscript else MODEL_FILES.values()
    for name in (CERTIFICATE, *models):
        manifest.read_file(bundle, name)
    card = read_models(bundle)[0].card
    issued = certificate.read(bundle / CERTIFICATE)
    model = model_of(issued.trained, issued.form)
    batches = proof_batches(card, model, issued.sample)
    certificate.require_proof_rows(bundle / CERTIFICATE, issued, batches)
    found = {name: manifest.files[name].sha256 for name in issued.files}
    certificate.require_files(bundle / CERTIFICATE, issued, found)
    if torchscript:
        runtime, scorers = _torch(bundle)
    else:
        runtime, scorers = _onnxruntime(bundle, batches, model, further_windows)
    parity = measure(scorers, batches, model)
    parity.require()
    worst = [measured.overall for measured in parity.scorers.values()]
    return RuntimeFigures(
        runtime,
        np.__version__,
        platform.python_version(),
        sum(len(batch.rows) for batch in batches),
        max(figures.logit.share for figures in worst),
        max(figures.probability.share for figures in worst),
        max(figures.kernel_ulp for figures in worst),
        _bits(scorers, batches, model),
    )


def _onnxruntime(
    bundle: Path, batches: Sequence[ProofBatch], model: Model, further_windows: bool
) -> tuple[str, Sequence[Scorer]]:
    import onnxruntime

    from export.parity.contracts.check import check_contracts
    from export.parity.contracts.consecutive import FURTHER_WINDOWS, rising_from_logit_to_logit
    from export.parity.scorers import serving_scorers
    from serve_runtime.predictor import Predictor

    Predictor(bundle, selftest=True)
    check_contracts(bundle, {batch.name: batch for batch in batches}, model)
    if further_windows:
        rising_from_logit_to_logit(FURTHER_WINDOWS)
    return f"onnxruntime {onnxruntime.__version__}", list(
        serving_scorers(bundle, encoding_of(model))
    )


def _torch(bundle: Path) -> tuple[str, Sequence[Scorer]]:
    import torch

    script = TORCHSCRIPT.load(bundle)
    return f"torch {torch.__version__}", [Scorer(script.name, script.score)]


def _bits(scorers: Sequence[Scorer], batches: Sequence[ProofBatch], model: Model) -> str:
    total = hashlib.sha256()
    for batch in batches:
        rows = without_overflow(batch.rows, model)
        for scorer in scorers:
            total.update(np.stack(scorer.score(rows)).astype("<f4").tobytes())
    return total.hexdigest()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m export.runtimes.prove_here", description=__doc__
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--torchscript", action="store_true", help="prove TorchScript with torch")
    parser.add_argument(
        "--no-further-windows", action="store_true", help="try no more logits than export did"
    )
    arguments = parser.parse_args()
    try:
        found = prove(
            arguments.bundle,
            torchscript=arguments.torchscript,
            further_windows=not arguments.no_further_windows,
        )
    except ServeError as reason:
        print(f"Error: {reason}", file=sys.stderr)
        sys.exit(REFUSED if isinstance(reason, SelfTestError | RuntimeVersionError) else 1)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
