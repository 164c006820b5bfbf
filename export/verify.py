"""A bundle proven again from its files alone."""

from pathlib import Path

from export import certificate, folding
from export.errors import BundleError
from export.formats.registry import ARTIFACT_NAMES, ONNX_ROWS
from export.parity.contracts.consecutive import FURTHER_WINDOWS, rising_from_logit_to_logit
from export.parity.file_agreement import require_same
from export.progress import Show, silent
from export.proof import BundleProof, prove_models
from serve_runtime.bundle.manifest import CERTIFICATE, MANIFEST, Manifest
from serve_runtime.errors import ArtifactError
from serve_runtime.shown import listed


def verify_bundle(bundle: Path, *, rows: int = 0, show: Show = silent) -> BundleProof:
    """Prove a bundle again from its files alone, and on `rows` more generated rows.

    Raises ArtifactError, CardError, BundleError, SelfTestError or ParityError: a file is missing,
    extra, altered, disagrees with another, or scores outside its budget.
    """
    show("reading the manifest and the certificate")
    manifest = _read_manifest(bundle)
    path = bundle / CERTIFICATE
    issued = certificate.read(path)
    proof = prove_models(bundle, issued.trained, issued.sample, more=rows, show=show)
    show("comparing with what the certificate says")
    certified = folding.model_of(issued.trained, issued.form)
    require_same(bundle / ONNX_ROWS.file_name, proof.model, path, certified, proof.card)
    found = {name: manifest.files[name].sha256 for name in ARTIFACT_NAMES}
    certificate.require_files(path, issued, found)
    certificate.require_proof_rows(path, issued, proof.batches)
    certificate.require_contracts(path, issued, proof.contracts)
    show("trying more consecutive logits")
    rising_from_logit_to_logit(FURTHER_WINDOWS)
    return proof


def _read_manifest(bundle: Path) -> Manifest:
    """The manifest; the bundle has all files that it lists, unaltered, and no others."""
    if not (bundle / MANIFEST).is_file():
        raise ArtifactError(
            f"{bundle} is no bundle: it has no {MANIFEST}; name a folder that `python -m export "
            "bundle` wrote"
        )
    manifest = Manifest.read(bundle)
    expected = {*ARTIFACT_NAMES, CERTIFICATE}
    found = {path.name for path in bundle.iterdir()} - {MANIFEST}
    for names, problem in (
        (expected - manifest.files.keys(), "not listed in its manifest"),
        (expected - found, "missing"),
        (found - expected, "not part of a bundle"),
        (manifest.files.keys() - expected, "listed in its manifest, but not part of a bundle"),
    ):
        if names:
            raise BundleError(f"{bundle}: {listed(sorted(names))}: {problem}; export again")
    for name in sorted(expected):
        manifest.read_file(bundle, name)
    return manifest
