"""Model files and bundles as they lie on disk: read once, proven unaltered, then used.

The bytes that are hashed are the bytes that are returned; nothing is read a second time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serve_runtime.card import CARD_KEY, ModelCard
from serve_runtime.errors import ArtifactError
from serve_runtime.graph import COLUMNS as COLUMNS
from serve_runtime.graph import ROWS as ROWS
from serve_runtime.graph import Graph, read_graph
from serve_runtime.sealed import seal, sha256, unseal
from serve_runtime.wire import field, fields, messages

StrPath = str | os.PathLike[str]
"""Joined by os.path here: to load pathlib takes 4 ms that numpy and onnxruntime do without."""

MODEL_FILES: Final[Mapping[str, str]] = {ROWS: "model.onnx", COLUMNS: "model.columnar.onnx"}
"""The ONNX file of each layout in a bundle."""

MANIFEST: Final = "MANIFEST.json"
MANIFEST_VERSION: Final = 1

MODEL_BYTES: Final = 1 << 28
"""Most that a model file may have. With 1,000,000 features, each takes 8 bytes in the graph and,
in the card, 100 for its range and two golden rows and twice its name: 160 bytes for one of 24."""

MANIFEST_BYTES: Final = 1 << 20
"""Most that a manifest may have; one of ours has less than 2,000."""

# Field numbers of onnx.ModelProto and onnx.StringStringEntryProto (onnx/onnx.proto).
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2


@dataclass(frozen=True)
class ModelFile:
    """One ONNX file of ours, read once: all else was read out of `content`."""

    path: str
    content: bytes
    card: ModelCard
    graph: Graph

    @property
    def layout(self) -> str:
        """ROWS or COLUMNS."""
        return self.graph.layout


@dataclass(frozen=True)
class FileEntry:
    """What a manifest says of one file."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> FileEntry:
        """The entry that describes `content`."""
        return cls(sha256(content).hexdigest(), len(content))


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
    def read(cls, bundle: StrPath) -> Manifest:
        """The manifest of the folder `bundle`. Raises ArtifactError unless it is intact."""
        path = os.path.join(bundle, MANIFEST)
        text = read_bytes(path, MANIFEST_BYTES).decode("utf-8", errors="replace")
        document = unseal(text, what=path, version=MANIFEST_VERSION, error=ArtifactError, indent=1)
        try:
            files = {name: FileEntry(**entry) for name, entry in document["files"].items()}
            versions = document["versions"]
        except (AttributeError, KeyError, TypeError):
            raise ArtifactError(f"{path} lists no files: it is no manifest of a bundle") from None
        values = [value for entry in files.values() for value in (entry.sha256, entry.size)]
        if not isinstance(versions, dict) or [type(v) for v in values] != [str, int] * len(files):
            raise ArtifactError(f"{path} lists no digests: it is no manifest of a bundle")
        return cls(files, versions)

    def read_file(self, bundle: StrPath, name: str, most: int | None = None) -> bytes:
        """The bytes of one file of the bundle, proven to be those the manifest describes."""
        path = os.path.join(bundle, name)
        content = read_bytes(path, most)
        if name not in self.files:
            raise ArtifactError(f"{path} is not in {os.path.join(bundle, MANIFEST)}: export again")
        found, stated = FileEntry.of(content), self.files[name]
        if found != stated:
            raise ArtifactError(
                f"{path} is not the file that was exported: {MANIFEST} says "
                f"{stated.size} bytes, sha256 {stated.sha256[:12]}…, the file has {found.size} "
                f"bytes, sha256 {found.sha256[:12]}…; export again or restore the file"
            )
        return content


def read_bytes(path: StrPath, most: int | None = None) -> bytes:
    """All bytes of a plain file, of `most` bytes if that is given.

    ArtifactError with the reason where it is larger, which is seen before it is read; where it is
    a pipe or a device, which might never end; and where it cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ArtifactError(f"cannot read {path}: it must be a plain file; it is none")
            if most is not None and status.st_size > most:
                raise ArtifactError(
                    f"cannot read {path}: it must have at most {most:,} bytes; it has "
                    f"{status.st_size:,}: it was not written by `python -m export bundle`"
                )
            return file.read(status.st_size)
    except OSError as reason:
        raise ArtifactError(f"cannot read {path}: {reason.strerror or reason}") from None


def _open_at_once(path: str, flags: int) -> int:
    """Without O_NONBLOCK, opening a FIFO would wait until somebody writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_models(location: StrPath) -> list[ModelFile]:
    """The ONNX files at `location`: both layouts of a bundle, or the one file that it names.

    Raises ArtifactError (a file is missing, truncated, altered, or not ours) or CardError.
    """
    try:
        mode = os.stat(location).st_mode
    except FileNotFoundError:
        raise ArtifactError(
            f"{location} does not exist: give a bundle folder or a model.onnx"
        ) from None
    except (OSError, ValueError) as reason:  # a name too long, or with a NUL
        raise ArtifactError(f"cannot read {location}: {reason}") from None
    if not stat.S_ISDIR(mode):
        return [parse_model(location, read_bytes(location, MODEL_BYTES))]
    if not os.path.exists(os.path.join(location, MANIFEST)):
        remedy = f"to serve a model without its bundle, name the {MODEL_FILES[ROWS]} itself"
        if os.path.exists(os.path.join(location, "checkpoint.pt")):
            remedy = "this is a run: make a bundle of it with python -m export bundle RUN BUNDLE"
        raise ArtifactError(f"{location} is no bundle, it has no {MANIFEST}: {remedy}")
    manifest = Manifest.read(location)
    models = [
        parse_model(os.path.join(location, name), manifest.read_file(location, name, MODEL_BYTES))
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


def parse_model(path: StrPath, content: bytes) -> ModelFile:
    """An ONNX file with its card, proven to be of one piece and what export writes.

    Raises CardError, or ArtifactError: the file was truncated or altered, holds anything that
    export does not write, or does not belong to its card.
    """
    model, text = _split(path, content)
    card = ModelCard.from_json(text, where=f"the card in {path}")
    digest, known = sha256(model).hexdigest(), card.graph_sha256
    if digest not in known.values():
        shown = ", ".join(f"{d!s:.12}…" for d in list(known.values())[:2])
        raise ArtifactError(
            f"{path} was altered since it was exported: its graph has sha256 {digest[:12]}…, its "
            f"card knows {shown or 'none'}; export again"
        )
    graph = read_graph(model, str(path))
    layouts = [layout for layout in known if known[layout] == digest]
    if layouts != [graph.layout]:
        raise ArtifactError(
            f"{path} holds the {graph.layout} graph, its card calls it {', '.join(layouts):.40}: "
            "export again"
        )
    if len(graph.weight) != len(card.feature_names):
        raise ArtifactError(
            f"{path} takes {len(graph.weight)} features, its card names "
            f"{len(card.feature_names)}: export again"
        )
    if (weights := graph.weights_sha256()) != card.weights_sha256:
        raise ArtifactError(
            f"{path} holds the weights {weights[:12]}…, its card was made for "
            f"{card.weights_sha256!s:.12}…: export again"
        )
    return ModelFile(str(path), content, card, graph)


def card_field(text: str | bytes) -> bytes:
    """The field of an ONNX file, its last, that holds the text of a card."""
    return field(_METADATA_PROPS, field(_ENTRY_KEY, CARD_KEY) + field(_ENTRY_VALUE, text))


def _split(path: StrPath, content: bytes) -> tuple[bytes, str]:
    """The bytes of the model and the text of its card."""
    end, metadata = 0, dict[bytes, bytes]()
    try:
        for number, value, stop in fields(content):
            if number != _METADATA_PROPS:
                end = stop
            elif isinstance(value, bytes):
                for key in messages(value, _ENTRY_KEY):
                    metadata[key] = b"".join(messages(value, _ENTRY_VALUE))
        key = CARD_KEY.encode()
        text = metadata[key].decode() if key in metadata else None
    except ValueError as reason:
        raise ArtifactError(
            f"{path} is not a whole ONNX file: it was truncated or altered, or is something else "
            f"({reason})"
        ) from None
    if text is None:
        raise ArtifactError(
            f"{path} carries no model card under {CARD_KEY!r}: it was not written by "
            "`python -m export bundle`"
        )
    if content[end:] != card_field(text):
        names = ", ".join(repr(name.decode(errors="replace")) for name in metadata)
        raise ArtifactError(
            f"{path} must end with its card, and hold no metadata besides; it holds {names:.80}: "
            "export again"
        )
    return content[:end], text
