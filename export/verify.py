"""A bundle proven again from its files alone."""

from pathlib import Path

from export import certificate, folding
from export.certificate import CERTIFICATE
from export.errors import BundleError
from export.formats.registry import _LOAD
from export.parity.file_agreement import require_same
from export.proof import Proof, Watch, _prove
from serve_runtime.bundle.manifest import MANIFEST, Manifest
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.errors import ArtifactError


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
