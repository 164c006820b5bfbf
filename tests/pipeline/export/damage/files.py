"""Files of a bundle that were cut off, lost, added, or are no files of ours."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.export.bundle_files import FILES, MODELS, card_of, edit_certificate, reseal
from pipeline.export.damage.damages import Text, damage
from serve_runtime import ArtifactError
from serve_runtime.bundle.manifest import CERTIFICATE, MANIFEST, FileEntry, Manifest
from serve_runtime.bundle.sealed_json import seal
from serve_runtime.errors import CardError

LISTED = sorted({*FILES} - {MANIFEST})
ONNX = ("model.onnx", "model.columnar.onnx")


def cut(path: Path) -> tuple[bytes, bytes]:
    """Cut the second half of a file off; what it held, and what it holds."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content, path.read_bytes()


for _name in LISTED:

    @damage(f"{_name} truncated", ArtifactError)
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        stated, found = (
            f"{entry.size} bytes, sha256 {entry.sha256[:12]}…"
            for entry in map(FileEntry.of, cut(bundle / name))
        )
        return f"{name} is not the file that was exported", f" {stated}", f" {found};"

    @damage(f"{_name} missing")
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        (bundle / name).unlink()
        return (f": '{name}': missing; export again",)

    @damage(f"{_name} left out of the manifest")
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        manifest = Manifest.read(bundle)
        files = {other: entry for other, entry in manifest.files.items() if other != name}
        (bundle / MANIFEST).write_text(replace(manifest, files=files).to_json())
        return (f": '{name}': not listed in its manifest",)


for _listed in (False, True):

    @damage(f"a file added, {'and' if _listed else 'not'} listed in the manifest")
    def _(bundle: Path, listed: bool = _listed) -> Sequence[Text]:
        (bundle / "notes.txt").write_text("hello")
        if listed:
            reseal(bundle)
        return ("'notes.txt': not part of a bundle",)


@damage("a manifest that lists an absent file")
def _(bundle: Path) -> Sequence[Text]:
    (bundle / "evil.bin").write_bytes(b"")
    reseal(bundle)
    (bundle / "evil.bin").unlink()
    return ("'evil.bin': listed in its manifest, but not part",)


@damage("no manifest", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    (bundle / MANIFEST).unlink()
    return ("is no bundle: it has no MANIFEST.json",)


@damage("an empty folder", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    for path in bundle.iterdir():
        path.unlink()
    return ("is no bundle: it has no MANIFEST.json",)


@damage("a truncated manifest", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    cut(bundle / MANIFEST)
    return "MANIFEST.json is not valid JSON ", "truncated"


@damage("a manifest of another version", ArtifactError)
def _(bundle: Path) -> Sequence[Text]:
    document = json.loads((bundle / MANIFEST).read_text())
    del document["sha256"]
    (bundle / MANIFEST).write_text(seal({**document, "format_version": 2}, indent=1))
    return ("format version 2, this installation reads version 1",)


# From here on the manifest is made to match.

NO_MODEL = {
    **dict.fromkeys(ONNX, "is not a whole ONNX file: it was truncated or altered"),
    "model.torchscript.pt": "is no TorchScript file of this project",
    "model.pt2": "is no .pt2 file of this project",
}

for _name in MODELS:

    @damage(f"{_name} truncated, the manifest forged", ArtifactError)
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        cut(bundle / name)
        reseal(bundle)
        return (f"{name} {NO_MODEL[name]}",)

    @damage(f"{_name} of no known format", ArtifactError)
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        (bundle / name).write_bytes(b"hello" * 100)
        reseal(bundle)
        return (f"{name} {NO_MODEL[name]}",)


def alter(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a file in place, and make the manifest match."""
    before = path.read_bytes()
    path.write_bytes(change(before))
    if path.read_bytes() == before:
        raise ValueError(f"nothing in {path} was altered")
    reseal(path.parent)


def flip_first_weight(content: bytes) -> bytes:
    """The last bit of the first weight of an ONNX file."""
    changed = bytearray(content)
    changed[content.index(b"weightJ") + len(b"weightJ") + 1] ^= 1
    return bytes(changed)


for _name in ONNX:

    @damage(f"a weight altered in place in {_name}", ArtifactError)
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        known = card_of(bundle).graph_sha256["rows"][:12]
        alter(bundle / name, flip_first_weight)
        return f"{name} was altered since ", "its graph has sha256 ", f"{known}…"

    @damage(f"the card altered in place in {_name}", CardError)
    def _(bundle: Path, name: str = _name) -> Sequence[Text]:
        alter(bundle / name, lambda c: c.replace(b'"threshold":0.5', b'"threshold":0.4'))
        return "the card in ", f"{name} was altered since it was written"


@damage("the certificate altered in place")
def _(bundle: Path) -> Sequence[Text]:
    alter(bundle / CERTIFICATE, lambda c: c.replace(b'"form": "folded"', b'"form": "Folded"'))
    return ("parity.json was altered since it was written",)


for _version in (2, 4):

    @damage(f"a certificate of format version {_version}")
    def _(bundle: Path, version: int = _version) -> Sequence[Text]:
        edit_certificate(bundle, lambda document: document.update(format_version=version))
        return f"parity.json has format version {version}, ", "reads version 3"
