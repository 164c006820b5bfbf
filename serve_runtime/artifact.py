"""Model files and bundles as they lie on disk: read once, proven unaltered, then used.

The bytes that are hashed are the bytes that are returned; nothing is read a second time.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serve_runtime.card import CARD_KEY, ModelCard
from serve_runtime.errors import ArtifactError
from serve_runtime.sealed import seal, unseal

ROWS, COLUMNS = "rows", "columns"
"""The two layouts: features as [batch, d], and as [d, batch]."""

MODEL_FILES: Final[Mapping[str, str]] = {ROWS: "model.onnx", COLUMNS: "model.columnar.onnx"}
"""The ONNX file of each layout in a bundle."""

MANIFEST: Final = "MANIFEST.json"
MANIFEST_VERSION: Final = 1

# Field numbers of onnx.ModelProto and onnx.StringStringEntryProto (onnx/onnx.proto).
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2


@dataclass(frozen=True)
class ModelFile:
    """One ONNX file: its bytes, its card, and the layout that the card says it has."""

    path: Path
    content: bytes
    card: ModelCard
    layout: str


@dataclass(frozen=True)
class FileEntry:
    """What a manifest says of one file."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> "FileEntry":
        """The entry that describes `content`."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class Manifest:
    """Every file of a bundle with its size and digest, and the versions that wrote them."""

    files: Mapping[str, FileEntry]
    versions: Mapping[str, str]

    def to_json(self) -> str:
        """The manifest as sealed JSON."""
        files = {name: vars(entry) for name, entry in self.files.items()}
        document = {"files": files, "versions": self.versions, "format_version": MANIFEST_VERSION}
        return seal(document, indent=1)

    @classmethod
    def read(cls, bundle: Path) -> "Manifest":
        """The manifest of the folder `bundle`. Raises ArtifactError unless it is intact."""
        path = bundle / MANIFEST
        text = read_bytes(path).decode("utf-8", errors="replace")
        document = unseal(
            text, what=str(path), version=MANIFEST_VERSION, error=ArtifactError, indent=1
        )
        try:
            files = {name: FileEntry(**entry) for name, entry in document["files"].items()}
            return cls(files, document["versions"])
        except (AttributeError, KeyError, TypeError):
            raise ArtifactError(f"{path} lists no files: it is no manifest of a bundle") from None

    def read_file(self, bundle: Path, name: str) -> bytes:
        """The bytes of one file of the bundle, proven to be those the manifest describes."""
        content = read_bytes(bundle / name)
        if name not in self.files:
            raise ArtifactError(f"{bundle / name} is not in {bundle / MANIFEST}: export again")
        found, stated = FileEntry.of(content), self.files[name]
        if found != stated:
            raise ArtifactError(
                f"{bundle / name} is not the file that was exported: {MANIFEST} says "
                f"{stated.size} bytes, sha256 {stated.sha256[:12]}…, the file has {found.size} "
                f"bytes, sha256 {found.sha256[:12]}…; export again or restore the file"
            )
        return content


def read_bytes(path: Path) -> bytes:
    """All bytes of a file; ArtifactError with the reason when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as reason:
        raise ArtifactError(f"cannot read {path}: {reason.strerror or reason}") from None


def read_models(location: Path) -> list[ModelFile]:
    """The ONNX files at `location`: both layouts of a bundle, or the one file that it names.

    Raises ArtifactError (a file is missing, truncated, altered, or not ours) or CardError.
    """
    try:
        there, folder = location.exists(), location.is_dir()
    except (OSError, ValueError) as reason:  # a name too long, or with a NUL
        raise ArtifactError(f"cannot read {location}: {reason}") from None
    if not there:
        raise ArtifactError(f"{location} does not exist: give a bundle folder or a model.onnx")
    if not folder:
        return [parse_model(location, read_bytes(location))]
    if not (location / MANIFEST).exists():
        raise ArtifactError(
            f"cannot read {location / MANIFEST}: No such file; a bundle has one. To serve a model "
            f"without its bundle, name the file, such as {location / MODEL_FILES[ROWS]}"
        )
    manifest = Manifest.read(location)
    models = [
        parse_model(location / name, manifest.read_file(location, name))
        for name in MODEL_FILES.values()
    ]
    for layout, model in zip(MODEL_FILES, models, strict=True):
        if model.layout != layout:
            raise ArtifactError(
                f"{model.path} holds the {model.layout} graph, not the {layout} one"
            )
    if models[0].card != models[1].card:
        raise ArtifactError(f"{models[0].path} and {models[1].path} carry different cards")
    return models


def parse_model(path: Path, content: bytes) -> ModelFile:
    """Read the card out of an ONNX file and prove that the graph is the one it was sealed with."""
    metadata: dict[str, bytes] = {}
    graph = hashlib.sha256()
    try:
        for number, value, raw in _fields(content):
            if number == _METADATA_PROPS:
                entry = {n: v for n, v, _ in _fields(value)}
                metadata[entry[_ENTRY_KEY].decode()] = entry[_ENTRY_VALUE]
            else:
                graph.update(raw)
        text = metadata[CARD_KEY].decode("utf-8") if CARD_KEY in metadata else None
    except (ValueError, KeyError):
        raise ArtifactError(
            f"{path} is not a whole ONNX file: it was truncated or altered"
        ) from None
    if text is None:
        raise ArtifactError(
            f"{path} carries no model card under {CARD_KEY!r}: it was not written by "
            "`python -m export bundle`"
        )
    card = ModelCard.from_json(text, where=f"the card in {path}")
    layouts = {digest: layout for layout, digest in card.graph_sha256.items()}
    digest = graph.hexdigest()
    if digest not in layouts:
        raise ArtifactError(
            f"{path} was altered since it was exported: its graph has sha256 {digest[:12]}…, its "
            f"card knows {', '.join(d[:12] + '…' for d in layouts) or 'none'}; export again"
        )
    return ModelFile(path, content, card, layouts[digest])


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Fields of a protobuf message: number, value bytes (empty for a varint), and raw bytes.

    Enough of the wire format (protobuf.dev, "Encoding") to find a model's metadata without the
    onnx package. Raises ValueError where the bytes end too soon or make no field.
    """
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        wire_type = key & 7
        value_start = position
        if wire_type == 0:
            value_start = (position := _varint(message, position)[1])
        elif wire_type == 1:
            position += 8
        elif wire_type == 2:
            length, value_start = _varint(message, position)
            position = value_start + length
        elif wire_type == 5:
            position += 4
        else:
            raise ValueError(f"wire type {wire_type}")
        if position > len(message):
            raise ValueError("truncated")
        yield key >> 3, message[value_start:position], message[start:position]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("truncated")
