"""Models that have no path: bytes, open files, and resources of a package, in a zip file say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol

from serve_runtime.bundle.manifest import MANIFEST
from serve_runtime.bundle.model_file import (
    MODEL_BYTES,
    ModelFile,
    no_bundle,
    parse_model,
    read_bundle,
)
from serve_runtime.errors import ArtifactError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    class BinaryFile(Protocol):
        """A file open for reading bytes."""

        def read(self, size: int, /) -> bytes:
            """Up to `size` bytes; none at the end."""

    ModelSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Traversable
    """What a Predictor opens: a path, or what `read_from_memory` takes."""


_LONGEST_PATH: Final = 4096


def read_from_memory(model: Any) -> list[ModelFile]:
    """The model that `model` holds, read once and to the end: the bytes of a model.onnx, a file
    open for reading bytes, or a Traversable, as importlib.resources gives it, of a bundle or a
    model.onnx.

    Raises TypeError for anything else, ArtifactError or CardError for what is no model.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        content = bytes(model)
        if len(content) > MODEL_BYTES:
            raise _too_large("<bytes>")
        if len(content) < _LONGEST_PATH and os.path.exists(content):
            raise ArtifactError("bytes are taken for a model: pass its path as a str, os.fsdecode")
        return [parse_model("<bytes>", content)]
    if hasattr(model, "read"):
        name = getattr(model, "name", None)
        name = name if isinstance(name, str) and name else f"<{type(model).__name__}>"
        return [parse_model(name, _read_to_end(model, name, MODEL_BYTES))]
    if all(hasattr(model, method) for method in ("is_dir", "joinpath", "open")):
        return _read_resource(model)
    raise TypeError(
        "model must be the path of a bundle or of a model.onnx, the bytes of a model.onnx, a file "
        f"open for reading bytes, or a resource of a package; got {type(model).__name__}"
    )


def _read_resource(resource: Traversable) -> list[ModelFile]:
    name = str(resource)
    try:
        is_folder = resource.is_dir()
        if is_folder and not resource.joinpath(MANIFEST).is_file():
            raise no_bundle(name)
    except ArtifactError:
        raise
    except Exception as reason:  # of whatever library the resource is
        raise _unreadable(name, reason) from reason
    if is_folder:
        return read_bundle(
            name, lambda file, most: _read_member(resource.joinpath(file), name, file, most)
        )
    return [parse_model(name, _read_member(resource, *os.path.split(name), MODEL_BYTES))]


def _read_member(resource: Traversable, folder: str, file: str, most: int) -> bytes:
    name = os.path.join(folder, file)
    try:
        opened = resource.open("rb")
    except MemoryError:
        raise
    except Exception as reason:
        raise _unreadable(name, reason) from reason
    with opened:
        return _read_to_end(opened, name, most)


def _read_to_end(file: Any, name: str, most: int) -> bytes:
    """What is left in a file. ArtifactError where that is more than `most` bytes."""
    content = bytearray()
    while len(content) <= most:
        try:
            part = file.read(most + 1 - len(content))
        except MemoryError:
            raise
        except Exception as reason:
            raise _unreadable(name, reason) from reason
        if not isinstance(part, bytes | bytearray | memoryview):
            raise TypeError(
                f'model must be a file open for reading bytes, open(path, "rb"); reading {name} '
                f"gave {type(part).__name__}"
            )
        if not part:
            break
        content += part
    if len(content) > most:
        raise _too_large(name)
    if not content:
        raise ArtifactError(
            f"{name} has no bytes left to read: if it was just written, go back with seek(0)"
        )
    return bytes(content)


def _too_large(name: str) -> ArtifactError:
    return ArtifactError(
        f"cannot read {name}: a model must have at most {MODEL_BYTES:,} bytes: it was not written "
        "by `python -m export bundle`"
    )


def _unreadable(name: str, reason: Exception) -> ArtifactError:
    return ArtifactError(f"cannot read {name}: {type(reason).__name__}: {reason!s:.200}")
