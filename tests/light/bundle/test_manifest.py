"""A manifest knows every byte of its bundle."""

import hashlib
from dataclasses import replace

import pytest

from light.helpers import TINY, accepted, flipped, reseal, write_model
from serve_runtime import ArtifactError, Predictor
from serve_runtime.bundle.manifest import FileEntry, Manifest
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.bundle.sealed_json import seal

CONTENT = (TINY / "model.onnx").read_bytes()
MANIFEST = (TINY / "MANIFEST.json").read_bytes()


def test_no_single_changed_byte_of_a_bundled_file_is_accepted(bundle):
    path = bundle / "model.columnar.onnx"
    content = path.read_bytes()
    changed = (flipped(content, i) for i in range(0, len(content), 29))
    assert accepted(path, changed, bundle) == []


def test_no_changed_or_truncated_manifest_is_accepted(bundle):
    changed = [flipped(MANIFEST, i, 1 << i % 8) for i in range(len(MANIFEST))]
    changed += [MANIFEST[:length] for length in range(0, len(MANIFEST), 7)]
    assert accepted(bundle / "MANIFEST.json", changed, bundle) == []


def test_models_that_the_manifest_does_not_know_are_refused(bundle, card):
    for layout, name in MODEL_FILES.items():
        write_model(bundle / name, replace(card, threshold=0.4), layout=layout)
    assert (bundle / "model.onnx").stat().st_size == len(CONTENT)
    with pytest.raises(ArtifactError, match=r"model.onnx is not the file that was exported"):
        Predictor(bundle)
    reseal(bundle)
    assert Predictor(bundle).card.threshold == 0.4


def test_an_altered_file_is_told_with_both_sizes_and_digests(bundle):
    (bundle / "model.onnx").write_bytes(CONTENT + b"\n")
    shown = f"says {len(CONTENT)} bytes, sha256 .* the file has {len(CONTENT) + 1} bytes, sha256"
    with pytest.raises(ArtifactError, match=shown):
        Predictor(bundle)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"files": {}, "versions": {}}, r"model.onnx is not in .*MANIFEST.json: export again"),
        ({"files": {}, "versions": {}, "format_version": 9}, "version 9, this installation reads"),
        ({"versions": {}}, "lists no files: it is no manifest"),
        ({"files": {}}, "lists no files: it is no manifest"),
        ({"files": [1], "versions": {}}, "lists no files: it is no manifest"),
        ({"files": {"model.onnx": 1}, "versions": {}}, "lists no files: it is no manifest"),
        ({"files": {"a": {"sha256": "", "size": 1, "x": 1}}, "versions": {}}, "lists no files: it"),
        ({"files": {"a": {"sha256": 5, "size": 1}}, "versions": {}}, "lists no digests: it is no"),
        (
            {"files": {"a": {"sha256": "", "size": "1"}}, "versions": {}},
            "lists no digests: it is n",
        ),
        ({"files": {"a": {"sha256": "", "size": True}}, "versions": {}}, "lists no digests: it is"),
        ({"files": {}, "versions": [1]}, "lists no digests: it is no manifest"),
    ],
)
def test_a_sealed_document_that_is_no_manifest_is_refused(bundle, document, message):
    (bundle / "MANIFEST.json").write_text(seal({"format_version": 1, **document}, indent=1))
    with pytest.raises(ArtifactError, match=message):
        Predictor(bundle)


def test_a_manifest_survives_json(tmp_path):
    manifest = Manifest({"a": FileEntry.of(b"content")}, {"onnx": "1"})
    (tmp_path / "MANIFEST.json").write_text(manifest.to_json())
    assert Manifest.read(tmp_path) == manifest
    assert manifest.files["a"] == FileEntry(hashlib.sha256(b"content").hexdigest(), 7)
