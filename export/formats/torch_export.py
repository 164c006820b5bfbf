"""The torch.export artifact (.pt2): features (n, d) -> logit, probability, both (n, 1).

Of a model that encodes its columns, encoded_program says what it takes.
"""

import io
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import nn

from export.formats.artifact import Artifact
from export.formats.encoded_program import forward, inputs
from export.formats.torch_values import (
    affine_of,
    encoded_score,
    encoding_of,
    opening,
    tensors,
    torch_score,
)
from export.parity.encoded_model import encode
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.errors import ArtifactError
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows

_SUBTRACTION = ("aten.sub.Tensor(features, p_center)",)
_CALLS = (
    "aten.linear.default({}, p_weight, p_bias)",
    "aten.sigmoid.default(linear,)",
    "output((linear, sigmoid),)",
)

# What a node of the graph knows of the source code that it came from. It is removed: it holds paths
# of this machine, which an artifact must not carry.
_PROVENANCE = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


class ExportedModule(nn.Module):
    """The module that torch.export traces: features (n, d) -> logit, probability, both (n, 1)."""

    weight: torch.Tensor
    bias: torch.Tensor
    center: torch.Tensor

    def __init__(self, values: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, value in values.items():
            setattr(self, name, nn.Parameter(value, requires_grad=False))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logit and probability of each row."""
        if hasattr(self, "center"):
            features = features - self.center
        logit = nn.functional.linear(features, self.weight, self.bias)
        return logit, torch.sigmoid(logit)


class EncodedModule(nn.Module):
    """The module that torch.export traces of a model that encodes its columns."""

    def __init__(self, affine: Affine, encoding: Encoding) -> None:
        super().__init__()
        for name, value in tensors(affine, encoding).items():
            setattr(self, name, nn.Parameter(value, requires_grad=False))
        scope: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor, "Tuple": tuple}
        exec(forward(affine, encoding), scope)
        self.forward = MethodType(scope["forward"], self)


def build(affine: Affine, card: ModelCard, encoding: Encoding | None = None) -> bytes:
    """The archive for these values, with the card as an extra file."""
    buffer = io.BytesIO()
    program = _program(affine, encoding)
    torch.export.save(program, buffer, extra_files={CARD_KEY: card.to_json()})
    return buffer.getvalue()


def _program(affine: Affine, encoding: Encoding | None) -> torch.export.ExportedProgram:
    # Two example rows: with one, torch.export takes the batch for a constant.
    examples = {"features": torch.zeros(2, len(affine.weight))}
    module: nn.Module = ExportedModule(tensors(affine))
    if encoding is not None:
        module = EncodedModule(affine, encoding)
        every = {
            "numbers": torch.zeros(2, len(affine.weight) - len(encoding.center)),
            "precise": torch.zeros(2, len(encoding.center), dtype=torch.float64),
            "codes": torch.zeros(2, len(encoding.tables), dtype=torch.int64),
        }
        examples = {name: every[name] for name in inputs(encoding)}
    program = torch.export.export(
        module.eval(),
        tuple(examples.values()),
        dynamic_shapes={name: {0: torch.export.Dim.DYNAMIC} for name in examples},
    )
    for node in program.graph.nodes:
        for key in _PROVENANCE:
            node.meta.pop(key, None)
    return program


def load(path: Path) -> Artifact:
    """Open a .pt2 file of ours. Raises ArtifactError where torch cannot read it."""
    content, extra = read_bytes(path), {CARD_KEY: ""}
    with opening(path, content, ".pt2"):
        program = torch.export.load(io.BytesIO(content), extra_files=extra)
        affine = affine_of(program.state_dict)
        encoding = encoding_of(program.state_dict, extra[CARD_KEY], str(path))
        module = program.module()
    score = torch_score(module)
    if encoding is not None:
        score = encoded_score(module, encoding, partial(_codes, encoding), str(path))
    return Artifact(
        path.name,
        extra[CARD_KEY],
        affine,
        score,
        encoding,
        lambda: _require_own_graph(path, program, affine, encoding),
    )


def _codes(encoding: Encoding, rows: RawRows) -> torch.Tensor:
    return torch.from_numpy(np.stack(encode(encoding, rows).codes, axis=1))


def _require_own_graph(
    path: Path, program: torch.export.ExportedProgram, affine: Affine, encoding: Encoding | None
) -> None:
    """Raise ArtifactError unless the graph is, call by call, the one that `build` writes."""
    centered = affine.center is not None
    made = [*(_SUBTRACTION if centered else ()), *_CALLS]
    made = [call.format("sub" if centered else "features") for call in made]
    taken = ["features"]
    if encoding is not None:
        made, taken = _calls(_program(affine, encoding)), inputs(encoding)
    found, signature = _calls(program), program.graph_signature
    parameters = signature.inputs_to_parameters
    if (
        found != made
        or list(signature.user_inputs) != taken
        or parameters != {f"p_{name}": name for name in tensors(affine, encoding)}
    ):
        raise ArtifactError(
            f"{path} holds another graph than export writes: {'; '.join(found)} of "
            f"{signature.user_inputs} with {parameters}, not {'; '.join(made)} of {taken}"
        )


def _calls(program: torch.export.ExportedProgram) -> list[str]:
    return [
        f"{node.target}{node.args}{node.kwargs or ''}"
        for node in program.graph.nodes
        if node.op != "placeholder"
    ]
