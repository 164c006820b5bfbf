"""Files of a bundle that were changed, cut off, lost or added: each is noticed and named."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from export.certificate import CERTIFICATE, ProofRowsDigest
from export.errors import BundleError
from export.verify import verify_bundle
from pipeline.export.bundle_files import FILES, MODELS, card_of, edit_certificate, reseal
from serve_runtime import ArtifactError
from serve_runtime.bundle.manifest import MANIFEST, FileEntry, Manifest
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.errors import CardError


def test_an_undamaged_bundle_is_proven_again(bundle: Path, pristine: Path) -> None:
    again = verify_bundle(bundle)
    assert again.card == card_of(pristine)
    recorded = json.loads((pristine / CERTIFICATE).read_text())
    assert recorded["subjects"].keys() == again.parity.scorers.keys()
    for name, found in again.parity.scorers.items():
        figures = recorded["subjects"][name]
        assert figures.keys() == {"overall", *found.buckets}
        rows, absolute, _, _, share, *_, kernel = figures["overall"]
        assert rows == found.overall.rows
        assert absolute == float(f"{found.overall.logit.absolute:.4g}")
        assert share == float(f"{found.overall.logit.share:.4g}")
        assert kernel == float(f"{found.overall.kernel_ulp:.4g}")
    assert recorded["contracts"] == again.contracts
    assert recorded["corpus"] == asdict(ProofRowsDigest.of(again.batches))


def test_an_undamaged_bundle_with_a_centre_is_proven_again(centered: Path) -> None:
    again = verify_bundle(centered)
    assert again.affine.center is not None
    assert again.folding.form == "subtract-first"


@pytest.mark.parametrize("name", FILES)
def test_any_changed_byte_is_noticed(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    for position in np.linspace(0, len(content) - 1, 25).astype(int):
        changed = bytearray(content)
        changed[position] ^= 1
        (bundle / name).write_bytes(changed)
        with pytest.raises((ArtifactError, BundleError), match=name):
            verify_bundle(bundle)


@pytest.mark.parametrize("name", sorted({*FILES} - {MANIFEST}))
def test_a_truncated_file_is_told_by_both_sizes_and_digests(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    cut = content[: len(content) // 2]
    (bundle / name).write_bytes(cut)
    stated, found = (
        f"{entry.size} bytes, sha256 {entry.sha256[:12]}…"
        for entry in (FileEntry.of(content), FileEntry.of(cut))
    )
    with pytest.raises(
        ArtifactError, match=f"{name} is not the file that was exported.* {stated}.* {found};"
    ):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", sorted({*FILES} - {MANIFEST}))
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f": {name}: missing; export again"):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", sorted({*FILES} - {MANIFEST}))
def test_a_file_that_the_manifest_leaves_out_is_named(bundle: Path, name: str) -> None:
    manifest = Manifest.read(bundle)
    files = {other: entry for other, entry in manifest.files.items() if other != name}
    (bundle / MANIFEST).write_text(replace(manifest, files=files).to_json())
    with pytest.raises(BundleError, match=f": {name}: not listed in its manifest"):
        verify_bundle(bundle)


def test_a_file_that_does_not_belong_is_named(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"notes\.txt: not part of a bundle"):
        verify_bundle(bundle)
    reseal(bundle)
    with pytest.raises(BundleError, match=r"notes\.txt: not part of a bundle"):
        verify_bundle(bundle)


def test_a_manifest_that_lists_an_absent_file_is_refused(bundle: Path) -> None:
    (bundle / "evil.bin").write_bytes(b"")
    reseal(bundle)
    (bundle / "evil.bin").unlink()
    with pytest.raises(BundleError, match=r"evil\.bin: listed in its manifest, but not part"):
        verify_bundle(bundle)


def test_a_folder_without_a_manifest_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / MANIFEST).unlink()
    for folder in (bundle, tmp_path):
        with pytest.raises(ArtifactError, match=r"is no bundle: it has no MANIFEST\.json"):
            verify_bundle(folder)


def test_a_truncated_manifest_is_refused(bundle: Path) -> None:
    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(text[: len(text) // 2])
    with pytest.raises(ArtifactError, match=r"MANIFEST\.json is not valid JSON .*truncated"):
        verify_bundle(bundle)


def test_a_manifest_of_another_version_is_refused(bundle: Path) -> None:
    document = json.loads((bundle / MANIFEST).read_text())
    del document["sha256"]
    (bundle / MANIFEST).write_text(seal({**document, "format_version": 2}, indent=1))
    with pytest.raises(ArtifactError, match="format version 2, this installation reads version 1"):
        verify_bundle(bundle)


# From here on the manifest is made to match.


@pytest.mark.parametrize("name", MODELS)
def test_a_truncated_model_is_no_model_though_the_manifest_matches(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: len(content) // 2])
    reseal(bundle)
    message = "not a whole ONNX file" if name.endswith(".onnx") else "is no .* of this project"
    with pytest.raises(ArtifactError, match=f"{name} {message}|{name} is {message}"):
        verify_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.torchscript.pt", "is no TorchScript file of this project"),
        ("model.pt2", r"is no \.pt2 file of this project"),
        ("model.onnx", "is not a whole ONNX file: it was truncated or altered"),
        ("model.columnar.onnx", "is not a whole ONNX file: it was truncated or altered"),
    ],
)
def test_a_file_of_no_known_format_is_refused(bundle: Path, name: str, message: str) -> None:
    (bundle / name).write_bytes(b"hello" * 100)
    reseal(bundle)
    with pytest.raises(ArtifactError, match=f"{name} {message}"):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "model.columnar.onnx"])
def test_a_weight_altered_in_place_is_told_by_both_digests_of_the_graph(
    bundle: Path, name: str
) -> None:
    content = (bundle / name).read_bytes()
    card = card_of(bundle)
    weight = Path(bundle / name).read_bytes().index(b"weightJ") + len(b"weightJ") + 1
    changed = bytearray(content)
    changed[weight] ^= 1  # the last bit of the first weight
    (bundle / name).write_bytes(changed)
    reseal(bundle)
    known = card.graph_sha256["rows"][:12]
    with pytest.raises(
        ArtifactError, match=f"{name} was altered since .*its graph has sha256 .*{known}…"
    ):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "model.columnar.onnx"])
def test_a_card_altered_in_place_is_refused(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    assert content.count(b'"threshold":0.5') == 1
    (bundle / name).write_bytes(content.replace(b'"threshold":0.5', b'"threshold":0.4'))
    reseal(bundle)
    with pytest.raises(CardError, match=f"the card in .*{name} was altered since it was written"):
        verify_bundle(bundle)


def test_a_certificate_altered_in_place_is_refused(bundle: Path) -> None:
    path = bundle / CERTIFICATE
    path.write_text(path.read_text().replace('"form": "folded"', '"form": "Folded"'))
    reseal(bundle)
    with pytest.raises(BundleError, match=r"parity\.json was altered since it was written"):
        verify_bundle(bundle)


@pytest.mark.parametrize("version", [1, 3])
def test_a_certificate_of_another_format_is_refused(bundle: Path, version: int) -> None:
    edit_certificate(bundle, lambda document: document.update(format_version=version))
    with pytest.raises(
        BundleError, match=rf"parity\.json has format version {version}, .*reads version 2"
    ):
        verify_bundle(bundle)
