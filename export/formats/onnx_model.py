"""The ONNX files; serve_runtime.bundle.onnx_graph says what is in them, and why."""

from pathlib import Path

import onnx

from export.formats.artifact import Artifact
from export.formats.onnxruntime_scorer import scorer
from serve_runtime.bundle import onnx_graph, onnx_writer
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import MODEL_FILES, card_field, parse_model
from serve_runtime.errors import ArtifactError

OPSET = onnx_writer.OPSET
IR_VERSION = onnx_writer.IR_VERSION


def build(affine: Affine, layout: str) -> bytes:
    """The serialized model for `layout` (ROWS or COLUMNS), card not included."""
    content = onnx_graph.write_model(affine, layout)
    onnx.checker.check_model(content, full_check=True)
    return content


def add_card(model: bytes, card: ModelCard) -> bytes:
    """The model with its card; the bytes of the model itself stay as they are.

    Concatenated protobuf messages are one message with the fields of both (protobuf.dev,
    "Encoding", last-one-wins), so the card is appended, not merged.
    """
    return model + card_field(card.to_json())


def load(path: Path) -> Artifact:
    """Open an ONNX file of ours. Raises ArtifactError or CardError where it is not intact."""
    file = parse_model(path, read_bytes(path))
    if MODEL_FILES[file.layout] != path.name:
        raise ArtifactError(f"{path} holds the {file.layout} graph: it was exchanged or renamed")
    return Artifact(path.name, file.card.to_json(), file.affine, scorer(file.content, file.layout))
