"""The certificate as a file. Damaged and foreign ones are in damage/certificates.py."""

from dataclasses import replace
from pathlib import Path

import pytest

from export import certificate
from export.certificate import ProofRowsDigest
from export.verify import verify_bundle
from pipeline.export.bundle_files import edit_certificate, recertify
from serve_runtime.bundle.manifest import CERTIFICATE


def test_what_is_read_is_what_was_written(bundle: Path) -> None:
    path = bundle / CERTIFICATE
    issued = certificate.read(path)
    recertify(bundle)
    again = certificate.read(path)
    assert (again.files, again.form, again.proof_rows) == (
        issued.files,
        issued.form,
        issued.proof_rows,
    )
    for one, other in (
        (again.sample, issued.sample),
        (again.trained.weight, issued.trained.weight),
        (again.trained.scaling.mean, issued.trained.scaling.mean),
        (again.trained.scaling.scale, issued.trained.scaling.scale),
    ):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
    assert again.trained.bias == issued.trained.bias


def test_proof_rows_of_an_older_version_are_not_compared(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows cannot be made any more; the bundle is still proven, on the rows of today."""
    today = certificate.read(bundle / CERTIFICATE).proof_rows
    edit_certificate(bundle, lambda document: document["corpus"].update(version=1, sha256="0" * 64))
    monkeypatch.setattr(certificate, "PROOF_ROWS_VERSION", 4)
    assert ProofRowsDigest.of(verify_bundle(bundle).batches) == replace(today, version=4)
