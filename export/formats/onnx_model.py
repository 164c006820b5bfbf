"""The ONNX files; serve_runtime.bundle.onnx_graph says what is in them, and why."""

from dataclasses import dataclass
from pathlib import Path

import onnx

from export.formats.artifact import Artifact
from export.formats.onnxruntime_scorer import onnx_score
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.model_file import card_field, parse_model
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.errors import ArtifactError
from serve_runtime.features.encoding import Encoding


@dataclass(frozen=True)
class OnnxFile:
    """The format of one of the two ONNX files (see artifact.FormatCode)."""

    layout: str
    """ROWS or COLUMNS: how the graph takes its input."""

    def build(self, affine: Affine, card: ModelCard, encoding: Encoding | None = None) -> bytes:
        """The file: the graph, and after it the card."""
        return add_card(checked_graph(affine, self.layout, encoding), card)

    def load(self, path: Path) -> Artifact:
        """Open an ONNX file of ours. Raises ArtifactError or CardError where it is not intact."""
        file = parse_model(path, read_bytes(path))
        if file.layout != self.layout:
            raise ArtifactError(
                f"{path} holds the {file.layout} graph: it was exchanged or renamed"
            )
        return Artifact(
            path.name,
            file.card.to_json(),
            file.affine,
            onnx_score(file.content, file.layout, file.encoding),
            file.encoding,
            lambda: None,  # parse_model has compared the graph with the one that export writes
        )


rows_file = OnnxFile(ROWS)
columns_file = OnnxFile(COLUMNS)


def checked_graph(affine: Affine, layout: str, encoding: Encoding | None = None) -> bytes:
    """The graph for `layout` as a serialized model without a card, valid by onnx's own checker."""
    content = write_model(affine, layout, encoding)
    onnx.checker.check_model(content, full_check=True)
    return content


def add_card(model: bytes, card: ModelCard) -> bytes:
    """The model with its card; the bytes of the model itself stay as they are.

    Concatenated protobuf messages are one message with the fields of both (protobuf.dev,
    "Encoding", last-one-wins), so the card is appended, not merged.
    """
    return model + card_field(card.to_json())
