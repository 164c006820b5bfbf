"""Model files and bundles on disk: read once, checked against their digests, then used.

The bytes that are hashed are the bytes that are returned; nothing is read a second time.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.manifest import MANIFEST, MANIFEST_BYTES, Manifest, StrPath, read_bytes
from serve_runtime.bundle.onnx_graph import read_graph
from serve_runtime.bundle.protobuf_wire import field, fields, messages
from serve_runtime.bundle.replaced import moved_aside, read_replaced
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.errors import ArtifactError
from serve_runtime.features.column import is_numeric
from serve_runtime.shown import MOST_CHARACTERS, MOST_NAMES, listed, quoted

if TYPE_CHECKING:
    from serve_runtime.features.encoding import Encoding

MODEL_FILES: Final[Mapping[str, str]] = {ROWS: "model.onnx", COLUMNS: "model.columnar.onnx"}
"""The ONNX file of each layout in a bundle."""

MODEL_BYTES: Final = 1 << 28
"""Most bytes of a model file: enough for 1,000,000 features, each of which takes 8 bytes in the
graph and, in the card, 140 bytes for its range, mean, weight per standard deviation and two golden
rows plus twice its name."""

FileState = tuple[tuple[int, int, int, int, int], ...]

_SETTLED_NS = 2 * 10**9
"""File systems count time in steps of up to 2 s (FAT): two changes within one look the same."""

# Field numbers of onnx.ModelProto and onnx.StringStringEntryProto (onnx/onnx.proto).
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2


@dataclass(frozen=True)
class ModelFile:
    """One ONNX file that export wrote; everything else here was read out of `content`."""

    path: str
    content: bytes
    card: ModelCard
    layout: str
    """ROWS or COLUMNS."""
    affine: Affine
    encoding: Encoding | None = None
    """None where the model takes plain numbers alone."""


def absolute_path(model: object) -> str | None:
    """The path of a model from the root, since the host may change its working folder before a
    reload; None where it has no path: bytes are a model, not a path.

    Links stay links: one that is moved to another bundle names that one from then on.
    """
    return os.path.abspath(os.fsdecode(model)) if isinstance(model, str | os.PathLike) else None


def read_any(model: Any) -> tuple[ModelFile, ...]:
    """The ONNX files of a model that is a path, or in memory. Raises as `read_models` does."""
    if isinstance(model, str | os.PathLike):
        return tuple(read_models(os.fsdecode(model)))
    from serve_runtime.bundle.from_memory import read_from_memory  # not for those who have a path

    return tuple(read_from_memory(model))


def read_models(location: StrPath) -> list[ModelFile]:
    """The ONNX files at `location`: both layouts of a bundle, or the one file that it names.

    A bundle that is replaced meanwhile is read again. Raises ArtifactError (a file is missing,
    truncated, altered, or not ours) or CardError.
    """
    return read_replaced(location, _read_models)


def _read_models(location: StrPath) -> list[ModelFile]:
    try:
        mode = os.stat(location).st_mode
    except FileNotFoundError:
        if os.path.exists(old := moved_aside(location)):
            raise ArtifactError(
                f"{location} was moved to {old} by a process that was killed before it could put a "
                "new bundle there: rename it back, or export again"
            ) from None
        raise ArtifactError(
            f"{location} does not exist: give a bundle folder or a model.onnx"
        ) from None
    except OSError as reason:  # a name too long, for example
        raise ArtifactError(f"cannot read {location}: {reason.strerror or reason}") from None
    except ValueError as reason:  # a name with a NUL, or with half a surrogate pair
        raise ArtifactError(f"cannot read {quoted(os.fspath(location))}: {reason}") from None
    if not stat.S_ISDIR(mode):
        return [parse_model(location, read_bytes(location, MODEL_BYTES))]
    if not os.path.exists(os.path.join(location, MANIFEST)):
        if os.path.exists(os.path.join(location, "checkpoint.pt")):
            raise no_bundle(location, "this is a run: make a bundle of it with python -m export "
                            "bundle RUN BUNDLE")  # fmt: skip
        raise no_bundle(location)
    return read_bundle(location, lambda name, most: read_bytes(os.path.join(location, name), most))


def read_bundle(folder: StrPath, read: Callable[[str, int], bytes]) -> list[ModelFile]:
    """The ONNX files of the bundle `folder`, of which `read` gives the bytes of a file: its name,
    the most bytes that it may have."""
    manifest = Manifest.parse(os.path.join(folder, MANIFEST), read(MANIFEST, MANIFEST_BYTES))
    models, cards = list[ModelFile](), dict[str, ModelCard]()
    for layout, name in MODEL_FILES.items():
        path = os.path.join(folder, name)
        content = read(name, MODEL_BYTES)
        manifest.check(folder, name, content)
        models.append(model := parse_model(path, content, cards))
        if model.layout != layout:
            raise ArtifactError(f"{path} holds the {model.layout} graph, not the {layout} one")
    if models[0].card != models[1].card:
        raise ArtifactError(f"{models[0].path} and {models[1].path} carry different cards")
    return models


def no_bundle(folder: StrPath, remedy: str | None = None) -> ArtifactError:
    """The error for a folder without a manifest."""
    remedy = remedy or f"to serve a model without its bundle, name the {MODEL_FILES[ROWS]} itself"
    return ArtifactError(f"{folder} is no bundle, it has no {MANIFEST}: {remedy}")


def file_state(location: StrPath | None) -> FileState | None:
    """Device, inode, size and times of the files of a bundle, or of a model file: another value
    shows that they were changed, without reading them.

    None where it cannot show that: there is no file, one is missing, or was changed within the last
    seconds, so that one more change might leave its times as they are.
    """
    if location is None:
        return None
    names = (MANIFEST, *MODEL_FILES.values())
    try:
        bundle = os.path.isdir(location)
        paths = [os.path.join(location, name) for name in names] if bundle else [location]
        found = [os.stat(path) for path in paths]
    except (OSError, ValueError):  # whoever reads them says what is wrong
        return None
    changed = max(max(file.st_mtime_ns, file.st_ctime_ns) for file in found)
    if time.time_ns() - changed < _SETTLED_NS:
        return None
    return tuple(
        (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns)
        for file in found
    )


def parse_model(
    path: StrPath, content: bytes, cards: dict[str, ModelCard] | None = None
) -> ModelFile:
    """An ONNX file and its card, checked to belong together and to be what export writes.

    `cards` holds what the same text was found to say before: both files of a bundle carry one card,
    which is parsed once. It is added to.
    Raises CardError, or ArtifactError: the file was truncated or altered, holds anything that
    export does not write, or does not belong to its card.
    """
    model, text = _split(path, content)
    cards = {} if cards is None else cards
    if text not in cards:
        cards[text] = ModelCard.from_json(text, where=f"the card in {path}")
    card = cards[text]
    digest, known = sha256(model).hexdigest(), card.graph_sha256
    if digest not in known.values():
        shown = ", ".join(f"{d!s:.12}…" for d in list(known.values())[:2])
        raise ArtifactError(
            f"{path} was altered since it was exported: its graph has sha256 {digest[:12]}…, its "
            f"card knows {shown or 'none'}; export again"
        )
    encoding = None
    if is_numeric(card.columns):
        layout, affine = read_graph(model, str(path))
        weights = affine.sha256()
    else:
        # Not for models of plain numbers, whose start they would lengthen by 0.7 ms.
        from serve_runtime.bundle.graph.read_encoded import read_encoded_graph
        from serve_runtime.features.encoding import sha256_of

        layout, affine, encoding = read_encoded_graph(model, str(path), card.columns)
        weights = sha256_of(affine, encoding)
    layouts = [name for name in known if known[name] == digest]
    if layouts != [layout]:
        raise ArtifactError(
            f"{path} holds the {layout} graph, its card calls it {listed(layouts, 2)}: export again"
        )
    if encoding is None and len(affine.weight) != len(card.columns):
        raise ArtifactError(
            f"{path} takes {len(affine.weight)} features, its card names "
            f"{len(card.columns)}: export again"
        )
    if weights != card.weights_sha256:
        raise ArtifactError(
            f"{path} holds the weights {weights[:12]}…, its card was made for "
            f"{card.weights_sha256!s:.12}…: export again"
        )
    return ModelFile(str(path), content, card, layout, affine, encoding)


def card_field(text: str | bytes) -> bytes:
    """The protobuf field that holds the text of a card: the last field of an ONNX file."""
    return field(_METADATA_PROPS, field(_ENTRY_KEY, CARD_KEY) + field(_ENTRY_VALUE, text))


def _split(path: StrPath, content: bytes) -> tuple[bytes, str]:
    """The bytes of the model and the text of its card."""
    end, keys, texts, own = 0, list[memoryview](), list[memoryview](), CARD_KEY.encode()
    try:
        for number, value, stop in fields(content):
            if number != _METADATA_PROPS:
                end = stop
            elif isinstance(value, memoryview):
                found = messages(value, _ENTRY_KEY)
                keys += found
                texts += messages(value, _ENTRY_VALUE)[:1] if own in found else ()
        text = str(texts[-1], "utf-8") if texts else None
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
        names = [str(key[:MOST_CHARACTERS], "utf-8", "replace") for key in keys[:MOST_NAMES]]
        raise ArtifactError(
            f"{path} must end with its card, and hold no metadata besides; it holds "
            f"{listed(names)}: export again"
        )
    return content[:end], text
